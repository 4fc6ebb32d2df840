use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use image::RgbImage;
use image_files::{composed, count_by_format, stem};
use resumable_runs as store;

use super::files::{PairFile, PairSource, list_pairs};
use super::{INPUT, TARGET};
use crate::{Error, images};

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

/// Reads the pairs that [`list_pairs`] finds, at `size` x `size` pixels. Both images of a pair must have the same
/// proportions within 1 %.
///
/// # Errors
/// As [`list_pairs`] and [`PairFile::read`].
pub fn read_pairs(dir: &Path, size: usize) -> Result<Vec<Pair>, Error> {
    images::check_size(size)?;
    (list_pairs(dir)?.iter())
        .map(|pair| pair.read(size))
        .collect()
}

/// The images of `input/` or `target/`.
struct Side<'a> {
    folder: &'a Path,
    named: BTreeMap<String, PathBuf>,
    unread: Vec<PathBuf>,
}

impl<'a> Side<'a> {
    fn list(folder: &'a Path) -> Result<Self, Error> {
        let found = images::list(folder)?;
        Ok(Self {
            folder,
            named: images::by_stem(found.files)?,
            unread: found.unread,
        })
    }

    /// Refuses the first of `others` that has no partner here.
    fn check_partners(&self, others: &Self) -> Result<(), Error> {
        let alone = others.named.iter();
        match alone
            .into_iter()
            .find(|(name, _)| !self.named.contains_key(*name))
        {
            Some((name, path)) => Err(self.without(name, path)),
            None => Ok(()),
        }
    }

    /// The error for a file that has no partner here.
    fn without(&self, name: &str, partner: &Path) -> Error {
        let is_it = |path: &&PathBuf| stem(path).is_ok_and(|stem| stem == name);
        if let Some(path) = self.unread.iter().find(is_it) {
            return Error::UnreadPartner {
                path: path.clone(),
                partner: partner.to_owned(),
                formats: count_by_format(&self.unread),
            };
        }
        let folded = name.to_lowercase();
        let mut names = self.named.keys();
        Error::MissingPartner {
            path: partner.to_owned(),
            folder: self.folder.to_owned(),
            similar: names.find(|other| other.to_lowercase() == folded).cloned(),
        }
    }
}

pub(super) fn list_folders(input: &Path, target: &Path) -> Result<Vec<PairFile>, Error> {
    let (inputs, targets) = (Side::list(input)?, Side::list(target)?);
    // All names are checked before the first image is decoded.
    targets.check_partners(&inputs)?;
    inputs.check_partners(&targets)?;
    if inputs.named.is_empty() {
        if inputs.unread.is_empty() {
            return Err(Error::EmptyFolder {
                path: input.to_owned(),
            });
        }
        return Err(images::only_unread(input, &inputs.unread));
    }
    for side in [&inputs, &targets] {
        images::warn_of_unread(side.folder, &side.unread);
    }
    let pairs = inputs.named.into_iter().zip(targets.named.into_values());
    let found = pairs.map(|((name, input), target)| PairFile {
        name,
        source: PairSource::Files { input, target },
    });
    Ok(found.collect())
}

/// Writes `dir/input/NAME.png` and `dir/target/NAME.png` for every pair. Creates the folders and replaces files of these
/// names.
///
/// Each file is written under a temporary, hidden name and then renamed, so that no reader sees half a file.
/// [`read_pairs`] at the same size returns the same pixels.
///
/// # Errors
/// Returns [`Error::BadName`] for a name that cannot be a file name or is used twice, [`Error::PairSize`] or
/// [`Error::NoPixels`] before anything is written, and [`Error::File`] or [`Error::Encode`] if a file cannot be written.
pub fn write_pairs(dir: &Path, pairs: &[Pair]) -> Result<(), Error> {
    let (input, target) = (dir.join(INPUT), dir.join(TARGET));
    check_pairs(pairs, &input, &target)?;
    for folder in [&input, &target] {
        store::create_dir(folder)?;
    }
    for pair in pairs {
        write_png(&input, &pair.name, &pair.input)?;
        write_png(&target, &pair.name, &pair.target)?;
    }
    Ok(())
}

/// Refuses names that cannot be file names or are used twice, and pairs of two sizes or without pixels.
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

/// Whether `name` can be the name of a pair's, a photo's or an edit's file.
///
/// # Errors
/// Returns [`Error::BadName`] for an empty name, a leading dot, a slash, a backslash, or a control character.
pub fn check_name(name: &str) -> Result<(), Error> {
    let unsafe_char = |c: char| matches!(c, '/' | '\\') || c.is_control();
    if name.is_empty() || name.starts_with('.') || name.contains(unsafe_char) {
        return Err(Error::BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// A name for the files of what `text` describes, such as a prompt: its words in lower case, joined by `-`, cut to 120 bytes.
/// `None` if there is no letter and no digit in it. [`check_name`] takes every such name, and so does a zoo of weights.
///
/// ```
/// use concepts::pairs::name_of;
///
/// assert_eq!(name_of("A café, in fog!").as_deref(), Some("a-café-in-fog"));
/// assert_eq!(name_of("…"), None);
/// ```
pub fn name_of(text: &str) -> Option<String> {
    const LONGEST: usize = 120;
    let text = composed(text).to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    name.truncate(name.floor_char_boundary(LONGEST));
    (!name.is_empty()).then_some(name)
}

/// `folder/NAME.png`; the name may itself hold dots.
pub(crate) fn png(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.png"))
}

pub(crate) fn write_png(folder: &Path, name: &str, image: &RgbImage) -> Result<(), Error> {
    let path = png(folder, name);
    Ok(store::write_unsynced(
        &path,
        &images::encode_png(image, &path)?,
    )?)
}

/// The pairs of the subfolders `train`, `val` and `test` of one folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairSplits {
    /// Pairs to train on.
    pub train: Vec<Pair>,
    /// Pairs to choose settings on; empty if there is no folder `val`.
    pub val: Vec<Pair>,
    /// Pairs to report results on; empty if there is no folder `test`.
    pub test: Vec<Pair>,
}

/// Reads `dir/train`, `dir/val` and `dir/test`, each as [`read_pairs`] does; one of `val` and `test` may be missing. Returns
/// `None` if `dir` has none of the three: read it with [`read_pairs`] and split it yourself.
///
/// # Errors
/// Returns [`Error::MissingFolder`] if `dir` does not exist, `train` is missing beside one of the others, or both others are
/// missing; and the errors of [`read_pairs`].
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
    let read_if = |wanted: bool, folder: &Path| match wanted {
        true => read_pairs(folder, size),
        false => Ok(Vec::new()),
    };
    Ok(Some(PairSplits {
        train: read_pairs(&train, size)?,
        val: read_if(val.is_dir(), &val)?,
        test: read_if(test.is_dir() || !val.is_dir(), &test)?,
    }))
}
