use std::path::Path;

use image::{RgbImage, imageops};
use resumable_runs::create_dir;

use super::files::list_halves;
use super::folders::{check_pairs, png, write_png};
use crate::{Error, Pair, images};

/// Which half of pix2pix's aligned files is the photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Aligned {
    /// Photo left, edit right: pix2pix's `AtoB`, which [`read_pairs`](crate::read_pairs) expects.
    #[default]
    InputLeft,
    /// Edit left, photo right: pix2pix's `BtoA`, as in its facades and Cityscapes.
    TargetLeft,
}

/// [`read_pairs`](crate::read_pairs) of pix2pix's aligned files in either order.
///
/// # Errors
/// Returns the errors of [`read_pairs`](crate::read_pairs).
pub fn read_aligned(dir: &Path, size: usize, order: Aligned) -> Result<Vec<Pair>, Error> {
    images::check_size(size)?;
    (list_halves(dir, order)?.iter())
        .map(|pair| pair.read(size))
        .collect()
}

/// Writes `dir/NAME.png` for every pair, both images side by side. A pair must be no higher than wide, so that
/// [`read_aligned`] can read it.
///
/// # Errors
/// Returns the errors of [`write_pairs`](crate::write_pairs), and [`Error::NotAligned`] for a pair that is too high.
pub fn write_aligned(dir: &Path, pairs: &[Pair], order: Aligned) -> Result<(), Error> {
    check_pairs(pairs, dir, dir)?;
    for pair in pairs {
        let (width, height) = pair.input.dimensions();
        let both = width.saturating_mul(2);
        if width < height {
            return Err(Error::NotAligned {
                path: png(dir, &pair.name),
                width: both,
                height,
            });
        }
    }
    create_dir(dir)?;
    for pair in pairs {
        let (width, height) = pair.input.dimensions();
        let (left, right) = match order {
            Aligned::InputLeft => (&pair.input, &pair.target),
            Aligned::TargetLeft => (&pair.target, &pair.input),
        };
        let mut both = RgbImage::new(2 * width, height);
        imageops::replace(&mut both, left, 0, 0);
        imageops::replace(&mut both, right, i64::from(width), 0);
        write_png(dir, &pair.name, &both)?;
    }
    Ok(())
}
