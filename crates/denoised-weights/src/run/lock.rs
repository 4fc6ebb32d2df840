//! Locks between processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::error::{Result, io};

/// An exclusive lock on a file made for it. It ends with the value, or with the process, however that ends.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    file: File,
}

impl RunLock {
    /// Takes the lock; `None` if another process holds it.
    ///
    /// # Errors
    /// Returns [`Error::Io`], which names the file, if it cannot be created or locked.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        let lock = Self::open(path)?;
        match lock.file.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io("lock", path)(error)),
        }
    }

    /// Locks the states of a training into `dir`, which are in `dir/state`: two processes that save to one folder would
    /// remove each other's states.
    ///
    /// # Errors
    /// Returns [`Error::Busy`] if another process trains there, and [`Error::Io`] if the lock cannot be taken.
    pub fn of_training(dir: &Path) -> Result<Self> {
        let lock = Self::try_take(&dir.join("state").join("lock"))?;
        lock.ok_or_else(|| Error::Busy {
            path: dir.to_owned(),
        })
    }

    /// Waits until no other process holds the lock, and takes it.
    ///
    /// # Errors
    /// Returns [`Error::Io`], which names the file, if it cannot be created or locked.
    pub fn wait(path: &Path) -> Result<Self> {
        let lock = Self::open(path)?;
        lock.file.lock().map_err(io("lock", path))?;
        Ok(lock)
    }

    /// Removes the file, and then ends the lock. Another process that waits for it then holds a lock on a removed file,
    /// and must check whether there is anything left to do.
    ///
    /// # Errors
    /// Returns [`Error::Io`], which names the file, if it cannot be removed.
    pub fn remove(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(io("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    fn open(path: &Path) -> Result<Self> {
        let dir = path.parent().unwrap_or(Path::new(""));
        // Another process may remove the empty folder before the file is in it.
        let mut attempts = 3;
        loop {
            let made = std::fs::create_dir_all(dir).and_then(|()| {
                (OpenOptions::new().create(true).truncate(false).write(true)).open(path)
            });
            attempts -= 1;
            match made {
                Ok(file) => {
                    let path = path.to_owned();
                    return Ok(Self { path, file });
                }
                Err(error) if error.kind() == ErrorKind::NotFound && attempts > 0 => {}
                Err(error) => return Err(io("create", path)(error)),
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
        let first = RunLock::try_take(&path).unwrap().unwrap();
        assert!(RunLock::try_take(&path).unwrap().is_none());
        drop(first);
        // A killed process leaves the file and nothing else.
        assert!(path.exists());
        let second = RunLock::wait(&path).unwrap();
        second.remove().unwrap();
        assert!(!path.exists());
        // A process that waited for `second` removes the file once more.
        let late = RunLock::wait(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        late.remove().unwrap();
    }
}
