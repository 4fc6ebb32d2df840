use std::path::Path;

use image::RgbImage;

use super::crop::{FaceBox, FaceBoxes};
use crate::{Error, files};

/// Something that finds faces in a photo: [`SeetaDetector`](super::SeetaDetector) with feature `faces`, or a network
/// of your own.
#[cfg_attr(not(feature = "faces"), allow(rustdoc::broken_intra_doc_links))]
pub trait FaceDetector {
    /// The faces in `photo` [height, width, RGB], in its pixels, in any order; none is no error.
    ///
    /// # Errors
    /// When the detector fails.
    fn faces(&self, photo: &RgbImage) -> Result<Vec<FaceBox>, Error>;
}

/// What [`FaceBoxes::detect`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetectedFaces {
    /// The largest face of each photo with one.
    pub boxes: FaceBoxes,
    /// Names of the photos without a face.
    pub without: Vec<String>,
}

impl FaceBoxes {
    /// Looks for the largest face in each photo directly in `dir`. `observe` is given the number of photos done, that
    /// of all, and the name.
    ///
    /// ```
    /// use concepts::prepare::{FaceBox, FaceBoxes, FaceDetector};
    ///
    /// /// Takes the middle third for a face.
    /// struct Middle;
    /// impl FaceDetector for Middle {
    ///     fn faces(&self, photo: &image::RgbImage) -> Result<Vec<FaceBox>, concepts::Error> {
    ///         let [width, height] = [photo.width(), photo.height()].map(f64::from);
    ///         Ok(vec![[width / 3.0, height / 3.0, width / 3.0, height / 3.0].into()])
    ///     }
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// image::RgbImage::new(90, 60).save(dir.path().join("a.png"))?;
    /// let found = FaceBoxes::detect(dir.path(), &Middle, &|_, _, _| {})?;
    /// assert!(found.without.is_empty());
    /// found.boxes.write(&dir.path().join("boxes.json"))?; // for Crop::Face, and for prepare_photos --faces
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::MissingFolder`], [`Error::EmptyFolder`]; those of reading a photo, which name it; those of the
    /// detector.
    pub fn detect(
        dir: &Path,
        detector: &dyn FaceDetector,
        observe: &dyn Fn(usize, usize, &str),
    ) -> Result<DetectedFaces, Error> {
        let photos = files::image_files(dir)?;
        if photos.is_empty() {
            return Err(Error::EmptyFolder {
                path: dir.to_owned(),
            });
        }
        let mut found = DetectedFaces::default();
        for (index, path) in photos.iter().enumerate() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let faces = detector.faces(&files::read_image(path)?)?;
            let area = |face: &FaceBox| face.width * face.height;
            let largest = faces
                .into_iter()
                .filter(|face| area(face) > 0.0 && area(face).is_finite())
                .max_by(|a, b| area(a).total_cmp(&area(b)));
            match largest {
                Some(face) => found.boxes.insert(&name, face),
                None => found.without.push(name.clone().into_owned()),
            }
            observe(index + 1, photos.len(), &name);
        }
        Ok(found)
    }
}
