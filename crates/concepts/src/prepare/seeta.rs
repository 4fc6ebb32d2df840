use std::fmt;
use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};
use resumable_runs::{read, sha256_hex};
use rustface::ImageData;

use super::crop::FaceBox;
use super::faces::FaceDetector;
use crate::Error;

/// SHA-256 of the published model. Its reader trusts the content, so no other file is passed to it.
const MODEL_SHA256: &str = "c4619d066ed35e84d9a8e842860b0dff567aba0cbb139881075538761db3ff5d";
const MODEL_BYTES: u64 = 1_209_904;
/// The longest side that is searched, in pixels. Larger photos are scaled down first.
const SEARCHED: u32 = 1024;
/// The smallest face that is found, in pixels of the searched image.
const SMALLEST: u32 = 40;

/// SeetaFace's detector of frontal faces (Wu et al., 2016), as implemented by the crate `rustface`.
///
/// The model does not come with this crate: it is `model/seeta_fd_frontal_v1.0.bin` of the package `rustface` (1.2 MB,
/// BSD 2-clause), which Cargo unpacks in `~/.cargo/registry/src/`.
///
/// ```no_run
/// use concepts::prepare::{FaceBoxes, SeetaDetector};
///
/// let detector = SeetaDetector::open("seeta_fd_frontal_v1.0.bin".as_ref())?;
/// let found = FaceBoxes::detect("photos".as_ref(), &detector, &|done, all, name| println!("{done}/{all} {name}"))?;
/// println!("no face in {:?}", found.without);
/// found.boxes.write("boxes.json".as_ref())?;
/// # Ok::<(), concepts::Error>(())
/// ```
pub struct SeetaDetector {
    model: rustface::Model,
}

impl SeetaDetector {
    /// Reads the model.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be read, and [`Error::NotFaceModel`] if it is not the published model.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let refused = || Error::NotFaceModel {
            path: path.to_owned(),
        };
        let bytes = read(path, MODEL_BYTES + 1)?;
        if sha256_hex(&bytes) != MODEL_SHA256 {
            return Err(refused());
        }
        let model = rustface::read_model(&bytes[..]).map_err(|_| refused())?;
        Ok(Self { model })
    }
}

impl fmt::Debug for SeetaDetector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SeetaDetector")
    }
}

impl FaceDetector for SeetaDetector {
    fn faces(&self, photo: &RgbImage) -> Result<Vec<FaceBox>, Error> {
        let longest = photo.width().max(photo.height());
        if photo.width().min(photo.height()) < SMALLEST {
            return Ok(Vec::new());
        }
        let mut grey = imageops::grayscale(photo);
        if longest > SEARCHED {
            let scale = f64::from(SEARCHED) / f64::from(longest);
            let side = |pixels: u32| (f64::from(pixels) * scale).round().max(1.0) as u32;
            let (width, height) = (side(grey.width()), side(grey.height()));
            grey = imageops::resize(&grey, width, height, FilterType::Triangle);
        }
        let (width, height) = grey.dimensions();
        if width.min(height) < SMALLEST {
            return Ok(Vec::new());
        }
        let (back_x, back_y) = (
            f64::from(photo.width()) / f64::from(width),
            f64::from(photo.height()) / f64::from(height),
        );
        let mut detector = rustface::create_detector_with_model(self.model.clone());
        detector.set_min_face_size(SMALLEST);
        // The values of the authors' example.
        detector.set_score_thresh(2.0);
        detector.set_pyramid_scale_factor(0.8);
        detector.set_slide_window_step(4, 4);
        let faces = detector.detect(&ImageData::new(grey.as_raw(), width, height));
        Ok(faces
            .iter()
            .map(|face| {
                let found = face.bbox();
                FaceBox {
                    x: f64::from(found.x()) * back_x,
                    y: f64::from(found.y()) * back_y,
                    width: f64::from(found.width()) * back_x,
                    height: f64::from(found.height()) * back_y,
                }
            })
            .collect())
    }
}
