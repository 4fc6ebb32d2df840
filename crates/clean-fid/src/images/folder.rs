//! The images of a folder.

use std::path::{Path, PathBuf};

use image_files::ImageFiles;

use crate::Error;

/// Formats that the Python `clean-fid` counts.
const COUNTED: [&str; 10] = [
    "bmp", "jpeg", "jpg", "npy", "pgm", "png", "ppm", "tif", "tiff", "webp",
];

/// The image files in a folder and its subfolders, in the order of their paths.
///
/// As for the Python `clean-fid`, files count by their extension, in capitals or not: `png`, `jpg`, `jpeg`, `webp`. Names that
/// begin with a dot are ignored, and links to folders are followed, unless they lead back to a folder that they are in. Unlike
/// there, the folders that systems leave behind are ignored too: `__MACOSX`, `@eaDir` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolder {
    root: PathBuf,
    files: Vec<PathBuf>,
    skipped: Vec<PathBuf>,
}

impl ImageFolder {
    /// Looks for the images.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Folder`] if a folder cannot be read, [`Error::EmptyFolder`] if there is no image, and
    /// [`Error::UnreadableImage`] for a file that the Python `clean-fid` would count and this crate cannot read (`bmp`,
    /// `pgm`, `ppm`, `tif`, `npy`): ignoring it silently would change the value.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let found = ImageFiles::below(root)?;
        let (unreadable, not_counted) = by_counted(found.unread);
        if let Some(path) = unreadable.first() {
            return Err(Error::UnreadableImage {
                path: path.clone(),
                formats: image_files::count_by_format(&unreadable),
            });
        }
        let (files, mut skipped) = by_counted(found.files);
        skipped.extend(not_counted);
        skipped.sort();
        if files.is_empty() {
            return Err(Error::EmptyFolder {
                path: root.to_path_buf(),
            });
        }
        Ok(Self {
            root: root.to_path_buf(),
            files,
            skipped,
        })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The images, at least one.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Images that do not count, here and for the Python `clean-fid`, because of their extension: `gif`, `heic`, `avif`,
    /// `jfif` and so on.
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }
}

/// The files that the Python `clean-fid` counts, and the others.
fn by_counted(files: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    files.into_iter().partition(|path| {
        path.extension().is_some_and(|extension| {
            COUNTED.contains(&extension.to_string_lossy().to_lowercase().as_str())
        })
    })
}
