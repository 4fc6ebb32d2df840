//! Making a zoo.

use std::fs;
use std::path::Path;

use tensor_file::atomic;
use tensor_file::digest::sha256_hex;

use super::{HEADER, Header, VERSION, Zoo, json};
use crate::{Error, Layout};

impl Zoo {
    /// Opens the zoo in `dir`, or creates an empty one there. Of several processes that do this at the same time, the
    /// first decides what the zoo is for.
    ///
    /// # Errors
    /// Those of [`Zoo::open`], and those of [`Zoo::check`] if there is a zoo for another base or layout.
    pub fn create(
        dir: impl AsRef<Path>,
        layout: &Layout,
        base_digest: &str,
    ) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let path = dir.join(HEADER);
        if !path.exists() {
            let header = Header {
                version: VERSION,
                base_digest: base_digest.to_owned(),
                layout: layout.clone(),
            };
            write_first(&path, &json(&path, "zoo manifest", &header)?)?;
        }
        let zoo = Self::open(dir)?;
        zoo.check(layout, base_digest)?;
        Ok(zoo)
    }
}

/// Writes `path` whole, unless another process has: a link, unlike a renamed file, replaces nothing. On a file system
/// without links, the last process wins.
fn write_first(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    // Processes that write the same share this name. One may remove it before another has linked it, but then `path` is
    // there already.
    let own = path.with_file_name(format!(".{HEADER}-{}", &sha256_hex(bytes)[..16]));
    atomic::write(&own, bytes)?;
    let linked = fs::hard_link(&own, path);
    let _ = fs::remove_file(&own);
    if linked.is_err() && !path.exists() {
        atomic::write(path, bytes)?;
    }
    Ok(())
}
