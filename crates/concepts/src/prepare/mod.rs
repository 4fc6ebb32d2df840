//! From a folder of photos to square crops, split by person or photograph, with a manifest.
//!
//! This lives beside the catalogue because it shares its image limits, its [`Split`](crate::Split), its seeded shuffle and
//! its naming of photographs (`NAME-NN`), and because [`read_photos`](crate::read_photos) reads what it writes.
//!
//! ```
//! use concepts::prepare::*;
//!
//! let dir = tempfile::tempdir()?;
//! let (photos, out) = (dir.path().join("photos"), dir.path().join("prepared"));
//! std::fs::create_dir(&photos)?;
//! for i in 0..10u8 {
//!     image::RgbImage::from_fn(96, 80, |x, y| image::Rgb([x as u8, y as u8, 20 * i]))
//!         .save(photos.join(format!("{i}.png")))?;
//! }
//!
//! let settings = PrepareSettings { size: 64, ..PrepareSettings::default() };
//! let plan = plan(&photos, &settings)?; // nothing is decoded or written yet
//! let manifest = prepare(&plan, &out, &settings, &|_, _| {})?;
//! assert_eq!(manifest.photos.len(), 10);
//! assert_eq!(concepts::read_photos(&out.join("train"), 64)?.len(), 8); // 80 %
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod crop;
mod faces;
mod manifest;
mod photos;
#[cfg(feature = "faces")]
mod seeta;
mod split;

pub use crop::{Crop, FaceBox, FaceBoxes};
pub use faces::{DetectedFaces, FaceDetector};
pub use manifest::{Manifest, PreparedPhoto};
pub use photos::{PlannedPhoto, PrepareSettings, plan, prepare};
#[cfg(feature = "faces")]
pub use seeta::SeetaDetector;
pub use split::{Fractions, Grouping, Identities};
