//! Text concepts and the edits that stand for them.
//!
//! A *concept* is a short text such as "teal charcoal sketch". [`art_concepts`] lists 360 of them, each with a chain of
//! classical image filters ([`Op`]) that edits a photo in that manner, and with its place in a fixed split into train,
//! validation and test concepts.
//!
//! ```
//! use concepts::{ClassicalEditor, ImageEditor, Pair, Split, art_concepts, find, read_pairs, write_pairs};
//!
//! // A synthetic photo; concepts::read_photos(dir, 64) reads crops of your own.
//! let photo = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([4 * x as u8, 4 * y as u8, 128]));
//!
//! let concepts = art_concepts();
//! let concept = find(&concepts, "charcoal-sketch")?;
//! let edited = concept.apply(&photo);
//! assert_eq!(edited.dimensions(), photo.dimensions());
//!
//! // The same through the trait that diffusion servers implement as well, from the text alone.
//! let editor = ClassicalEditor::default();
//! assert_eq!(editor.edit(&photo, "charcoal sketch", 0)?, edited);
//!
//! // A folder of pairs, in the layout that image translators train on.
//! let dir = tempfile::tempdir()?;
//! let pairs = [Pair { name: "first".to_owned(), input: photo, target: edited }];
//! write_pairs(dir.path(), &pairs)?;
//! assert_eq!(read_pairs(dir.path(), 64)?, pairs);
//!
//! // What the models never saw.
//! assert_eq!(concepts.iter().filter(|c| c.split == Split::Test).count(), 26);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | task | items |
//! | --- | --- |
//! | the shipped concepts, your own | [`art_concepts`], [`find`], [`read_concepts`], [`Concept`], [`Split`] |
//! | endless concepts, drawn from a grammar | [`grammar`] |
//! | an edit of your own | [`Op`], [`ops`] |
//! | edit by prompt | [`ImageEditor`], [`ClassicalEditor`] |
//! | photos | [`read_photos`], [`read_photo`], [`split_by_source`], [`Photo`], [`PhotoSplit`] |
//! | folders of pairs | [`read_pairs`], [`write_pairs`], [`read_pair_splits`], [`Pair`], [`PairSplits`] |
//! | pix2pix's aligned files, WebDataset | [`pairs`] |
//! | photos of your own: crop, split, manifest | [`prepare`] |
//! | single images with limits, lists of image files | [`images`] |
//!
//! Images are [`image::RgbImage`]: no tensors, no alpha channel (transparent pixels are laid over white), in sRGB (images with
//! another colour profile are converted). JPEG, PNG and WebP files are read, up to 16,384 pixels a side and 512 MiB decoded;
//! errors name the file, also if it was cut short.
//!
//! Edits are deterministic: they draw no random numbers and add no grain. What a filter adds depends only on the photo and
//! the place in it, so a network can learn it under an L1 loss. Radii and periods are given for 64-pixel images and grow
//! with the image. Edits do not compete with diffusion models: they need no download, and their right answer is known. No
//! function panics on any input.
//!
//! Photo preparation lives here, in [`prepare`], because it shares the image limits, the split and the naming of
//! photographs with the rest. Its face detector (feature `faces`, on by default) comes without its model.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod catalogue;
mod concept;
mod editor;
mod error;
pub mod grammar;
pub mod images;
pub mod ops;
pub mod pairs;
mod photos;
pub mod prepare;
pub mod random;
mod suggest;

pub use catalogue::art_concepts;
pub use concept::{Concept, Split, find, read_concepts};
pub use editor::{ClassicalEditor, ImageEditor};
pub use error::Error;
pub use ops::Op;
pub use pairs::{Pair, PairSplits, read_pair_splits, read_pairs, write_pairs};
pub use photos::{Photo, PhotoSplit, read_photo, read_photos, split_by_source};
pub use resumable_runs::Error as FileError;
