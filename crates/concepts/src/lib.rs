//! Text concepts and the edits that stand for them.
//!
//! A *concept* is a short text such as "teal charcoal sketch". [`art_concepts`] lists 360 of them, each with a
//! chain of classical image filters ([`Op`]) that edits a photo in that manner, and with its place in a fixed split
//! into train, validation and test concepts.
//!
//! ```
//! use concepts::{ClassicalEditor, ImageEditor, Pair, Split, art_concepts, find, read_pairs, write_pairs};
//!
//! // A photo: in earnest, concepts::read_photos(dir, 64) gives crops of your own.
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
//! | the shipped concepts, your own | [`art_concepts`], [`find`], [`read_concepts`], [`Concept`], [`Split`], [`SPLIT_SEED`] |
//! | an edit of your own | [`Op`], [`Screen`], [`Texture`] |
//! | edit by prompt | [`ImageEditor`], [`ClassicalEditor`] |
//! | photos | [`read_photos`], [`split_by_source`], [`Photo`], [`PhotoSplit`] |
//! | folders of pairs | [`read_pairs`], [`write_pairs`], [`read_pair_splits`], [`Pair`], [`PairSplits`] |
//! | pix2pix's aligned files, WebDataset | [`read_aligned`], [`write_aligned`], [`prepare::PairLayout`], [`prepare::ShardWriter`] |
//! | photos of your own: crop, split, manifest | [`prepare`] |
//! | many photos, several editors, the best one | [`editing`] |
//! | diffusion models behind servers | `http` (feature `http`) |
//! | a data set of prompts | [`prompts`] |
//!
//! Edits are deterministic, draw no random numbers and add no grain: what a filter adds can be told from the photo and
//! the place in it, so a network can learn it under an L1 loss. Radii and periods are given for 64-pixel images and
//! grow with the image. No function panics on any input.
//!
//! # Features
//!
//! `faces` (on by default) brings a detector of frontal faces, `prepare::SeetaDetector`, without its model.
//!
//! `http` (off by default) brings the clients: AUTOMATIC1111/Forge, ComfyUI, Hugging Face's image-to-image API, and
//! OpenAI-compatible chat and embedding servers. Without it nothing here knows of a network.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod aligned;
mod catalogue;
mod concept;
pub mod editing;
mod editor;
mod error;
mod files;
#[cfg(feature = "http")]
pub mod http;
mod ops;
mod pairs;
mod parallel;
mod photos;
pub mod prepare;
pub mod prompts;
mod random;
mod server_error;
mod store;
mod suggest;

pub use aligned::{Aligned, read_aligned, write_aligned};
pub use catalogue::{SPLIT_SEED, TEST_CONCEPTS, VALIDATION_CONCEPTS, art_concepts};
pub use concept::{Concept, Split, find, read_concepts};
pub use editor::{ClassicalEditor, ImageEditor};
pub use error::Error;
pub use files::{MAX_DECODED_BYTES, MAX_SIDE};
pub use ops::{Op, Screen, Texture};
pub use pairs::{Pair, PairSplits, read_pair_splits, read_pairs, write_pairs};
pub use photos::{Photo, PhotoSplit, read_photos, split_by_source};
pub use server_error::ServerError;
