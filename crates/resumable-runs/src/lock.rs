use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use crate::{Error, create_dir, io_error};

/// An exclusive lock on a file, released when the value is dropped or its process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held for its Drop")] File);

impl Lock {
    /// Locks the file at `path`, which is created if necessary, as is its folder.
    ///
    /// # Errors
    /// Returns [`Error::Busy`] if another process holds the lock, and [`Error::Io`].
    pub fn take(path: PathBuf) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            create_dir(folder)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path }),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
        }
    }
}
