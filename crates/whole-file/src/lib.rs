//! Files that are there whole or not at all, however the process ends, and leave no temporary files
//! behind.
//!
//! ```
//! use std::io::Write;
//! use whole_file::WholeFile;
//!
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("state.json");
//! whole_file::write(&path, b"first")?;
//!
//! let mut file = WholeFile::create(&path)?;
//! file.write_all(b"second")?;
//! assert_eq!(std::fs::read(&path)?, b"first");
//! file.commit()?;
//! assert_eq!(std::fs::read(&path)?, b"second");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Bytes go to a temporary file in the same folder, `.tmp-` and six random characters, which takes
//! the place of the file by a rename. It is locked while its process lives: when a process first
//! writes to a folder, it removes the temporary files there that nobody holds, those of killed
//! processes. Where a file system has no locks, they stay.
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

const PREFIX: &str = ".tmp-";
/// Random characters behind [`PREFIX`].
const RANDOM: usize = 6;

/// Writes `bytes` to `path`: after a crash, of the machine too, there is the old file or the new
/// one. Creates the folder.
///
/// # Errors
/// What the file system says: a full disk, no access. `path` is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// [`write()`] without waiting for the disk: the end of the process changes nothing, but after a crash
/// of the machine the file may be empty. For many small files that can be made again.
///
/// # Errors
/// As [`write()`].
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.commit_unsynced()
}

/// A file in the making. It takes its place with [`WholeFile::commit`]; dropped before, it goes, and
/// what was in its place stays.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl WholeFile {
    /// Begins what will be `path`. Creates the folder.
    ///
    /// # Errors
    /// Where the folder or the temporary file in it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(dir)?;
        if first_write_to(dir) {
            remove_abandoned(dir);
        }
        Ok(Self {
            path: path.to_owned(),
            file: temporary(dir)?,
        })
    }

    /// The file, to write to.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Syncs the file to the disk and puts it in its place.
    ///
    /// # Errors
    /// Where it cannot be synced or renamed.
    pub fn commit(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.commit_unsynced()
    }

    /// [`WholeFile::commit`] without waiting for the disk; see [`write_unsynced`].
    ///
    /// # Errors
    /// Where it cannot be renamed.
    pub fn commit_unsynced(self) -> io::Result<()> {
        self.file
            .persist(self.path)
            .map(drop)
            .map_err(|error| error.error)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Removes the temporary files in `dir` that no process holds, those of killed processes.
/// [`WholeFile::create`] does it when this process first writes to a folder. One that cannot be
/// removed stays.
pub fn remove_abandoned(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = (name.to_str().and_then(|name| name.strip_prefix(PREFIX)))
            .is_some_and(|rest| rest.len() == RANDOM);
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if let Ok(file) = OpenOptions::new().write(true).open(&path)
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn first_write_to(dir: &Path) -> bool {
    static SEEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    (seen.get_or_insert_default()).insert(dir.to_owned())
}

/// A new locked file in `dir`.
fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    // As any file that a program creates: a temporary one would be its owner's alone.
    #[cfg(unix)]
    let permissions: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    loop {
        let file = builder.tempfile_in(dir)?;
        // Where the file system has no locks, nobody removes files that only look abandoned either.
        if file.as_file().lock().is_err() || file.path().exists() {
            return Ok(file);
        }
        // Another process took it for abandoned before it was locked.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_living_one_writes_stays() {
        let dir = tempfile::tempdir().unwrap();
        // As a killed process leaves it: there, and locked by nobody.
        let dead = dir.path().join(".tmp-aB3xYz");
        std::fs::write(&dead, "half").unwrap();
        let living = temporary(dir.path()).unwrap();
        for name in [".tmp-notes", "tmp-aB3xYz", "zoo.json"] {
            std::fs::write(dir.path().join(name), "mine").unwrap();
        }
        std::fs::create_dir(dir.path().join(".tmp-folder")).unwrap();

        write(&dir.path().join("new"), b"whole").unwrap();
        assert!(!dead.exists());
        assert!(living.path().exists());
        living.persist(dir.path().join("second")).unwrap();
        let expected = [
            ".tmp-folder",
            ".tmp-notes",
            "new",
            "second",
            "tmp-aB3xYz",
            "zoo.json",
        ];
        assert_eq!(names(dir.path()), expected);
    }

    #[test]
    fn a_file_that_is_not_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.txt");
        write(&path, b"old").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(&dir.path().join("a")), ["b.txt"]);
        // Where the target cannot be replaced, the temporary file goes too.
        std::fs::create_dir(dir.path().join("a/folder")).unwrap();
        write(&dir.path().join("a/folder"), b"new").unwrap_err();
        assert_eq!(names(&dir.path().join("a")), ["b.txt", "folder"]);
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
                        let found = std::fs::read(path).unwrap();
                        assert_eq!(found.len(), 4096);
                        assert!(found.iter().all(|other| *other == found[0]));
                    }
                });
            }
        });
        assert_eq!(names(dir.path()), ["x"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_have_the_mode_of_any_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write(&ours, b"x").unwrap();
        std::fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
