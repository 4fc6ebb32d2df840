use std::collections::HashSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use image::imageops;

use super::crop::Crop;
use super::manifest::{Manifest, PreparedPhoto, folder};
use super::split::{Fractions, Identities, split_groups};
use crate::store::{self, Lock};
use crate::{Error, MAX_DECODED_BYTES, MAX_SIDE, Split, files, pairs, parallel, photos};

/// How photos are prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareSettings {
    /// Side of the results in pixels. Default: 256.
    pub size: usize,
    /// Which square is taken.
    pub crop: Crop,
    /// Who is in which photo.
    pub identities: Identities,
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

/// Which photos directly in `dir` become what, sorted by name. Nothing is decoded or written.
///
/// # Errors
/// [`Error::MissingFolder`], [`Error::EmptyFolder`], [`Error::DuplicateStem`], [`Error::BadName`]; those of
/// [`split_groups`]; [`Error::BadSetting`] for a photo without a face box where faces are cropped.
pub fn plan(dir: &Path, settings: &PrepareSettings) -> Result<Vec<PlannedPhoto>, Error> {
    files::check_size(settings.size)?;
    settings.crop.check()?;
    let named = files::by_stem(files::image_files(dir)?)?;
    if named.is_empty() {
        return Err(Error::EmptyFolder {
            path: dir.to_owned(),
        });
    }
    let mut groups = Vec::with_capacity(named.len());
    for (name, path) in &named {
        pairs::check_name(name)?;
        let file = file_name(path);
        if let Crop::Face { boxes, .. } = &settings.crop {
            boxes.find(&file)?;
        }
        groups.push(match settings.identities.find(&file) {
            Some(person) => person.to_owned(),
            None => photos::source(name),
        });
    }
    let splits = split_groups(&groups, settings.fractions, settings.seed)?;
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

/// Crops and resizes (Lanczos, antialiased) what was planned into `out/{train,val,test}/NAME.png` and writes
/// `out/manifest.json` last. `observe` is given the number of photos done and their names.
///
/// # Errors
/// [`Error::Busy`]; [`Error::BadFile`] when `out` holds an image that is not of this plan, which might put a photo
/// into two splits; and for a photo that cannot be read [`Error::Io`], [`Error::Decode`], [`Error::TooLarge`] or
/// [`Error::NoPixels`], which name it.
pub fn prepare(
    plan: &[PlannedPhoto],
    out: &Path,
    settings: &PrepareSettings,
    observe: &(dyn Fn(usize, &str) + Sync),
) -> Result<Manifest, Error> {
    let size = files::check_size(settings.size)?;
    settings.crop.check()?;
    let _lock = Lock::take(out.join(".lock"))?;
    refuse_strangers(plan, out)?;

    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let results = parallel::map(settings.workers, plan.len(), &stop, |i| {
        let result = prepare_one(&plan[i], out, size, &settings.crop);
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        observe(done.fetch_add(1, Ordering::Relaxed) + 1, &plan[i].name);
        result
    });
    // Where one failed, later ones may be missing, but the error comes before them or among them.
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
    store::write_json(&out.join("manifest.json"), &manifest)?;
    Ok(manifest)
}

fn prepare_one(
    photo: &PlannedPhoto,
    out: &Path,
    size: u32,
    crop: &Crop,
) -> Result<PreparedPhoto, Error> {
    let bytes = store::read(&photo.path, MAX_FILE)?;
    let image = files::decode(
        Cursor::new(&bytes),
        &photo.path,
        MAX_SIDE,
        MAX_DECODED_BYTES,
    )?;
    let file = file_name(&photo.path);
    let (x, y, side) = crop.square(&file, image.width(), image.height())?;
    let square = imageops::crop_imm(&image, x, y, side, side).to_image();
    let path = out
        .join(folder(photo.split))
        .join(format!("{}.png", photo.name));
    let png = store::png(&files::fit(square, size), &path)?;
    store::write(&path, &png)?;
    Ok(PreparedPhoto {
        name: photo.name.clone(),
        split: photo.split,
        group: photo.group.clone(),
        source_file: file,
        source_sha256: store::sha256(&bytes),
        crop: (x, y, side),
        sha256: store::sha256(&png),
    })
}

fn refuse_strangers(plan: &[PlannedPhoto], out: &Path) -> Result<(), Error> {
    for split in [Split::Train, Split::Validation, Split::Test] {
        let dir = out.join(folder(split));
        if !dir.is_dir() {
            continue;
        }
        let ours: HashSet<&str> = plan
            .iter()
            .filter(|photo| photo.split == split)
            .map(|photo| photo.name.as_str())
            .collect();
        for path in files::image_files(&dir)? {
            if !ours.contains(files::stem(&path).as_str()) {
                return Err(Error::BadFile {
                    path,
                    message: "is from another run, with another split perhaps; remove it or choose an empty folder"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
