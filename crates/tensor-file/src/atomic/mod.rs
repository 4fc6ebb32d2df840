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

mod folder;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::Error;
pub use folder::AtomicFolder;

const PREFIX: &str = ".tmp-";
/// Random characters after [`PREFIX`].
const RANDOM: usize = 6;

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
pub fn sync_folder(dir: &Path) -> Result<(), Error> {
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
pub fn check(path: &Path) -> Result<(), Error> {
    destination(path).map(drop)
}

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

    /// [`AtomicFile::commit`] without waiting for the disk; see [`write_unsynced`].
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

/// Removes the temporary files in `dir` that no process holds, those of killed processes. [`AtomicFile::create`] does
/// this when its process first writes to a folder. One that cannot be removed stays.
pub fn remove_abandoned(dir: &Path) {
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

/// The file that is replaced by writing to `path`: `path` itself, or what a symbolic link leads to.
fn destination(path: &Path) -> Result<PathBuf, Error> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::NotAFile {
            path: path.to_owned(),
            kind: kind(found.file_type()),
        }),
        Ok(_) if path.is_symlink() => fs::canonicalize(path).map_err(Error::io(path)),
        Ok(_) => Ok(path.to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut path = path.to_owned();
            // The system follows links in a circle to an error of another kind.
            while let Ok(target) = fs::read_link(&path) {
                path = parent(&path).join(target);
            }
            Ok(path)
        }
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// What something that is no file is, in words.
fn kind(found: fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_char_device() || found.is_block_device() {
            return "a device";
        }
        if found.is_fifo() {
            return "a pipe";
        }
        if found.is_socket() {
            return "a socket";
        }
    }
    match found.is_dir() {
        true => "a folder",
        false => "not a regular file",
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn is_temporary(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    (name.to_str().and_then(|name| name.strip_prefix(PREFIX)))
        .is_some_and(|rest| rest.len() == RANDOM)
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

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_written() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("elsewhere/real"), "old").unwrap();
        symlink("elsewhere/real", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        symlink("elsewhere/new", at("dangling")).unwrap();
        write(at("second"), b"new").unwrap();
        write(at("dangling"), b"first").unwrap();
        assert_eq!(fs::read(at("elsewhere/real")).unwrap(), b"new");
        assert_eq!(fs::read(at("elsewhere/new")).unwrap(), b"first");
        for link in ["link", "second", "dangling"] {
            assert!(at(link).is_symlink(), "{link}");
        }
        assert_eq!(names(&at("elsewhere")), ["new", "real"]);
        // A circle is an error and not a file.
        symlink("circle", at("circle")).unwrap();
        assert!(matches!(write(at("circle"), b"x"), Err(Error::Io { .. })));
        assert!(at("circle").is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink("socket", at("link")).unwrap();
        let before = names(dir.path());
        for (name, found) in [
            ("folder", "a folder"),
            ("socket", "a socket"),
            ("link", "a socket"),
        ] {
            let error = write(at(name), b"x").unwrap_err();
            assert!(
                matches!(&error, Error::NotAFile { path, kind } if *path == at(name) && *kind == found),
                "{error}"
            );
            assert!(error.to_string().contains("name a file"), "{error}");
        }
        assert_eq!(names(dir.path()), before);
        // Only asked about, not written to.
        let kind = kind(fs::metadata("/dev/null").unwrap().file_type());
        assert_eq!(kind, "a device");
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
