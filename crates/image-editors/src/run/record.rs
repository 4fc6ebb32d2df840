use std::path::Path;

use concepts::images::encode_png;
use image::RgbImage;
use resumable_runs::{hex, read, sha256_hex, sha256_parts, write, write_json};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What is known about an edit, stored beside it as `NAME.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditRecord {
    /// Version of this record: 2. Edits of version 1 were not checked for being of one colour.
    pub version: u32,
    /// The concept's name.
    pub concept: String,
    /// The prompt that the editor got.
    pub prompt: String,
    /// The photo's name.
    pub photo: String,
    /// SHA-256 of the photo's width, height and pixels.
    pub photo_sha256: String,
    /// The editor's name.
    pub editor: String,
    /// The editor's [parameters](concepts::ImageEditor::parameters).
    pub parameters: serde_json::Value,
    /// The seed that the editor got.
    pub seed: u64,
    /// How long the edit took, in seconds.
    pub seconds: f64,
    /// SHA-256 of the PNG file.
    pub sha256: String,
}

/// The version of new records.
pub(super) const VERSION: u32 = 2;
/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 1 << 20;
/// The largest edit that is read, in bytes.
const MAX_IMAGE: u64 = 256 << 20;

impl EditRecord {
    /// Whether both describe the same task, regardless of its duration and result.
    pub(super) fn same_task(&self, other: &Self) -> bool {
        let task = |record: &Self| Self {
            version: VERSION,
            seconds: 0.0,
            sha256: String::new(),
            ..record.clone()
        };
        task(self) == task(other)
    }

    /// The record at `path`, if there is one that can be read. A broken one is treated as missing, since the edit can be
    /// made again.
    pub(super) fn find(path: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(&read(path, MAX_RECORD).ok()?).ok()?;
        (1..=VERSION).contains(&record.version).then_some(record)
    }

    /// Whether the image at `path` is the one recorded.
    pub(super) fn fits(&self, path: &Path) -> bool {
        read(path, MAX_IMAGE).is_ok_and(|bytes| sha256_hex(&bytes) == self.sha256)
    }

    /// Writes the image and then the record, so that a record implies that its image is there.
    pub(super) fn write(
        mut self,
        image: &RgbImage,
        image_path: &Path,
        record_path: &Path,
    ) -> Result<(), Error> {
        let png = encode_png(image, image_path)?;
        self.sha256 = sha256_hex(&png);
        write(image_path, &png)?;
        Ok(write_json(record_path, &self)?)
    }
}

pub(super) fn image_digest(image: &RgbImage) -> String {
    let (width, height) = image.dimensions();
    hex(&sha256_parts(&[
        &width.to_le_bytes(),
        &height.to_le_bytes(),
        image.as_raw(),
    ]))
}
