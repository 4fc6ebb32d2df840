//! Files that are complete or not there at all, however the process ends.
//!
//! ```
//! use std::io::Write;
//! use tensor_file::atomic::{self, AtomicFile};
//!
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("state.json");
//! atomic::write(&path, b"first")?;
//!
//! let mut file = AtomicFile::create(&path)?;
//! file.write_all(b"second")?;
//! assert_eq!(std::fs::read(&path)?, b"first");
//! file.commit()?;
//! assert_eq!(std::fs::read(&path)?, b"second");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Bytes go to a temporary file in the same folder, named `.tmp-` and six random characters, which is then renamed to its
//! final name. It is locked while its process lives: when a process first writes to a folder, it removes the temporary
//! files there that nobody holds, those of killed processes. On a file system without locks, they stay.
//!
//! A symbolic link stays a link: the file that it leads to is written, in that file's folder. What is there and is no file,
//! such as a folder, a device or a pipe, is refused.

mod destination;
mod file;
mod folder;
mod temporary;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::Error;
use destination::destination;
pub use file::AtomicFile;
pub use folder::AtomicFolder;
pub use temporary::remove_abandoned;

/// Writes `bytes` to `path`: after a crash, even of the machine, the file is the old one or the new one. Creates the
/// folder.
///
/// # Errors
/// Returns [`Error::NotAFile`] if `path` is something else, and [`Error::Io`] with the reason of the file system, such as a
/// full disk. `path` is then as it was.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(&path)?;
    file.write_all(bytes).map_err(Error::io(path.as_ref()))?;
    file.commit()
}

/// [`write()`] without waiting for the disk: if the process ends, nothing changes, but after a crash of the machine the
/// file may be empty. For many small files that can be made again.
///
/// # Errors
/// As [`write()`].
pub fn write_unsynced(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(&path)?;
    file.write_all(bytes).map_err(Error::io(path.as_ref()))?;
    file.commit_unsynced()
}

/// Waits until the names in the folder `dir` are on the disk: after a crash of the machine, files that were put there,
/// renamed or removed before are what they were. Does nothing on a system that cannot sync folders.
///
/// # Errors
/// Returns [`Error::Io`] if the folder cannot be opened or synced.
pub fn sync_folder(dir: impl AsRef<Path>) -> Result<(), Error> {
    let dir = dir.as_ref();
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(dir).and_then(|folder| folder.sync_all()) {
        // Some network file systems have no such call.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced.map_err(Error::io(dir)),
    }
}

/// Refuses a path that [`write()`] would refuse because of what is there, before the work of a run is done.
///
/// # Errors
/// Returns [`Error::NotAFile`], and [`Error::Io`] if the system does not say what is there.
pub fn check(path: impl AsRef<Path>) -> Result<(), Error> {
    destination(path.as_ref()).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    pub(super) fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_that_is_there_can_be_synced() {
        let dir = tempfile::tempdir().unwrap();
        sync_folder(dir.path()).unwrap();
        let gone = dir.path().join("gone");
        let error = sync_folder(&gone).err();
        #[cfg(unix)]
        assert!(matches!(error, Some(Error::Io { path, .. }) if path == gone));
        #[cfg(not(unix))]
        assert!(error.is_none());
    }

    #[test]
    fn two_threads_that_write_one_file_leave_one_of_the_two() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::thread::scope(|scope| {
            for byte in [b'a', b'b'] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..200 {
                        write_unsynced(path, &[byte; 4096]).unwrap();
                        remove_abandoned(path.parent().unwrap());
                        let found = fs::read(path).unwrap();
                        assert_eq!(found.len(), 4096);
                        assert!(found.iter().all(|other| *other == found[0]));
                    }
                });
            }
        });
        assert_eq!(names(dir.path()), ["x"]);
    }
}
