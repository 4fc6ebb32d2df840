use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tensor_file::{atomic, decode_text, read_limited};

use crate::{Error, io_error};

/// The largest JSON or text file that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Creates the folder and those above it.
///
/// # Errors
/// Returns [`Error::Io`] if the folder cannot be created.
pub fn create_dir(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(io_error("create the folder", path))
}

/// Writes to a hidden temporary file in the same folder, waits for the disk and renames it; creates the folder. After a crash,
/// even of the machine, the file is the old one or the new one.
///
/// # Errors
/// Returns [`Error::WholeFile`] if the file cannot be written; `path` is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(atomic::write(path, bytes)?)
}

/// [`write()`] without waiting for the disk: after a crash of the machine the file may be empty. For files that can be made
/// again at little cost.
///
/// # Errors
/// As [`write()`].
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(atomic::write_unsynced(path, bytes)?)
}

/// [`write()`] of `value` as indented JSON.
///
/// # Errors
/// Returns [`Error::Json`] if the value has no JSON form, and the errors of [`write()`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| json(path, source))?;
    text.push(b'\n');
    write(path, &text)
}

/// Removes the temporary files that killed processes left in `folder`.
pub fn remove_abandoned(folder: &Path) {
    atomic::remove_abandoned(folder);
}

/// The file's bytes. A file longer than `limit` bytes is refused before its content is read.
///
/// # Errors
/// Returns [`Error::WholeFile`] if the file cannot be read or is longer.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    Ok(read_limited(path, limit)?)
}

/// The text of a file of up to 256 MiB in UTF-8, without the byte order mark that some editors put first.
///
/// # Errors
/// Returns [`Error::WholeFile`] if the file cannot be read, is longer, or is in another encoding, which it names.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = read(path, MAX_TEXT_BYTES)?;
    Ok(decode_text(&bytes, path)?.to_owned())
}

/// The lines of a [text](read_text) that people write by hand, such as a list of prompts: trimmed, without empty lines and
/// without comments, which are lines that begin with `#`. Lines end as on any system.
///
/// ```
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("prompts.txt");
/// std::fs::write(&path, "\u{feff}# my styles\r\nwatercolor\r\n\r\nred fog")?;
/// assert_eq!(resumable_runs::read_lines(&path)?, ["watercolor", "red fog"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns the errors of [`read_text`].
pub fn read_lines(path: &Path) -> Result<Vec<String>, Error> {
    let text = read_text(path)?;
    Ok(text
        .split(['\n', '\r'])
        .map(trimmed)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

/// `text` without white space and byte order marks at its ends: files that were joined, and texts that were pasted, have
/// marks inside.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// The value in a JSON file of up to 256 MiB.
///
/// # Errors
/// Returns the errors of [`read_text`], and [`Error::Json`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&read_text(path)?).map_err(|source| json(path, source))
}

fn json(path: &Path, source: serde_json::Error) -> Error {
    Error::Json {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_any_editor_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.txt");
        for text in [
            "# comment\nred fog\n\n  oil painting \n",
            "\u{feff}# comment\r\nred fog\r\n\r\noil painting\r\n",
            "\u{feff}red fog\r# comment\roil painting",
            // Two files, joined.
            "\u{feff}red fog\n\u{feff}# comment\n\u{feff}oil painting\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                read_lines(&path).unwrap(),
                ["red fog", "oil painting"],
                "{text:?}"
            );
        }
        std::fs::write(&path, "\u{feff}\r\n# nothing\r\n").unwrap();
        assert!(read_lines(&path).unwrap().is_empty());
    }

    #[test]
    fn json_may_have_a_byte_order_mark_and_no_other_encoding() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, "\u{feff}[\"red fog\"]\r\n").unwrap();
        assert_eq!(read_json::<Vec<String>>(&path).unwrap(), ["red fog"]);
        let utf16: Vec<u8> = ("[\"red fog\"]".encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        std::fs::write(&path, utf16).unwrap();
        let error = read_json::<Vec<String>>(&path).unwrap_err().to_string();
        assert!(error.contains("UTF-16 (little-endian)"), "{error}");
    }
}
