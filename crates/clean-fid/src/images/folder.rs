//! The images of a folder.

use std::path::{Path, PathBuf};

use crate::Error;

/// Formats that [`Picture::open`](crate::Picture::open) reads.
const READABLE: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// Formats that the Python `clean-fid` would count as well: ignoring them silently would change the value.
const UNREADABLE: [&str; 6] = ["bmp", "pgm", "ppm", "tif", "tiff", "npy"];

/// The image files in a folder and its subfolders, in the order of their paths.
///
/// Files count by their extension, in capitals or not: `png`, `jpg`, `jpeg`, `webp`. Names that begin with a dot, links to
/// folders and other files are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolder {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl ImageFolder {
    /// Looks for the images.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] if a folder cannot be read, [`Error::EmptyFolder`] if there is no image, and
    /// [`Error::UnreadableImage`] for a file that the Python `clean-fid` would count and this crate cannot read (`bmp`,
    /// `pgm`, `ppm`, `tif`, `npy`).
    pub fn open(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let mut files = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let io = |source| Error::Io {
                path: folder.clone(),
                source,
            };
            for entry in std::fs::read_dir(&folder).map_err(io)? {
                let entry = entry.map_err(io)?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let path = entry.path();
                if entry.file_type().map_err(io)?.is_dir() {
                    folders.push(path);
                    continue;
                }
                let extension = path
                    .extension()
                    .map(|e| e.to_string_lossy().to_lowercase())
                    .unwrap_or_default();
                if UNREADABLE.contains(&extension.as_str()) {
                    return Err(Error::UnreadableImage { path });
                }
                if READABLE.contains(&extension.as_str()) && !path.is_dir() {
                    files.push(path);
                }
            }
        }
        if files.is_empty() {
            return Err(Error::EmptyFolder {
                path: root.to_path_buf(),
            });
        }
        files.sort();
        Ok(Self {
            root: root.to_path_buf(),
            files,
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
}
