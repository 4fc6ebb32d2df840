//! Which photo is edited into which file.

use std::collections::BTreeMap;
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
/// the extension, or in upper and lower case, keep their extension in the name: `dog.jpg.png`, `dog.png.png`. Nothing is
/// read but the list of files, and nothing is written.
///
/// # Errors
/// Returns [`Error::Concepts`] if there are no photos, and [`Error::Run`] if both folders are one (a second run would edit
/// the first one's edits), an edit would replace a photo or two edits would be one file.
pub fn plan_edits(photos: &Path, edited: &Path) -> Result<Vec<PlannedEdit>> {
    let folder = photos;
    let files = image_files(folder)?;
    if files.is_empty() {
        let path = folder.to_owned();
        return Err(concepts::Error::EmptyFolder { path }.into());
    }
    let mut photos_of: BTreeMap<String, usize> = BTreeMap::new();
    for file in &files {
        *photos_of.entry(folded_stem(file)).or_default() += 1;
    }
    let plan: Vec<PlannedEdit> = (files.into_iter())
        .map(|photo| {
            let alone = photos_of.get(&folded_stem(&photo)) == Some(&1);
            let kept = if alone {
                photo.file_stem()
            } else {
                photo.file_name()
            };
            let mut name = kept.unwrap_or_default().to_owned();
            name.push(".png");
            PlannedEdit {
                edited: edited.join(name),
                photo,
            }
        })
        .collect();
    Places::new()
        .reads_directly_in(folder)
        .reads_all(plan.iter().map(|edit| &edit.photo))
        .writes_all(plan.iter().map(|edit| &edit.edited))
        .check()?;
    Ok(plan)
}

fn folded_stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().to_lowercase()
}
