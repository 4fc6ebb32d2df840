use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use image::imageops;
use image_files::{file_name, stem};
use resumable_runs::{Lock, Places, read, sha256_hex, workers, write_json, write_unsynced};

use super::crop::Crop;
use super::manifest::{Manifest, PreparedPhoto};
use super::split::{Fractions, Grouping, Identities, split_groups};
use crate::images::{self, ImageLimits, decode_image, encode_png};
use crate::photos::{self, counts, largest};
use crate::{Error, Split, pairs};

/// How photos are prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareSettings {
    /// Side of the results in pixels. Default: 256.
    pub size: usize,
    /// Which square is taken.
    pub crop: Crop,
    /// The person in each photo.
    pub identities: Identities,
    /// Which of the photos without a person belong together.
    pub grouping: Grouping,
    /// Shares of the splits.
    pub fractions: Fractions,
    /// Seed of the split.
    pub seed: u64,
    /// Threads. Each holds one decoded photo. Default: 2.
    pub workers: usize,
}

impl Default for PrepareSettings {
    fn default() -> Self {
        Self {
            size: 256,
            crop: Crop::Centre,
            identities: Identities::default(),
            grouping: Grouping::default(),
            fractions: Fractions::default(),
            seed: 0,
            workers: 2,
        }
    }
}

/// A photo that will be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPhoto {
    /// The file.
    pub path: PathBuf,
    /// The stem of the result.
    pub name: String,
    /// The person or photograph.
    pub group: String,
    /// Its part of the experiment.
    pub split: Split,
}

/// The largest photo file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// Plans what becomes of each photo directly in `dir`, sorted by name. Nothing is decoded or written.
///
/// # Errors
/// Returns [`Error::BadSize`], [`Error::BadMargin`], [`Error::MissingFolder`], [`Error::EmptyFolder`],
/// [`Error::OnlyUnread`], [`Error::DuplicateStem`], [`Error::BadName`], [`Error::BadFractions`],
/// [`Error::NotEnoughSources`] if no photo would be left to train on, and [`Error::NoFaceBox`] for a photo without a face box
/// if photos are cropped to faces.
pub fn plan(dir: &Path, settings: &PrepareSettings) -> Result<Vec<PlannedPhoto>, Error> {
    images::check_size(settings.size)?;
    settings.crop.check()?;
    let named = images::by_stem(images::image_files(dir)?)?;
    if named.is_empty() {
        return Err(Error::EmptyFolder {
            path: dir.to_owned(),
        });
    }
    let mut groups = Vec::with_capacity(named.len());
    // Groups that follow from the photos' names alone.
    let mut sources = Vec::new();
    for (name, path) in &named {
        pairs::check_name(name)?;
        let file = file_name(path)?;
        if let Crop::Face { boxes, .. } = &settings.crop {
            boxes.find(file)?;
        }
        groups.push(match (settings.identities.find(file), settings.grouping) {
            (Some(person), _) => person.to_owned(),
            (None, Grouping::Source) => {
                sources.push(photos::source(name));
                photos::source(name)
            }
            (None, Grouping::File) => name.clone(),
        });
    }
    let largest = largest(counts(sources.iter().map(String::as_str)));
    let splits = split_groups(&groups, settings.fractions, settings.seed, largest)?;
    Ok(named
        .into_iter()
        .zip(groups)
        .zip(splits)
        .map(|(((name, path), group), split)| PlannedPhoto {
            path,
            name,
            group,
            split,
        })
        .collect())
}

/// Crops and resizes (Lanczos, antialiased) the planned photos into `out/{train,val,test}/NAME.png` and writes
/// `out/manifest.json` last. `observe` gets the number of photos done and the name of the last one.
///
/// # Errors
/// Returns [`Error::File`] if a result would replace a photo, another process prepares photos into `out` or a file cannot
/// be written,
/// [`Error::ForeignPhoto`] if `out` holds an image that is not in this plan, which might put a photo into two splits, and
/// [`Error::Image`], which names the photo.
pub fn prepare(
    plan: &[PlannedPhoto],
    out: &Path,
    settings: &PrepareSettings,
    observe: &(dyn Fn(usize, &str) + Sync),
) -> Result<Manifest, Error> {
    let size = images::check_size(settings.size)?;
    settings.crop.check()?;
    check_places(plan, out)?;
    let _lock = Lock::take(out.join(".lock"))?;
    refuse_foreign_photos(plan, out)?;

    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let results = workers::map(settings.workers, plan.len(), &stop, |i| {
        let result = prepare_one(&plan[i], out, size, &settings.crop);
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        observe(done.fetch_add(1, Ordering::Relaxed) + 1, &plan[i].name);
        result
    });
    // If one failed, later ones may be missing, but its error is among the results.
    let mut prepared = Vec::with_capacity(plan.len());
    let mut failed = None;
    for result in results.into_iter().flatten() {
        match result {
            Ok(photo) => prepared.push(photo),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let manifest = Manifest {
        version: 1,
        size,
        crop: settings.crop.name().to_owned(),
        fractions: settings.fractions,
        seed: settings.seed,
        photos: prepared,
    };
    write_json(&out.join("manifest.json"), &manifest)?;
    Ok(manifest)
}

fn prepare_one(
    photo: &PlannedPhoto,
    out: &Path,
    size: u32,
    crop: &Crop,
) -> Result<PreparedPhoto, Error> {
    let bytes = read(&photo.path, MAX_FILE)?;
    let image = decode_image(&bytes, &photo.path, ImageLimits::default())?;
    let file = file_name(&photo.path)?;
    let (x, y, side) = crop.square(file, image.width(), image.height())?;
    let square = imageops::crop_imm(&image, x, y, side, side).to_image();
    let path = prepared_path(photo, out);
    let png = encode_png(&images::fit(square, size), &path)?;
    write_unsynced(&path, &png)?;
    Ok(PreparedPhoto {
        name: photo.name.clone(),
        split: photo.split,
        group: photo.group.clone(),
        source_file: file.to_owned(),
        source_sha256: sha256_hex(&bytes),
        crop: (x, y, side),
        sha256: sha256_hex(&png),
    })
}

fn prepared_path(photo: &PlannedPhoto, out: &Path) -> PathBuf {
    let name = format!("{}.png", photo.name);
    out.join(photo.split.folder()).join(name)
}

/// Refuses results that would replace photos or one another: `out` may hold the folder of the photos.
fn check_places(plan: &[PlannedPhoto], out: &Path) -> Result<(), Error> {
    let places = Places::new()
        .reads_all(plan.iter().map(|photo| &photo.path))
        .writes_all(plan.iter().map(|photo| prepared_path(photo, out)))
        .writes(out.join("manifest.json"));
    Ok(places.check()?)
}

fn refuse_foreign_photos(plan: &[PlannedPhoto], out: &Path) -> Result<(), Error> {
    for split in [Split::Train, Split::Validation, Split::Test] {
        let dir = out.join(split.folder());
        if !dir.is_dir() {
            continue;
        }
        let ours: HashSet<&str> = plan
            .iter()
            .filter(|photo| photo.split == split)
            .map(|photo| photo.name.as_str())
            .collect();
        for path in images::list(&dir)?.files {
            if !ours.contains(stem(&path)?.as_str()) {
                return Err(Error::ForeignPhoto { path });
            }
        }
    }
    Ok(())
}
