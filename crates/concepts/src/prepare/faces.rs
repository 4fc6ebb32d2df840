use std::path::Path;

use image::RgbImage;
use image_files::file_name;

use super::crop::{FaceBox, FaceBoxes};
use crate::{Error, images};

/// Something that finds faces in a photo: [`SeetaDetector`](super::SeetaDetector) with feature `faces`, or a network of
/// your own.
#[cfg_attr(not(feature = "faces"), allow(rustdoc::broken_intra_doc_links))]
pub trait FaceDetector {
    /// The faces in `photo` [height, width, RGB], in its pixels, in any order. A photo without a face is not an error.
    ///
    /// # Errors
    /// Returns an error if the detector fails.
    fn faces(&self, photo: &RgbImage) -> Result<Vec<FaceBox>, Error>;
}

/// The faces that [`FaceBoxes::detect`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetectedFaces {
    /// The largest face of each photo that has one.
    pub boxes: FaceBoxes,
    /// Names of the photos without a face.
    pub without: Vec<String>,
}

impl FaceBoxes {
    /// Finds the largest face in each photo directly in `dir`. `observe` gets the number of photos done, the number of all
    /// photos, and the name of the last one.
    ///
    /// ```
    /// use concepts::prepare::{FaceBox, FaceBoxes, FaceDetector};
    ///
    /// /// Takes the middle third to be a face.
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
    /// found.boxes.write(&dir.path().join("boxes.json"))?; // for Crop::Face
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`Error::MissingFolder`], [`Error::EmptyFolder`], [`Error::OnlyUnread`], [`Error::Image`], which names the
    /// photo, and the detector's errors.
    pub fn detect(
        dir: &Path,
        detector: &dyn FaceDetector,
        observe: &dyn Fn(usize, usize, &str),
    ) -> Result<DetectedFaces, Error> {
        let photos = images::image_files(dir)?;
        if photos.is_empty() {
            return Err(Error::EmptyFolder {
                path: dir.to_owned(),
            });
        }
        let mut found = DetectedFaces::default();
        for (index, path) in photos.iter().enumerate() {
            let name = file_name(path)?;
            let faces = detector.faces(&images::read_image(path)?)?;
            let area = |face: &FaceBox| face.width * face.height;
            let largest = faces
                .into_iter()
                .filter(|face| area(face) > 0.0 && area(face).is_finite())
                .max_by(|a, b| area(a).total_cmp(&area(b)));
            match largest {
                Some(face) => found.boxes.insert(name, face),
                None => found.without.push(name.to_owned()),
            }
            observe(index + 1, photos.len(), name);
        }
        Ok(found)
    }
}
