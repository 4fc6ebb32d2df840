//! Scores that say how good an edit is.

#[cfg(feature = "clip")]
mod clip;
mod direction;
mod no_reference;

use image::RgbImage;

#[cfg(feature = "clip")]
pub use clip::{ClipError, ClipScore};
pub use direction::Direction;
pub use no_reference::NoReference;

use crate::Error;

/// How good an edit is; the edit with the highest score is chosen, or the editor with the highest mean (see
/// [`Choice`](crate::run::Choice)).
pub trait QualityScore {
    /// A short name for reports.
    fn name(&self) -> &str;

    /// The score of `edited`, which an editor made from `photo` for `prompt`. Higher is better.
    ///
    /// # Errors
    /// Returns an error if a network that the score needs fails.
    fn score(&self, photo: &RgbImage, edited: &RgbImage, prompt: &str) -> Result<f64, Error>;
}
