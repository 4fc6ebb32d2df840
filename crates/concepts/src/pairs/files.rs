//! Pairs on disk, listed before they are read.

use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};

use super::folders::{Pair, list_folders};
use super::{Aligned, INPUT, TARGET};
use crate::{Error, images};

/// A pair that has been found but not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFile {
    /// The stem of its file or files.
    pub name: String,
    pub(super) source: PairSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PairSource {
    /// A file for each image.
    Files { input: PathBuf, target: PathBuf },
    /// One file with both, side by side.
    Halves(PathBuf, Aligned),
}

impl PairFile {
    /// Reads the pair; both images are cropped to their centre square and resized to `size` x `size` pixels with an
    /// antialiasing filter.
    ///
    /// # Errors
    /// Returns [`Error::BadSize`], [`Error::PairSize`], [`Error::NotAligned`], and [`Error::Image`], which names the file.
    pub fn read(&self, size: usize) -> Result<Pair, Error> {
        let size = images::check_size(size)?;
        let (input, target) = match &self.source {
            PairSource::Files { input, target } => read_files(input, target)?,
            PairSource::Halves(path, order) => read_halves(path, *order)?,
        };
        Ok(Pair {
            name: self.name.clone(),
            input: images::fit(input, size),
            target: images::fit(target, size),
        })
    }
}

type Images = (RgbImage, RgbImage);

fn read_files(input_path: &Path, target_path: &Path) -> Result<Images, Error> {
    let input = images::read_image(input_path)?;
    let target = images::read_image(target_path)?;
    if !same_proportions(input.dimensions(), target.dimensions()) {
        return Err(Error::PairSize {
            input: input_path.to_owned(),
            input_size: input.dimensions(),
            target: target_path.to_owned(),
            target_size: target.dimensions(),
        });
    }
    Ok((input, target))
}

fn read_halves(path: &Path, order: Aligned) -> Result<Images, Error> {
    let both = images::read_image(path)?;
    let Some((left, right)) = cut_in_two(&both) else {
        let (width, height) = both.dimensions();
        return Err(Error::NotAligned {
            path: path.to_owned(),
            width,
            height,
        });
    };
    Ok(match order {
        Aligned::InputLeft => (left, right),
        Aligned::TargetLeft => (right, left),
    })
}

/// The left and the right half of an aligned file. `None` if its width is odd, or less than twice its height: a single
/// photo should not be taken for two.
pub fn cut_in_two(both: &RgbImage) -> Option<(RgbImage, RgbImage)> {
    let (width, height) = both.dimensions();
    if width % 2 != 0 || width / 2 < height {
        return None;
    }
    let half = |left| imageops::crop_imm(both, left, 0, width / 2, height).to_image();
    Some((half(0), half(width / 2)))
}

/// Whether images of these sizes have the same proportions within 1 %, so that their centre squares show the same section.
pub fn same_proportions((wide, high): (u32, u32), (other_wide, other_high): (u32, u32)) -> bool {
    let (a, b) = (
        u64::from(wide) * u64::from(other_high),
        u64::from(other_wide) * u64::from(high),
    );
    a.abs_diff(b) * 100 <= a.min(b)
}

/// Lists a folder of pairs, sorted by name, without reading an image. The folder has one of two layouts:
///
/// - `dir/input/NAME.*` and `dir/target/NAME.*`, matched by NAME in Unicode's composed form, of the same proportions within
///   1 %;
/// - pix2pix's aligned files: images directly in `dir`, each at least twice as wide as high and cut in the middle, input on the left.
///
/// Files are jpg, jpeg, png or webp; hidden ones and files that are no images are ignored, and images in other formats are
/// counted in a warning of the crate `log`.
///
/// # Errors
/// Returns [`Error::MissingFolder`] if `dir` does not exist; [`Error::NoPairs`], with the subfolders that there are, if it has
/// neither layout; [`Error::EmptyFolder`]; [`Error::OnlyUnread`]; [`Error::MissingPartner`]; [`Error::UnreadPartner`]; and
/// [`Error::DuplicateStem`].
pub fn list_pairs(dir: &Path) -> Result<Vec<PairFile>, Error> {
    let (input, target) = (dir.join(INPUT), dir.join(TARGET));
    match (input.is_dir(), target.is_dir()) {
        (true, true) => list_folders(&input, &target),
        (false, false) => list_halves(dir, Aligned::InputLeft),
        _ => Err(no_pairs(dir)?),
    }
}

/// The error for a folder that has neither layout.
fn no_pairs(dir: &Path) -> Result<Error, Error> {
    Ok(Error::NoPairs {
        path: dir.to_owned(),
        folders: images::subfolders(dir)?.into_keys().collect(),
    })
}

/// [`list_pairs`] of `dir/train`, or of `dir` if it has none of the subfolders `train`, `val` and `test`.
///
/// # Errors
/// As [`list_pairs`].
pub fn list_training_pairs(dir: &Path) -> Result<Vec<PairFile>, Error> {
    let split = ["train", "val", "test"].map(|name| dir.join(name));
    match split.iter().any(|folder| folder.is_dir()) {
        true => list_pairs(&split[0]),
        false => list_pairs(dir),
    }
}

pub(super) fn list_halves(dir: &Path, order: Aligned) -> Result<Vec<PairFile>, Error> {
    let named = images::by_stem(images::image_files(dir)?)?;
    if named.is_empty() {
        return Err(no_pairs(dir)?);
    }
    let found = named.into_iter().map(|(name, path)| PairFile {
        name,
        source: PairSource::Halves(path, order),
    });
    Ok(found.collect())
}
