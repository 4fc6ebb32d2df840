//! Which photo is edited into which file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concepts::images::image_files;
use resumable_runs::Places;

use crate::error::Result;

/// A photo and the file for its edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedEdit {
    /// The photo.
    pub photo: PathBuf,
    /// Its edit.
    pub edited: PathBuf,
}

/// Plans the edits of the photos directly in `photos`: each goes to `edited/NAME.png`. Photos whose names differ only in
/// the extension, or in upper and lower case, keep their extension in the name: `dog.jpg.png`, `dog.png.png`. Nothing is
/// read but the list of files, and nothing is written.
///
/// # Errors
/// Returns [`Error::Concepts`](crate::Error::Concepts) if there are no photos, and [`Error::Files`](crate::Error::Files) if
/// both folders are one (a second run would edit the first one's edits), an edit would replace a photo or two edits would
/// be one file.
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
