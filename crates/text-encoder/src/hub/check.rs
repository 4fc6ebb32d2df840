//! Checks that a file arrived as the hub describes it.

use std::fs;
use std::path::Path;

use tensor_file::digest::file_sha256;

use super::HubError;
use super::listing::Sibling;

/// Removes a file that differs from the hub's description, for example because its body was cut off.
pub(super) fn check(path: &Path, file: &Sibling) -> Result<(), HubError> {
    let cache = |source| HubError::Cache {
        path: path.to_owned(),
        source,
    };
    let damaged = |found: String, expected: String| {
        // The name in the snapshot points to a blob, which must be removed too for the file to be fetched again.
        let blob = fs::canonicalize(path).map_err(cache)?;
        fs::remove_file(path).map_err(cache)?;
        if blob.exists() {
            fs::remove_file(blob).map_err(cache)?;
        }
        Err(HubError::Damaged {
            path: path.to_owned(),
            found,
            expected,
        })
    };
    let size = fs::metadata(path).map_err(cache)?.len();
    if let Some(expected) = file.size.filter(|&expected| expected != size) {
        return damaged(format!("{size} bytes"), format!("{expected} bytes"));
    }
    if let Some(expected) = file.lfs.as_ref().and_then(|lfs| lfs.sha256.as_deref()) {
        let found = file_sha256(path)?;
        if found != expected {
            return damaged(format!("SHA-256 {found}"), format!("SHA-256 {expected}"));
        }
    }
    Ok(())
}
