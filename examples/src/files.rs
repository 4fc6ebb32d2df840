//! Files written whole or not at all, folders that go in one step, one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Result;

/// Writes `bytes` to a temporary name beside `path` and renames it.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(weight_blocks::write_atomic(path, bytes)?)
}

/// [`write()`] of pretty JSON with a final newline.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text)
}

/// [`write()`] of an image as PNG.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_png(path: &Path, image: &image::RgbImage) -> Result<()> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png)?;
    write(path, bytes.get_ref())
}

/// Makes the folder and writes a file to it, which goes again: before a long run, so that it does not
/// end with nowhere to put what it did.
///
/// # Errors
/// Names the folder that nothing can be written to.
pub fn writable(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)
        .and_then(|()| tempfile::tempfile_in(dir))
        .map(drop)
        .map_err(|error| format!("{}: nothing can be written there: {error}", dir.display()).into())
}

/// Removes a folder, where it is there. It is renamed first: a process killed meanwhile leaves the
/// whole folder or, under a name that nobody reads, what the next `discard` of it removes.
///
/// # Errors
/// Names the folder that cannot be removed.
pub fn discard(dir: &Path) -> Result<()> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let old = dir.with_file_name(format!(".{name}-discarded"));
    let there = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    there(std::fs::remove_dir_all(&old))
        .and_then(|()| there(std::fs::rename(dir, &old)))
        .and_then(|()| there(std::fs::remove_dir_all(&old)))
        .map_err(|error| format!("{}: cannot be removed: {error}", dir.display()).into())
}

/// An exclusive lock on a file made for it. It ends with the value, or with the process however it ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock; none where another process has it.
    ///
    /// # Errors
    /// Names the file that cannot be made or locked.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        let lock = Self::open(path)?;
        match lock.file.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(lock.fail(&error)),
        }
    }

    /// The lock on the states of a run into `out`, which lie in `out/state`: two processes that save
    /// them to one folder would remove each other's.
    ///
    /// # Errors
    /// Where another process trains there, or the lock's file cannot be made.
    pub fn of_run(out: &Path) -> Result<Self> {
        Self::try_take(&out.join("state").join("lock"))?.ok_or_else(|| {
            format!(
                "{}: another process trains there; wait for it, or give another --out",
                out.display()
            )
            .into()
        })
    }

    /// Takes the lock when no other process has it any more.
    ///
    /// # Errors
    /// Names the file that cannot be made or locked.
    pub fn wait(path: &Path) -> Result<Self> {
        let lock = Self::open(path)?;
        match lock.file.lock() {
            Ok(()) => Ok(lock),
            Err(error) => Err(lock.fail(&error)),
        }
    }

    /// Removes the file, and then ends the lock. Who waits for it gets it on a file that is gone, and
    /// has to look whether there is anything left to do.
    ///
    /// # Errors
    /// Names the file that cannot be removed.
    pub fn remove(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.fail(&error)),
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
                Err(error) => {
                    return Err(format!("{}: cannot be made: {error}", path.display()).into());
                }
            }
        }
    }

    fn fail(&self, error: &std::io::Error) -> Box<dyn std::error::Error + Send + Sync> {
        format!("{}: {error}", self.path.display()).into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_discarded_folder_takes_an_interrupted_discard_along() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        discard(&state).unwrap();
        // Killed after the rename, and begun anew.
        std::fs::create_dir_all(dir.path().join(".state-discarded/at-1")).unwrap();
        std::fs::create_dir_all(state.join("at-2")).unwrap();
        discard(&state).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_is_one_process_s_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work/fog.lock");
        let first = Lock::try_take(&path).unwrap().unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(first);
        // A killed process leaves the file, and that is all.
        assert!(path.exists());
        let second = Lock::wait(&path).unwrap();
        second.remove().unwrap();
        assert!(!path.exists());
        // Who waited for `second` removes it once more.
        let late = Lock::wait(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        late.remove().unwrap();
    }
}
