//! The images of a folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::{Error, composed, file_name, is_hidden};

/// Formats that [`read_image`](crate::read_image) reads.
const READ: [&str; 6] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp"];

/// Other formats of images and photos, whose files are listed as unread.
const UNREAD: [&str; 34] = [
    "apng", "arw", "avif", "bmp", "cr2", "cr3", "dds", "dib", "dng", "exr", "gif", "hdr", "heic",
    "heif", "hif", "ico", "j2k", "jp2", "jxl", "nef", "npy", "orf", "pbm", "pcx", "pgm", "pnm",
    "ppm", "psd", "raf", "rw2", "svg", "tga", "tif", "tiff",
];

/// The images of a folder, by the extensions of their names, in capitals or not. [Hidden](is_hidden) files and folders are
/// skipped, and files of other kinds (texts, JSON) too. A link counts as what it leads to; one that leads nowhere is listed, so
/// that reading it fails by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// Files in a format that is read (jpg, jpeg, jpe, jfif, png, webp), sorted.
    pub files: Vec<PathBuf>,
    /// Images in a format that is not read (bmp, tif, gif, heic, avif, camera raw and so on), sorted.
    pub unread: Vec<PathBuf>,
}

impl ImageFiles {
    /// The images directly in `dir`. There may be none.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the folder cannot be read.
    pub fn directly_in(dir: &Path) -> Result<Self, Error> {
        let mut found = Self::default();
        found.add(dir, None)?;
        Ok(found.sorted())
    }

    /// The images in `dir` and its subfolders. Links to folders are followed, unless they lead back to a folder that they
    /// are in.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if a folder cannot be read.
    pub fn below(dir: &Path) -> Result<Self, Error> {
        let mut found = Self::default();
        found.add(dir, Some(&mut Vec::new()))?;
        Ok(found.sorted())
    }

    /// With `above`, the real paths of the folders that this one is in, subfolders are read too.
    fn add(&mut self, dir: &Path, mut above: Option<&mut Vec<PathBuf>>) -> Result<(), Error> {
        if let Some(above) = &mut above {
            let real = std::fs::canonicalize(dir).map_err(io(dir))?;
            if above.contains(&real) {
                return Ok(());
            }
            above.push(real);
        }
        for (_, path) in visible(dir)? {
            match std::fs::metadata(&path) {
                Ok(target) if target.is_dir() => {
                    if let Some(above) = &mut above {
                        self.add(&path, Some(&mut **above))?;
                    }
                }
                Ok(target) if !target.is_file() => {}
                _ => self.add_file(path),
            }
        }
        if let Some(above) = &mut above {
            above.pop();
        }
        Ok(())
    }

    fn add_file(&mut self, path: PathBuf) {
        let extension = extension(&path);
        if READ.contains(&extension.as_str()) {
            self.files.push(path);
        } else if UNREAD.contains(&extension.as_str()) {
            self.unread.push(path);
        }
    }

    fn sorted(mut self) -> Self {
        self.files.sort();
        self.unread.sort();
        self
    }
}

/// The folders directly in `dir` with their [composed] names, sorted, without [hidden](is_hidden) ones. A link to a folder is
/// one.
///
/// # Errors
/// Returns [`Error::Io`] if `dir` cannot be read, and [`Error::NotUnicode`] for a folder whose name is not Unicode.
pub fn subfolders(dir: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    for (_, path) in visible(dir)? {
        if path.is_dir() {
            found.insert(composed(file_name(&path)?), path);
        }
    }
    Ok(found)
}

/// How many files there are of each extension: `12 bmp, 1 tif`.
pub fn count_by_format(files: &[PathBuf]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        *counts.entry(extension(file)).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(format, count)| format!("{count} {format}"))
        .collect();
    counts.join(", ")
}

/// The extension in small letters.
fn extension(path: &Path) -> String {
    path.extension()
        .map(|extension| extension.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// The entries of a folder that are not hidden.
fn visible(dir: &Path) -> Result<Vec<(OsString, PathBuf)>, Error> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io(dir))? {
        let entry = entry.map_err(io(dir))?;
        if !is_hidden(&entry.file_name()) {
            entries.push((entry.file_name(), entry.path()));
        }
    }
    Ok(entries)
}

fn io(dir: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io {
        action: "read the folder",
        path: dir.to_owned(),
        source,
    }
}
