//! Files written whole or not at all, folders that are removed in one step.

use std::io::ErrorKind;
use std::path::Path;

use image::{ImageFormat, RgbImage};

use crate::Error;
use crate::error::{Result, io};

/// Writes `bytes` to a temporary file beside `path` and renames it.
///
/// # Errors
/// Returns [`Error::File`], which names the file, if it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(tensor_file::atomic::write(path, bytes)?)
}

/// [`write()`] of indented JSON with a final newline.
///
/// # Errors
/// Returns [`Error::Json`] if the value has no JSON form, and otherwise as [`write()`].
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })?;
    text.push(b'\n');
    write(path, &text)
}

/// [`write()`] of an image as PNG.
///
/// # Errors
/// Returns [`Error::EncodeImage`] if the image cannot be encoded, and otherwise as [`write()`].
pub fn write_png(path: &Path, image: &RgbImage) -> Result<()> {
    write_image(path, image, ImageFormat::Png)
}

/// [`write()`] of an image in `format`.
pub(crate) fn write_image(path: &Path, image: &RgbImage, format: ImageFormat) -> Result<()> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    (image.write_to(&mut bytes, format)).map_err(|source| Error::EncodeImage {
        path: path.to_owned(),
        source,
    })?;
    write(path, bytes.get_ref())
}

/// Creates the folder and checks that files can be written to it, so that a long run does not end with nowhere to put
/// its results.
///
/// # Errors
/// Returns [`Error::Io`], which names the folder, if nothing can be written there.
pub fn check_writable(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)
        .and_then(|()| tempfile::tempfile_in(dir))
        .map(drop)
        .map_err(io("write to the folder", dir))
}

/// Removes a folder if it exists. The folder is renamed first: a process killed meanwhile leaves either the whole folder
/// or a hidden one, which the next `discard` of the same folder removes.
///
/// # Errors
/// Returns [`Error::Io`], which names the folder, if it cannot be removed.
pub fn discard(dir: &Path) -> Result<()> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let old = dir.with_file_name(format!(".{name}-discarded"));
    let if_there = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if_there(std::fs::remove_dir_all(&old))
        .and_then(|()| if_there(std::fs::rename(dir, &old)))
        .and_then(|()| if_there(std::fs::remove_dir_all(&old)))
        .map_err(io("remove", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discarding_a_folder_also_removes_an_interrupted_discard() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        discard(&state).unwrap();
        // Killed after the rename, and started again.
        std::fs::create_dir_all(dir.path().join(".state-discarded/at-1")).unwrap();
        std::fs::create_dir_all(state.join("at-2")).unwrap();
        discard(&state).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
