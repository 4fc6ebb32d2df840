//! Which photo is edited into which file.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use concepts::images::{image_files, read_image};
use rayon::prelude::*;
use resumable_runs::Places;

use crate::Error;
use crate::error::Result;
use crate::whole_photo::{WholeSize, scaled};

/// A photo and the file for its edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedEdit {
    /// The photo.
    pub photo: PathBuf,
    /// Its edit.
    pub edited: PathBuf,
}

impl PlannedEdit {
    /// Decodes each photo, and scales it if whole photos are to be edited, so that one that cannot be edited is found before
    /// anything long begins.
    ///
    /// # Errors
    /// Of the first such photo: [`Error::Concepts`] if it cannot be read, and [`Error::Photo`] if it is too large.
    pub fn check_all(plan: &[Self], whole: Option<WholeSize>) -> Result<()> {
        let check = |edit: &Self| {
            let photo = read_image(&edit.photo).map_err(concepts::Error::from)?;
            match whole.map(|size| scaled(photo, size)) {
                None | Some(Ok(_)) => Ok(()),
                Some(Err(source)) => Err(Error::Photo {
                    path: edit.photo.clone(),
                    source: source.into(),
                }),
            }
        };
        let checks: Vec<Result<()>> = plan.par_iter().map(check).collect();
        checks.into_iter().collect()
    }
}

/// Plans the edits of the photos directly in `photos`: each goes to `edited/NAME.png`. Photos whose names differ only in
/// the extension (and perhaps in upper and lower case) keep it in the name, as `dog.jpg.png` and `dog.png.png`. Two whose
/// names differ in nothing but upper and lower case, as `Dog.jpg` and `dog.jpg`, are refused: on many systems, their edits
/// would be one file. Nothing is read but the list of files, and nothing is written.
///
/// # Errors
/// Returns [`Error::Concepts`] if there are no photos, and [`Error::Run`] if both folders are one (a second run would edit
/// the first one's edits), an edit would replace a photo or two edits would be one file, in which case it names the photos.
pub fn plan_edits(photos: &Path, edited: &Path) -> Result<Vec<PlannedEdit>> {
    let folder = photos;
    let files = image_files(folder)?;
    if files.is_empty() {
        let path = folder.to_owned();
        return Err(concepts::Error::EmptyFolder { path }.into());
    }
    let names = names(&files).into_iter();
    let plan: Vec<PlannedEdit> = (names.zip(files))
        .map(|(mut name, photo)| {
            name.push(".png");
            PlannedEdit {
                edited: edited.join(name),
                photo,
            }
        })
        .collect();
    let places = Places::new()
        .reads_directly_in(folder)
        .reads_all(plan.iter().map(|edit| &edit.photo))
        .writes_all(plan.iter().map(|edit| &edit.edited));
    places.check().map_err(|error| of_photos(error, &plan))?;
    Ok(plan)
}

/// The names of the photos' edits, without `.png`: a photo keeps its extension if it would share its name otherwise.
fn names(files: &[PathBuf]) -> Vec<OsString> {
    let mut kept = vec![false; files.len()];
    loop {
        let names: Vec<OsString> = (files.iter().zip(&kept))
            .map(|(file, kept)| {
                let name = if *kept {
                    file.file_name()
                } else {
                    file.file_stem()
                };
                name.unwrap_or_default().to_owned()
            })
            .collect();
        let folded: Vec<String> = (names.iter())
            .map(|name| name.to_string_lossy().to_lowercase())
            .collect();
        let mut photos_of: HashMap<&str, usize> = HashMap::new();
        for name in &folded {
            *photos_of.entry(name).or_default() += 1;
        }
        let mut changed = false;
        for (kept, name) in kept.iter_mut().zip(&folded) {
            let shared = photos_of
                .get(name.as_str())
                .is_some_and(|photos| *photos > 1);
            changed |= shared && !*kept;
            *kept |= shared;
        }
        // Of `dog.jpg`, `dog.png` and `dog.jpg.jpg`, the first two keep theirs, and so the last one does.
        if !changed {
            return names;
        }
    }
}

/// Names the photos in the error of two edits that would be one file.
fn of_photos(error: resumable_runs::Error, plan: &[PlannedEdit]) -> resumable_runs::Error {
    let photo = |path: PathBuf| {
        let edit = plan.iter().find(|edit| edit.edited == path);
        edit.map_or(path, |edit| edit.photo.clone())
    };
    match error {
        resumable_runs::Error::SameOutput { first, second } => resumable_runs::Error::SameOutput {
            first: photo(first),
            second: photo(second),
        },
        error => error,
    }
}
