//! The temporary files, and what is left of those of killed processes.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

pub(super) const PREFIX: &str = ".tmp-";
/// Random characters after [`PREFIX`].
pub(super) const RANDOM: usize = 6;

/// Removes the temporary files in `dir` that no process holds, those of killed processes.
/// [`AtomicFile::create`](super::AtomicFile::create) does this when its process first writes to a folder. One that cannot be
/// removed stays.
pub fn remove_abandoned(dir: impl AsRef<Path>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !is_temporary(&entry) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if let Ok(file) = OpenOptions::new().write(true).open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

pub(super) fn is_temporary(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    (name.to_str().and_then(|name| name.strip_prefix(PREFIX)))
        .is_some_and(|rest| rest.len() == RANDOM)
}

pub(super) fn first_write_to(dir: &Path) -> bool {
    static SEEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    (seen.get_or_insert_default()).insert(dir.to_owned())
}

/// A new locked file in `dir`.
pub(super) fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    // With the permissions of any new file: by default, only its owner could read it.
    #[cfg(unix)]
    let permissions: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    loop {
        let file = builder.tempfile_in(dir)?;
        // On a file system without locks, nobody removes files that look abandoned either.
        if file.as_file().lock().is_err() || file.path().exists() {
            return Ok(file);
        }
        // Another process removed it before it was locked.
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::names;
    use super::super::write;
    use super::*;

    #[test]
    fn files_of_killed_processes_are_removed_and_those_of_living_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        // As a killed process leaves it: there, and locked by nobody.
        let dead = dir.path().join(".tmp-aB3xYz");
        fs::write(&dead, "half").unwrap();
        let living = temporary(dir.path()).unwrap();
        for name in [".tmp-notes", "tmp-aB3xYz", "zoo.json"] {
            fs::write(dir.path().join(name), "mine").unwrap();
        }
        fs::create_dir(dir.path().join(".tmp-folder")).unwrap();

        write(dir.path().join("new"), b"whole").unwrap();
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

    #[cfg(unix)]
    #[test]
    fn files_have_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
