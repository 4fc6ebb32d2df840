//! File names as text.

use std::ffi::OsStr;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use crate::Error;

/// What systems and programs leave in folders, beside names that begin with a dot.
const LEFT_BEHIND: [&str; 6] = [
    "__MACOSX",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// Whether a file or folder of this name is skipped: names that begin with a dot (`.ipynb_checkpoints`, `._photo.jpg`), and
/// what macOS' archives (`__MACOSX`), network drives (`@eaDir`, `#recycle`) and file systems leave behind.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || LEFT_BEHIND.iter().any(|left| name == *left)
}

/// `text` in Unicode's composed form (NFC), in which texts that look alike are equal.
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// The file name of `path`, as it is.
///
/// # Errors
/// Returns [`Error::NotUnicode`] unless it is Unicode.
pub fn file_name(path: &Path) -> Result<&str, Error> {
    path.file_name()
        .unwrap_or_default()
        .to_str()
        .ok_or_else(|| Error::NotUnicode {
            path: path.to_owned(),
        })
}

/// The file name without its extension, [composed]: `cat.v1` for `cat.v1.jpg`.
///
/// # Errors
/// Returns [`Error::NotUnicode`] unless the file name is Unicode: replacing what is not could make two names one.
pub fn stem(path: &Path) -> Result<String, Error> {
    let name = file_name(path)?;
    Ok(composed(
        Path::new(name)
            .file_stem()
            .and_then(OsStr::to_str)
            .unwrap_or_default(),
    ))
}
