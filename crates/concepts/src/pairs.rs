use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};

use crate::{Aligned, Error, files, store};

const INPUT: &str = "input";
const TARGET: &str = "target";

/// A photo and its edit.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The stem of both files.
    pub name: String,
    /// The photo [height, width, RGB].
    pub input: RgbImage,
    /// The edited photo [height, width, RGB], of the same dimensions.
    pub target: RgbImage,
}

/// Reads a folder of pairs, sorted by name. It is laid out in one of two ways:
///
/// - `dir/input/NAME.*` and `dir/target/NAME.*`, matched by NAME;
/// - pix2pix's aligned files: images directly in `dir`, each twice as wide as high, input on the left.
///
/// Files are jpg, jpeg, png or webp; others and hidden ones are passed over. Both images of a pair must have the same
/// dimensions; each is then cropped to its centre square and resized to `size` x `size` pixels with an antialiasing
/// filter.
///
/// # Errors
/// [`Error::BadSize`]; [`Error::MissingFolder`] when `dir` or one of `input` and `target` is not there;
/// [`Error::EmptyFolder`]; [`Error::MissingPartner`]; [`Error::DuplicateStem`]; [`Error::PairSize`];
/// [`Error::NotAligned`]; and for a file that cannot be read [`Error::Io`], [`Error::Decode`], [`Error::TooLarge`] or
/// [`Error::NoPixels`], which name it.
pub fn read_pairs(dir: &Path, size: usize) -> Result<Vec<Pair>, Error> {
    let size = files::check_size(size)?;
    let (input, target) = (dir.join(INPUT), dir.join(TARGET));
    if input.is_dir() || target.is_dir() {
        read_folders(&input, &target, size)
    } else {
        read_halves(dir, size, Aligned::InputLeft)
    }
}

fn read_folders(input: &Path, target: &Path, size: u32) -> Result<Vec<Pair>, Error> {
    let inputs = files::by_stem(files::image_files(input)?)?;
    let mut targets = files::by_stem(files::image_files(target)?)?;
    if inputs.is_empty() && targets.is_empty() {
        return Err(Error::EmptyFolder {
            path: input.to_owned(),
        });
    }
    // All names are checked before the first image is decoded.
    let mut matched = Vec::with_capacity(inputs.len());
    for (name, path) in inputs {
        match targets.remove(&name) {
            Some(partner) => matched.push((name, path, partner)),
            None => {
                return Err(Error::MissingPartner {
                    path,
                    folder: target.to_owned(),
                });
            }
        }
    }
    if let Some(path) = targets.into_values().next() {
        return Err(Error::MissingPartner {
            path,
            folder: input.to_owned(),
        });
    }
    matched
        .into_iter()
        .map(|(name, input_path, target_path)| {
            let input = files::read_image(&input_path)?;
            let target = files::read_image(&target_path)?;
            if input.dimensions() != target.dimensions() {
                return Err(Error::PairSize {
                    input: input_path,
                    input_size: input.dimensions(),
                    target: target_path,
                    target_size: target.dimensions(),
                });
            }
            Ok(Pair {
                name,
                input: files::fit(input, size),
                target: files::fit(target, size),
            })
        })
        .collect()
}

pub(crate) fn read_halves(dir: &Path, size: u32, order: Aligned) -> Result<Vec<Pair>, Error> {
    let named = files::by_stem(files::image_files(dir)?)?;
    if named.is_empty() {
        return Err(Error::EmptyFolder {
            path: dir.to_owned(),
        });
    }
    named
        .into_iter()
        .map(|(name, path)| {
            let both = files::read_image(&path)?;
            let (width, height) = both.dimensions();
            if width != 2 * height {
                return Err(Error::NotAligned {
                    path,
                    width,
                    height,
                });
            }
            let half = |left| imageops::crop_imm(&both, left, 0, height, height).to_image();
            let (input, target) = match order {
                Aligned::InputLeft => (0, height),
                Aligned::TargetLeft => (height, 0),
            };
            Ok(Pair {
                name,
                input: files::fit(half(input), size),
                target: files::fit(half(target), size),
            })
        })
        .collect()
}

/// Writes `dir/input/NAME.png` and `dir/target/NAME.png` for every pair; creates the folders, and replaces files of
/// these names.
///
/// Each file is written under a temporary name (hidden, so that readers pass over it) and then renamed, so that no
/// reader meets half a file. [`read_pairs`] at the same size gives the same pixels back.
///
/// # Errors
/// Before anything is written: [`Error::BadName`] for a name that cannot be a file name or appears twice,
/// [`Error::PairSize`], [`Error::NoPixels`]. Then [`Error::Io`] and [`Error::Encode`].
pub fn write_pairs(dir: &Path, pairs: &[Pair]) -> Result<(), Error> {
    let (input, target) = (dir.join(INPUT), dir.join(TARGET));
    check_pairs(pairs, &input, &target)?;
    for folder in [&input, &target] {
        std::fs::create_dir_all(folder).map_err(|source| Error::Io {
            action: "create the folder",
            path: folder.clone(),
            source,
        })?;
    }
    for pair in pairs {
        write_png(&input, &pair.name, &pair.input)?;
        write_png(&target, &pair.name, &pair.target)?;
    }
    Ok(())
}

/// Fails on names that cannot be files or appear twice, and on pairs of two sizes or without pixels.
pub(crate) fn check_pairs(pairs: &[Pair], input: &Path, target: &Path) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for pair in pairs {
        check_name(&pair.name)?;
        if !names.insert(pair.name.as_str()) {
            return Err(Error::BadName {
                name: pair.name.clone(),
            });
        }
        let (input_size, target_size) = (pair.input.dimensions(), pair.target.dimensions());
        if input_size != target_size {
            return Err(Error::PairSize {
                input: png(input, &pair.name),
                input_size,
                target: png(target, &pair.name),
                target_size,
            });
        }
        if input_size.0 == 0 || input_size.1 == 0 {
            return Err(Error::NoPixels {
                path: png(input, &pair.name),
            });
        }
    }
    Ok(())
}

pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let unsafe_char = |c: char| matches!(c, '/' | '\\') || c.is_control();
    if name.is_empty() || name.starts_with('.') || name.contains(unsafe_char) {
        return Err(Error::BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// `folder/NAME.png`; the name may itself hold dots.
pub(crate) fn png(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.png"))
}

pub(crate) fn write_png(folder: &Path, name: &str, image: &RgbImage) -> Result<(), Error> {
    let path = png(folder, name);
    store::write(&path, &store::png(image, &path)?)
}

/// The pairs of the subfolders `train`, `val` and `test` of one folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairSplits {
    /// Pairs to train on.
    pub train: Vec<Pair>,
    /// Pairs to choose settings on; empty where there is no folder `val`.
    pub val: Vec<Pair>,
    /// Pairs to report results on.
    pub test: Vec<Pair>,
}

/// Reads `dir/train`, `dir/val` and `dir/test`, each as [`read_pairs`] does; `val` may be missing. `None` when `dir`
/// has none of the three: read it with [`read_pairs`] and split it yourself.
///
/// # Errors
/// [`Error::MissingFolder`] when `dir` is not there, or `train` or `test` is missing beside one of the others; and
/// those of [`read_pairs`].
pub fn read_pair_splits(dir: &Path, size: usize) -> Result<Option<PairSplits>, Error> {
    if !dir.is_dir() {
        return Err(Error::MissingFolder {
            path: dir.to_owned(),
        });
    }
    let [train, val, test] = ["train", "val", "test"].map(|name| dir.join(name));
    if ![&train, &val, &test].iter().any(|folder| folder.is_dir()) {
        return Ok(None);
    }
    Ok(Some(PairSplits {
        train: read_pairs(&train, size)?,
        val: if val.is_dir() {
            read_pairs(&val, size)?
        } else {
            Vec::new()
        },
        test: read_pairs(&test, size)?,
    }))
}
