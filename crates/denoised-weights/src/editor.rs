//! Editing photos with an adapted base.

use std::fmt;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use concepts::images::{fit_image, read_image};
use concepts::read_photo;
use finetune::{image_to_tensor, images_to_tensor, tensor_to_images, translate};
use image::{ImageFormat, RgbImage};
use lora_gan::{BaseGenerator, HybridGenerator};
use resumable_runs::Places;
use weight_blocks::NamedTensors;

use crate::Error;
use crate::edit_plan::plan_edits;
use crate::error::Result;
use crate::run::{write_image, write_png};
use crate::weights::adapt;
use crate::whole_photo::{WholeSize, cut_back, padded, scaled};

/// Photos of a folder that are read and edited at a time.
const BATCH: usize = 32;

/// A base with one adapter merged into its weights.
pub struct PhotoEditor {
    network: HybridGenerator,
    size: usize,
    device: Device,
}

/// Without the network.
impl fmt::Debug for PhotoEditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhotoEditor")
            .field("size", &self.size)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl PhotoEditor {
    /// Merges `adapter` into a copy of `base`, the one for the adapter's prompt if it reads prompts
    /// ([`PromptEncoder::prompted`](crate::PromptEncoder::prompted)); edits compute on the base's device.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the base lacks its prompt, and [`Error::Weights`] if the adapter does not fit it.
    pub fn new(base: &BaseGenerator, adapter: &NamedTensors) -> Result<Self> {
        let network = adapt(base, adapter)?;
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
    /// `edited`'s extension names. The photo itself is never replaced.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`] if the photo cannot be read, [`Error::EncodeImage`] or [`Error::File`] if the result
    /// cannot be encoded or written, and [`Error::Run`] if both paths lead to one file.
    pub fn edit_file(&self, photo: impl AsRef<Path>, edited: impl AsRef<Path>) -> Result<()> {
        let (photo, edited) = (photo.as_ref(), edited.as_ref());
        let format = format_of(edited)?;
        Places::new().reads(photo).writes(edited).check()?;
        let photo = read_photo(photo, self.size)?;
        write_image(edited, &self.edit(photo.image)?, format)
    }

    /// Edits the photos directly in `photos` into `edited`, under the names of [`plan_edits`], 32 at a time; gives their number.
    /// `observe` sees the number of photos edited so far.
    ///
    /// # Errors
    /// As [`plan_edits`], before anything is written, and as [`PhotoEditor::edit_file`].
    pub fn edit_folder(
        &self,
        photos: &Path,
        edited: &Path,
        mut observe: impl FnMut(usize),
    ) -> Result<usize> {
        let plan = plan_edits(photos, edited)?;
        let mut done = 0;
        for edits in plan.chunks(BATCH) {
            let photos = (edits.iter())
                .map(|edit| read_photo(&edit.photo, self.size))
                .collect::<Result<Vec<_>, _>>()?;
            let images: Vec<_> = photos.iter().map(|photo| &photo.image).collect();
            for (edit, image) in edits.iter().zip(self.edit_fitted(&images)?) {
                write_png(&edit.edited, &image)?;
                done += 1;
                observe(done);
            }
        }
        Ok(done)
    }

    /// The edited photo with its own proportions: scaled as `size` says, mirrored beyond its edges,
    /// edited, and cut back. The network was trained on S×S pixels; far larger photos get finer strokes.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`] if the photo has no pixels or cannot be scaled so, and [`Error::PhotoTooLarge`] if it has
    /// more than [`WholeSize::MAX_PIXELS`].
    pub fn edit_whole(&self, photo: RgbImage, size: WholeSize) -> Result<RgbImage> {
        let photo = scaled(photo, size)?;
        let input = image_to_tensor(&padded(&photo), &self.device);
        let edited = tensor_to_images(translate(&self.network, &input)?).swap_remove(0);
        Ok(cut_back(&edited, photo.dimensions()))
    }

    /// [`PhotoEditor::edit_folder`] with [`PhotoEditor::edit_whole`], one photo after another; `observe` sees each edited
    /// photo's number, from 1.
    ///
    /// # Errors
    /// As both; [`Error::Photo`] names the photo that cannot be edited.
    pub fn edit_folder_whole(
        &self,
        photos: &Path,
        edited: &Path,
        size: WholeSize,
        mut observe: impl FnMut(usize),
    ) -> Result<usize> {
        let plan = plan_edits(photos, edited)?;
        for (number, edit) in (1..).zip(&plan) {
            let photo = read_image(&edit.photo).map_err(concepts::Error::from)?;
            let whole = self.edit_whole(photo, size);
            let whole = whole.map_err(|source| Error::Photo {
                path: edit.photo.clone(),
                source: Box::new(source),
            })?;
            write_png(&edit.edited, &whole)?;
            observe(number);
        }
        Ok(plan.len())
    }

    /// The edits of photos that are S×S pixels already, in one batch.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if there is no photo, or one has another size.
    fn edit_fitted(&self, photos: &[&RgbImage]) -> Result<Vec<RgbImage>> {
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
