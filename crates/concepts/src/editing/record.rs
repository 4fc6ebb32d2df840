use std::path::Path;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::{Error, store};

/// What is known about an edit; lies beside it as `NAME.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditRecord {
    /// Version of this record: 1.
    pub version: u32,
    /// The concept's name.
    pub concept: String,
    /// The prompt that the editor was given.
    pub prompt: String,
    /// The photo's name.
    pub photo: String,
    /// SHA-256 of the photo's width, height and pixels.
    pub photo_sha256: String,
    /// The editor's name.
    pub editor: String,
    /// What the editor says about itself.
    pub parameters: serde_json::Value,
    /// The seed that the editor was given.
    pub seed: u64,
    /// How long the edit took.
    pub seconds: f64,
    /// SHA-256 of the PNG file.
    pub sha256: String,
}

/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 1 << 20;
/// The largest edit that is read, in bytes.
const MAX_IMAGE: u64 = 256 << 20;

impl EditRecord {
    /// Whether both describe the same task, however long it took and whatever came out.
    pub(super) fn same_task(&self, other: &Self) -> bool {
        let task = |record: &Self| Self {
            seconds: 0.0,
            sha256: String::new(),
            ..record.clone()
        };
        task(self) == task(other)
    }

    /// The record at `path`, where there is one that can be read; a broken one is as good as none, since the edit can
    /// be made again.
    pub(super) fn find(path: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(&store::read(path, MAX_RECORD).ok()?).ok()?;
        (record.version == 1).then_some(record)
    }

    /// Whether the image at `path` is the one recorded.
    pub(super) fn fits(&self, path: &Path) -> bool {
        store::read(path, MAX_IMAGE).is_ok_and(|bytes| store::sha256(&bytes) == self.sha256)
    }

    /// Writes the image and then the record, so that a record says that its image is there.
    pub(super) fn write(
        mut self,
        image: &RgbImage,
        image_path: &Path,
        record_path: &Path,
    ) -> Result<(), Error> {
        let png = store::png(image, image_path)?;
        self.sha256 = store::sha256(&png);
        store::write(image_path, &png)?;
        store::write_json(record_path, &self)
    }
}

pub(super) fn image_digest(image: &RgbImage) -> String {
    let (width, height) = image.dimensions();
    store::hex(&store::sha256_parts(&[
        &width.to_le_bytes(),
        &height.to_le_bytes(),
        image.as_raw(),
    ]))
}
