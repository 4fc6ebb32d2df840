//! Files written whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::Result;

/// Writes `bytes` to a temporary name beside `path` and renames it.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |error: std::io::Error| format!("{}: cannot be written: {error}", path.display());
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(dir).map_err(fail)?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

/// [`write()`] of pretty JSON with a final newline.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text)
}

/// [`write()`] of an image as PNG.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_png(path: &Path, image: &image::RgbImage) -> Result<()> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png)?;
    write(path, bytes.get_ref())
}
