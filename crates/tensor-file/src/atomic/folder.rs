//! Folders that are complete or not there at all.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::destination::parent;
use super::sync_folder;
use super::temporary::{PREFIX, RANDOM, is_temporary};
use crate::Error;

/// A folder being filled, for files that belong together. It gets its name with [`AtomicFolder::commit`]; if it is
/// dropped before that, it is removed.
///
/// Folders have no locks, so only one process at a time may use this below one parent.
#[derive(Debug)]
pub struct AtomicFolder {
    path: PathBuf,
    folder: TempDir,
}

impl AtomicFolder {
    /// Begins what will be the folder `path`. Creates its parent, and removes the temporary folders that killed
    /// processes left there.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the parent cannot be created or read, if a folder in it cannot be removed, or if the
    /// temporary folder cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let dir = parent(path);
        let folder = || {
            fs::create_dir_all(dir)?;
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                if is_temporary(&entry) && entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                }
            }
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX).rand_bytes(RANDOM).tempdir_in(dir)
        };
        Ok(Self {
            path: path.to_owned(),
            folder: folder().map_err(Error::io(dir))?,
        })
    }

    /// Where its files go for now.
    pub fn temporary_path(&self) -> &Path {
        self.folder.path()
    }

    /// Syncs the folder to the disk, renames it to its path, and syncs its parent: after that, it is there even if the
    /// machine crashes. Its files are synced by what writes them, as [`write()`](super::write()) does.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it cannot be synced, or cannot be renamed, for example because `path` is a folder with
    /// files in it.
    pub fn commit(self) -> Result<(), Error> {
        sync_folder(self.folder.path())?;
        fs::rename(self.folder.path(), &self.path).map_err(Error::io(&self.path))?;
        // There is nothing left to remove.
        let _ = self.folder.keep();
        sync_folder(parent(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::names;
    use super::*;

    #[test]
    fn a_folder_is_complete_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let (path, parent) = (dir.path().join("runs/at-1"), dir.path().join("runs"));
        fs::create_dir_all(parent.join(".tmp-aB3xYz/half")).unwrap();
        let folder = AtomicFolder::create(&path).unwrap();
        fs::write(folder.temporary_path().join("state"), b"x").unwrap();
        assert!(!path.exists());
        folder.commit().unwrap();
        assert_eq!(names(&parent), ["at-1"]);
        assert_eq!(names(&path), ["state"]);
        // Dropped, or in the way of another: nothing changes and nothing stays.
        drop(AtomicFolder::create(parent.join("at-2")).unwrap());
        let second = AtomicFolder::create(&path).unwrap();
        assert!(matches!(second.commit(), Err(Error::Io { path: p, .. }) if p == path));
        assert_eq!(names(&parent), ["at-1"]);
    }
}
