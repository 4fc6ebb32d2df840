use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image_files::{composed, stem};

use crate::{Error, images, random};

/// A photo at the working size.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// The file that it was read from.
    pub path: PathBuf,
    /// The photograph of which it is a crop: the file's stem up to its last `-NN`.
    pub source: String,
    /// The pixels [size, size, RGB].
    pub image: RgbImage,
}

impl Photo {
    /// The stem of the photo's file, in Unicode's composed form.
    pub fn name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        composed(&stem.to_string_lossy())
    }
}

/// Reads the jpg, jpeg, png and webp files directly in `dir`, sorted by file name. Each is cropped to its centre
/// square and resized to `size` x `size` pixels with an antialiasing filter. Hidden files are skipped, and images in other
/// formats are counted in a warning of the crate `log`.
///
/// The part of a file's stem before its last `-NN` (digits) is its [source](Photo::source): `bridge-07.jpg` and
/// `bridge-12.jpg` are crops of one photograph. A stem without such an ending is its own source.
///
/// # Errors
/// Returns [`Error::BadSize`], [`Error::MissingFolder`], [`Error::EmptyFolder`], [`Error::OnlyUnread`], and
/// [`Error::Image`], which names the file.
pub fn read_photos(dir: &Path, size: usize) -> Result<Vec<Photo>, Error> {
    let size = images::check_size(size)?;
    let found = images::image_files(dir)?;
    if found.is_empty() {
        return Err(Error::EmptyFolder {
            path: dir.to_owned(),
        });
    }
    found.into_iter().map(|path| read(path, size)).collect()
}

/// Reads one photo as [`read_photos`] does.
///
/// # Errors
/// Returns [`Error::BadSize`], and [`Error::Image`], which names the file.
pub fn read_photo(path: &Path, size: usize) -> Result<Photo, Error> {
    read(path.to_owned(), images::check_size(size)?)
}

fn read(path: PathBuf, size: u32) -> Result<Photo, Error> {
    Ok(Photo {
        source: source(&stem(&path)?),
        image: images::fit(images::read_image(&path)?, size),
        path,
    })
}

pub(crate) fn source(stem: &str) -> String {
    match stem.rsplit_once('-') {
        Some((source, number))
            if !source.is_empty()
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            source.to_owned()
        }
        _ => stem.to_owned(),
    }
}

/// How often each source occurs.
pub(crate) fn counts<'a>(sources: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for source in sources {
        *counts.entry(source).or_default() += 1;
    }
    counts
}

/// The source of the most photos, if it has more than one.
pub(crate) fn largest(counts: BTreeMap<&str, usize>) -> Option<(String, usize)> {
    let found = counts.into_iter().max_by_key(|&(_, count)| count)?;
    (found.1 > 1).then(|| (found.0.to_owned(), found.1))
}

/// Indices into a list of photos, each ascending. No source appears in two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhotoSplit {
    /// Photos to train on.
    pub train: Vec<usize>,
    /// Photos to choose settings on.
    pub validation: Vec<usize>,
    /// Photos to report results on.
    pub test: Vec<usize>,
}

/// Splits photos by their [source](Photo::source), never by crop: crops of one photograph resemble each other, so a crop
/// in the training set would leak those in the test set.
///
/// `test_sources` and then `validation_sources` sources are drawn with `seed`; all others are for training. The draw
/// depends on the set of sources and not on the order of `photos`.
///
/// Each part begins with one photo of every source, then come the second ones, and so on: the first `n` photos of a part are
/// of as many sources as possible.
///
/// # Errors
/// Returns [`Error::NotEnoughSources`] if no source would be left to train on.
pub fn split_by_source(
    photos: &[Photo],
    validation_sources: usize,
    test_sources: usize,
    seed: u64,
) -> Result<PhotoSplit, Error> {
    let counts = counts(photos.iter().map(|photo| photo.source.as_str()));
    let held_out = validation_sources.saturating_add(test_sources);
    if held_out >= counts.len() {
        return Err(Error::NotEnoughSources {
            found: counts.len(),
            validation: validation_sources,
            test: test_sources,
            largest: largest(counts),
        });
    }
    let mut sources: Vec<&str> = counts.into_keys().collect();
    random::shuffle(&mut sources, seed);

    let test = &sources[..test_sources];
    let validation = &sources[test_sources..held_out];
    let mut split = PhotoSplit::default();
    for index in source_by_source(photos) {
        let source = photos[index].source.as_str();
        let part = if test.contains(&source) {
            &mut split.test
        } else if validation.contains(&source) {
            &mut split.validation
        } else {
            &mut split.train
        };
        part.push(index);
    }
    Ok(split)
}

/// The indices of the first photo of each source, of the second ones, and so on.
fn source_by_source(photos: &[Photo]) -> impl Iterator<Item = usize> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order: Vec<(usize, usize)> = Vec::with_capacity(photos.len());
    for (index, photo) in photos.iter().enumerate() {
        let before = seen.entry(&photo.source).or_default();
        order.push((*before, index));
        *before += 1;
    }
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn source_is_the_stem_up_to_its_last_number() {
        assert_eq!(
            source("bridge-by-sander-klootwijk-07"),
            "bridge-by-sander-klootwijk"
        );
        assert_eq!(source("picture-0b-12"), "picture-0b");
        assert_eq!(source("picture-0b"), "picture-0b");
        assert_eq!(source("a-1-2"), "a-1");
        assert_eq!(source("plain"), "plain");
        assert_eq!(source("-07"), "-07");
        assert_eq!(source("a-"), "a-");
    }
}
