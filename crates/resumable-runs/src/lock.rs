use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{Error, io_error};

/// An exclusive lock on a file made for it, released when the value is dropped or its process ends, however it ends. The
/// file stays, unless [`Lock::remove`] is called.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock at `path`; the file is created if necessary, as is its folder.
    ///
    /// # Errors
    /// Returns [`Error::Busy`] if another process holds the lock, and [`Error::Io`] if the file cannot be created or locked.
    pub fn take(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::try_take(path)?.ok_or_else(|| Error::Busy {
            path: path.to_owned(),
        })
    }

    /// [`Lock::take`]; `None` if another process holds the lock.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be created or locked.
    pub fn try_take(path: impl AsRef<Path>) -> Result<Option<Self>, Error> {
        let lock = Self::open(path.as_ref())?;
        match lock.file.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &lock.path)(source)),
        }
    }

    /// [`Lock::take`] after waiting for the process that holds the lock.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be created or locked.
    pub fn wait(path: impl AsRef<Path>) -> Result<Self, Error> {
        let lock = Self::open(path.as_ref())?;
        lock.file.lock().map_err(io_error("lock", &lock.path))?;
        Ok(lock)
    }

    /// Removes the file, and then ends the lock. Another process that waits for it then holds a lock on a removed file,
    /// and must check whether there is anything left to do.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be removed.
    pub fn remove(self) -> Result<(), Error> {
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(io_error("remove", &self.path)(source))
            }
            _ => Ok(()),
        }
    }

    fn open(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        // Another process may remove the empty folder before the file is in it.
        let mut attempts = 3;
        loop {
            let made = std::fs::create_dir_all(folder).and_then(|()| {
                (OpenOptions::new().create(true).truncate(false).write(true)).open(path)
            });
            attempts -= 1;
            match made {
                Ok(file) => {
                    let path = path.to_owned();
                    return Ok(Self { path, file });
                }
                Err(source) if source.kind() == ErrorKind::NotFound && attempts > 0 => {}
                Err(source) => return Err(io_error("create", path)(source)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_belongs_to_one_process_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work/fog.lock");
        let first = Lock::try_take(&path).unwrap().unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        let error = Lock::take(&path).unwrap_err();
        assert!(matches!(error, Error::Busy { path: held } if held == path));
        drop(first);
        // A killed process leaves the file and nothing else.
        assert!(path.exists());
        let second = Lock::wait(&path).unwrap();
        second.remove().unwrap();
        assert!(!path.exists());
        // A process that waited for `second` removes the file once more.
        let late = Lock::wait(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        late.remove().unwrap();
    }
}
