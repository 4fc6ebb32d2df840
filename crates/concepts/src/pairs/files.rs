//! Pairs on disk, listed before they are read.

use std::path::{Path, PathBuf};

use image::imageops;

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

type Images = (image::RgbImage, image::RgbImage);

fn read_files(input_path: &Path, target_path: &Path) -> Result<Images, Error> {
    let input = images::read_image(input_path)?;
    let target = images::read_image(target_path)?;
    if input.dimensions() != target.dimensions() {
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
    let (width, height) = both.dimensions();
    if width != 2 * height {
        return Err(Error::NotAligned {
            path: path.to_owned(),
            width,
            height,
        });
    }
    let half = |left| imageops::crop_imm(&both, left, 0, height, height).to_image();
    Ok(match order {
        Aligned::InputLeft => (half(0), half(height)),
        Aligned::TargetLeft => (half(height), half(0)),
    })
}

/// Lists a folder of pairs, sorted by name, without reading an image. The folder has one of two layouts:
///
/// - `dir/input/NAME.*` and `dir/target/NAME.*`, matched by NAME in Unicode's composed form;
/// - pix2pix's aligned files: images directly in `dir`, each twice as wide as high, input on the left.
///
/// Files are jpg, jpeg, png or webp; hidden ones and files that are no images are ignored, and images in other formats are
/// counted in a warning of the crate `log`.
///
/// # Errors
/// Returns [`Error::MissingFolder`] if `dir` or one of `input` and `target` does not exist; [`Error::EmptyFolder`];
/// [`Error::OnlyUnread`]; [`Error::MissingPartner`]; [`Error::UnreadPartner`]; and [`Error::DuplicateStem`].
pub fn list_pairs(dir: &Path) -> Result<Vec<PairFile>, Error> {
    let (input, target) = (dir.join(INPUT), dir.join(TARGET));
    if input.is_dir() || target.is_dir() {
        list_folders(&input, &target)
    } else {
        list_halves(dir, Aligned::InputLeft)
    }
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
        return Err(Error::EmptyFolder {
            path: dir.to_owned(),
        });
    }
    let found = named.into_iter().map(|(name, path)| PairFile {
        name,
        source: PairSource::Halves(path, order),
    });
    Ok(found.collect())
}
