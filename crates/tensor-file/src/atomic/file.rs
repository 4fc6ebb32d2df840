//! Files that are complete or not there at all.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::destination::{destination, parent};
use super::temporary::{first_write_to, remove_abandoned, temporary};
use crate::Error;

/// A file being written. It replaces the file at its path with [`AtomicFile::commit`]; if it is dropped before that, it
/// is removed and the file at its path stays.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl AtomicFile {
    /// Begins what will be `path`. Creates the folder.
    ///
    /// # Errors
    /// Returns [`Error::NotAFile`] if `path` is a folder, a device or a pipe, and [`Error::Io`] if the folder or the temporary
    /// file in it cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = destination(path.as_ref())?;
        let dir = parent(&path);
        let file = fs::create_dir_all(dir).and_then(|()| {
            if first_write_to(dir) {
                remove_abandoned(dir);
            }
            temporary(dir)
        });
        let file = file.map_err(Error::io(&path))?;
        Ok(Self { path, file })
    }

    /// The file, to write to.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Syncs the file to the disk and renames it to its path.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it cannot be synced or renamed.
    pub fn commit(self) -> Result<(), Error> {
        (self.file.as_file().sync_all()).map_err(Error::io(&self.path))?;
        self.commit_unsynced()
    }

    /// [`AtomicFile::commit`] without waiting for the disk; see [`write_unsynced`](super::write_unsynced).
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it cannot be renamed.
    pub fn commit_unsynced(self) -> Result<(), Error> {
        let renamed = self.file.persist(&self.path);
        (renamed.map(drop)).map_err(|error| Error::io(&self.path)(error.error))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::names;
    use super::super::write;
    use super::*;

    #[test]
    fn a_file_that_is_not_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.txt");
        write(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(&dir.path().join("a")), ["b.txt"]);
        // If the target cannot be replaced, the temporary file is removed too.
        fs::create_dir(dir.path().join("a/folder")).unwrap();
        write(dir.path().join("a/folder"), b"new").unwrap_err();
        assert_eq!(names(&dir.path().join("a")), ["b.txt", "folder"]);
    }
}
