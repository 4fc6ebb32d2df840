//! Small files of a folder, with a limit on their size.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tensor_file::decode_text;

use crate::Error;

/// Largest configuration or tokenizer file that is read. CLIP's tokenizer.json has 2 MB, multilingual ones 17 MB.
const LIMIT: u64 = 64 << 20;

/// Reads a whole file of at most [`LIMIT`] bytes.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(tensor_file::read_limited(path, LIMIT)?)
}

/// As [`read_small`]; `None` if there is no such file.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    use std::io::ErrorKind::NotFound;
    match read_small(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::File(tensor_file::Error::Io { source, .. })) if source.kind() == NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Parses a JSON object; `path` names the file in errors, and a byte order mark is no part of it. Serde would take an array for a struct too.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T, Error> {
    let object: Result<Map<String, Value>, _> = serde_json::from_str(decode_text(bytes, path)?);
    object
        .and_then(|object| serde_json::from_value(Value::Object(object)))
        .map_err(|source| Error::Json {
            file: path.display().to_string(),
            source,
        })
}

/// The error of a file that the operating system could not read or write.
pub(crate) fn io(path: &Path, source: std::io::Error) -> Error {
    Error::File(tensor_file::Error::Io {
        path: path.to_owned(),
        source,
    })
}
