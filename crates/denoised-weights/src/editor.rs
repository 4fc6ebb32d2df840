//! Editing photos with an adapted base.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use concepts::images::fit_image;
use concepts::{read_photo, read_photos};
use finetune::{images_to_tensor, tensor_to_images, translate};
use image::{ImageFormat, RgbImage};
use lora_gan::{BaseGenerator, HybridGenerator};
use weight_blocks::NamedTensors;

use crate::Error;
use crate::error::Result;
use crate::run::{write_image, write_png};
use crate::weights::adapt;

/// A base with one adapter merged into its weights.
pub struct PhotoEditor {
    network: HybridGenerator,
    size: usize,
    device: Device,
}

impl PhotoEditor {
    /// Merges `adapter` into a copy of `base`; edits compute on the base's device.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if the adapter does not fit the base.
    pub fn new(base: &BaseGenerator, adapter: &NamedTensors) -> Result<Self> {
        let network = adapt(&base.generator, adapter)?;
        Ok(Self {
            device: network.devices().into_iter().next().unwrap_or_default(),
            network: network.merge_adapter(),
            size: base.config.image_size,
        })
    }

    /// The edited photo, S×S pixels for a base of S×S. A photo of another size is cropped to its centre square and
    /// resized first.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`] if the photo has no pixels.
    pub fn edit(&self, photo: RgbImage) -> Result<RgbImage> {
        let photo = fit_image(photo, self.size)?;
        Ok(self.edit_fitted(&[&photo])?.swap_remove(0))
    }

    /// Reads a photo (JPEG, PNG or WebP), edits it as [`PhotoEditor::edit`] does and writes the result in the format that
    /// `edited`'s extension names.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`] if the photo cannot be read, [`Error::EncodeImage`] or [`Error::File`] if the result
    /// cannot be encoded or written.
    pub fn edit_file(&self, photo: impl AsRef<Path>, edited: impl AsRef<Path>) -> Result<()> {
        let edited = edited.as_ref();
        let format = format_of(edited)?;
        let photo = read_photo(photo.as_ref(), self.size)?;
        write_image(edited, &self.edit(photo.image)?, format)
    }

    /// Edits the photos directly in `photos` into `edited/NAME.png`; gives their number.
    ///
    /// # Errors
    /// As [`PhotoEditor::edit_file`].
    pub fn edit_folder(&self, photos: &Path, edited: &Path) -> Result<usize> {
        let photos = read_photos(photos, self.size)?;
        let images: Vec<_> = photos.iter().map(|photo| &photo.image).collect();
        for (photo, image) in photos.iter().zip(self.edit_fitted(&images)?) {
            let stem = photo.path.file_stem().unwrap_or_default();
            write_png(&edited.join(stem).with_extension("png"), &image)?;
        }
        Ok(photos.len())
    }

    /// The edits of photos that are S×S pixels already, in one batch.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if there is no photo, or one has another size.
    pub fn edit_fitted(&self, photos: &[&RgbImage]) -> Result<Vec<RgbImage>> {
        let photos = images_to_tensor(photos, self.size, &self.device)?;
        Ok(tensor_to_images(translate(&self.network, &photos)?))
    }
}

fn format_of(path: &Path) -> Result<ImageFormat> {
    ImageFormat::from_path(path).map_err(|source| Error::EncodeImage {
        path: path.to_owned(),
        source,
    })
}
