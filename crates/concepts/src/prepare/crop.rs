use std::collections::BTreeMap;
use std::path::Path;

use image_files::composed;
use resumable_runs::{read_json, write_json};
use serde::{Deserialize, Serialize};

use super::split::find_by_name;
use crate::{Error, suggest};

/// A face in a photo, in pixels from the upper left corner of the upright photo.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 4]", into = "[f64; 4]")]
pub struct FaceBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl From<[f64; 4]> for FaceBox {
    fn from([x, y, width, height]: [f64; 4]) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }
}

impl From<FaceBox> for [f64; 4] {
    fn from(face: FaceBox) -> Self {
        [face.x, face.y, face.width, face.height]
    }
}

/// Faces by photo: a JSON object `{"NAME.jpg": [x, y, width, height], ...}`, which is easily made from any detector's
/// output. The keys are file names or stems.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaceBoxes(BTreeMap<String, FaceBox>);

impl FaceBoxes {
    /// Reads the file.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be read or is not such an object, and [`Error::BadFaceBox`] if a box has no
    /// area or a number that is not finite.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let Self(boxes) = read_json(path)?;
        for (name, face) in &boxes {
            let values = <[f64; 4]>::from(*face);
            if !values.iter().all(|v| v.is_finite()) || face.width <= 0.0 || face.height <= 0.0 {
                return Err(Error::BadFaceBox {
                    path: path.to_owned(),
                    photo: name.clone(),
                });
            }
        }
        let boxes = boxes.into_iter();
        Ok(Self(
            boxes.map(|(name, face)| (composed(&name), face)).collect(),
        ))
    }

    /// Writes the file that [`read`](Self::read) reads.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_json(path, self)?)
    }

    /// The number of photos with a face.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no photo has a face.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, name: &str, face: FaceBox) {
        self.0.insert(composed(name), face);
    }

    /// The face in the file `name`.
    ///
    /// # Errors
    /// [`Error::NoFaceBox`] with similar names if there is none.
    pub(super) fn find(&self, name: &str) -> Result<FaceBox, Error> {
        find_by_name(&self.0, name)
            .copied()
            .ok_or_else(|| Error::NoFaceBox {
                photo: name.to_owned(),
                suggestions: suggest::nearest(name, self.0.keys().map(String::as_str)),
            })
    }
}

/// The square that is cut from a photo.
#[derive(Debug, Clone, PartialEq)]
pub enum Crop {
    /// The largest square in the middle.
    Centre,
    /// A square around the face.
    Face {
        /// The faces.
        boxes: FaceBoxes,
        /// Side of the square relative to the longer side of the face box. FFHQ's crops have about 1.8.
        margin: f64,
    },
}

impl Crop {
    /// Left, top and side of the square in a photo of `width` × `height` pixels. It always lies within the photo.
    pub(super) fn square(
        &self,
        name: &str,
        width: u32,
        height: u32,
    ) -> Result<(u32, u32, u32), Error> {
        let longest = width.min(height);
        match self {
            Self::Centre => Ok(((width - longest) / 2, (height - longest) / 2, longest)),
            Self::Face { boxes, margin } => {
                let face = boxes.find(name)?;
                let (x, y) = (face.x + face.width / 2.0, face.y + face.height / 2.0);
                if x < 0.0 || y < 0.0 || x > f64::from(width) || y > f64::from(height) {
                    return Err(Error::FaceOutside {
                        photo: name.to_owned(),
                        width,
                        height,
                    });
                }
                let side = (face.width.max(face.height) * margin).round();
                let side = side.clamp(1.0, f64::from(longest)) as u32;
                let place = |middle: f64, length: u32| {
                    let first = (middle - f64::from(side) / 2.0).round();
                    first.clamp(0.0, f64::from(length - side)) as u32
                };
                Ok((place(x, width), place(y, height), side))
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Face { margin, .. } if !(0.5..=10.0).contains(margin) => {
                Err(Error::BadMargin { margin: *margin })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Centre => "centre",
            Self::Face { .. } => "face",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(values: [f64; 4], margin: f64) -> Crop {
        let boxes = FaceBoxes([("a".to_owned(), values.into())].into());
        Crop::Face { boxes, margin }
    }

    #[test]
    fn squares() {
        let square = |crop: Crop| crop.square("a.jpg", 200, 100).unwrap();
        assert_eq!(square(Crop::Centre), (50, 0, 100));
        assert_eq!(square(face([90.0, 40.0, 20.0, 10.0], 2.0)), (80, 25, 40));
        // Pushed back into the photo, and no larger than it.
        assert_eq!(square(face([0.0, 0.0, 20.0, 20.0], 2.0)), (0, 0, 40));
        assert_eq!(square(face([190.0, 90.0, 10.0, 10.0], 4.0)), (160, 60, 40));
        assert_eq!(square(face([10.0, 10.0, 90.0, 90.0], 9.0)), (5, 0, 100));
        assert!(
            face([300.0, 0.0, 5.0, 5.0], 2.0)
                .square("a.jpg", 200, 100)
                .is_err()
        );
        assert!(Crop::square(&face([0.0; 4], 2.0), "b.jpg", 9, 9).is_err());
    }
}
