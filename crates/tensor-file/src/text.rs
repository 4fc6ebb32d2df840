//! Text files as editors of all systems write them.

use std::path::Path;

use crate::Error;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text in `bytes`, the content of the file `path`, without the byte order mark that some editors put before UTF-8.
///
/// ```
/// assert_eq!(tensor_file::decode_text(b"\xef\xbb\xbfwatercolor", "prompt.txt")?, "watercolor");
/// let error = tensor_file::decode_text(b"\xff\xfew\0a\0", "prompt.txt").unwrap_err().to_string();
/// assert!(error.contains("UTF-16"));
/// # Ok::<(), tensor_file::Error>(())
/// ```
///
/// # Errors
/// Returns [`Error::TextEncoding`], which names the encoding, for UTF-16 and UTF-32, and [`Error::NotUtf8`], which names
/// the line, for bytes that are not UTF-8 otherwise.
pub fn decode_text(bytes: &[u8], path: impl AsRef<Path>) -> Result<&str, Error> {
    let path = path.as_ref();
    if let Some(encoding) = wide_encoding(bytes) {
        return Err(Error::TextEncoding {
            path: path.to_owned(),
            encoding,
        });
    }
    let bytes = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        Error::NotUtf8 {
            path: path.to_owned(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        }
    })
}

/// The encoding of a text whose characters take two or four bytes: told by its byte order mark or, as RFC 4627 does for
/// JSON, by the zeros in its first characters.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    match *bytes {
        [0xff, 0xfe, 0, 0, ..] => Some("UTF-32 (little-endian)"),
        [0, 0, 0xfe, 0xff, ..] => Some("UTF-32 (big-endian)"),
        [0xff, 0xfe, ..] => Some("UTF-16 (little-endian)"),
        [0xfe, 0xff, ..] => Some("UTF-16 (big-endian)"),
        [0, 0, 0, last, ..] if last != 0 => Some("UTF-32 (big-endian)"),
        [first, 0, 0, 0, ..] if first != 0 => Some("UTF-32 (little-endian)"),
        [0, second, 0, _, ..] if second != 0 => Some("UTF-16 (big-endian)"),
        [first, 0, _, 0, ..] if first != 0 => Some("UTF-16 (little-endian)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Result<&str, Error> {
        decode_text(bytes, "notes.txt")
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        assert_eq!(decoded(b"\xef\xbb\xbfred fog\r\n").unwrap(), "red fog\r\n");
        assert_eq!(decoded("é\n".as_bytes()).unwrap(), "é\n");
        assert_eq!(decoded(b"\xef\xbb\xbf").unwrap(), "");
        assert_eq!(decoded(b"").unwrap(), "");
        // Only the first one is a mark.
        assert_eq!(decoded(b"\xef\xbb\xbf\xef\xbb\xbfa").unwrap(), "\u{feff}a");
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        let utf32 = |text: &str, bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
            text.chars().flat_map(|c| bytes(c as u32)).collect()
        };
        for mark in ["\u{feff}", ""] {
            let text = format!("{mark}red fog\r\n");
            for (bytes, expected) in [
                (utf16(&text, u16::to_le_bytes), "UTF-16 (little-endian)"),
                (utf16(&text, u16::to_be_bytes), "UTF-16 (big-endian)"),
                (utf32(&text, u32::to_le_bytes), "UTF-32 (little-endian)"),
                (utf32(&text, u32::to_be_bytes), "UTF-32 (big-endian)"),
            ] {
                let error = decoded(&bytes).unwrap_err().to_string();
                assert!(error.contains(expected), "{error}");
                assert!(
                    error.contains("notes.txt") && error.contains("save it as UTF-8"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn latin_1_is_refused_with_its_line() {
        let error = decoded(b"red fog\r\ncaf\xe9\n").unwrap_err();
        assert!(matches!(error, Error::NotUtf8 { line: 2, .. }));
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
