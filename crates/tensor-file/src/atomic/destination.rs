//! Where a file that is written to a path goes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Error;

/// The file that is replaced by writing to `path`: `path` itself, or what a symbolic link leads to.
pub(super) fn destination(path: &Path) -> Result<PathBuf, Error> {
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

pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::tests::names;
    use super::super::write;
    use super::*;

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
}
