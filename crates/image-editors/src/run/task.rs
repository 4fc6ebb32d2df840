use std::time::Duration;

use concepts::Photo;
use image::RgbImage;

use crate::Error;

/// A photo with the name of its edits.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedImage {
    /// A file's stem; see [`check_name`](concepts::pairs::check_name) for what it may be.
    pub name: String,
    /// The pixels [height, width, RGB].
    pub image: RgbImage,
}

impl From<Photo> for NamedImage {
    fn from(photo: Photo) -> Self {
        Self {
            name: photo.name(),
            image: photo.image,
        }
    }
}

/// A concept that photos are edited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditConcept {
    /// A short name for its folder.
    pub name: String,
    /// The text that the editors get.
    pub prompt: String,
}

/// How an [`EditRun`](super::EditRun) works.
#[derive(Debug, Clone, PartialEq)]
pub struct EditSettings {
    /// The seed from which the edits' seeds are derived.
    pub seed: u64,
    /// Edits in progress at a time, over all editors. Default: 2.
    pub workers: usize,
    /// The shortest time between the starts of two edits. Default: none.
    pub interval: Duration,
    /// Failed edits in a row that end the run. Each has been tried as often as its editor tries. Default: 8.
    pub max_failures: usize,
}

impl Default for EditSettings {
    fn default() -> Self {
        Self {
            seed: 0,
            workers: 2,
            interval: Duration::ZERO,
            max_failures: 8,
        }
    }
}

/// The work that a run has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EditPlan {
    /// Existing edits whose record matches the task.
    pub done: usize,
    /// Edits to make.
    pub todo: usize,
    /// Those of them that replace an edit with another prompt, seed, photo or parameters.
    pub stale: usize,
    /// Mean time of the existing edits, in seconds.
    pub seconds_per_edit: Option<f64>,
    pub(super) workers: usize,
}

impl EditPlan {
    /// The time that the run will take, in seconds, if earlier edits or `seconds_per_edit` tell.
    pub fn seconds(&self, seconds_per_edit: Option<f64>) -> Option<f64> {
        let each = seconds_per_edit.or(self.seconds_per_edit)?;
        Some(each * self.todo as f64 / self.workers.max(1) as f64)
    }

    /// What the run will cost at a price per edit. A lower bound, since attempts without an answer may be charged.
    pub fn cost(&self, per_edit: f64) -> f64 {
        per_edit * self.todo as f64
    }
}

/// A failed edit.
#[derive(Debug)]
pub struct EditFailure {
    /// The concept's name.
    pub concept: String,
    /// The photo's name.
    pub photo: String,
    /// The editor's name.
    pub editor: String,
    /// What happened.
    pub error: Error,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct EditSummary {
    /// Edits that existed before.
    pub kept: usize,
    /// Edits made.
    pub made: usize,
    /// Edits that failed. The next run tries them again.
    pub failures: Vec<EditFailure>,
    /// Edits that were not begun because [`EditSettings::max_failures`] was reached.
    pub skipped: usize,
}

/// Progress of a run.
#[derive(Debug, Clone, Copy)]
pub struct EditEvent<'a> {
    /// Edits that are done.
    pub done: usize,
    /// All edits.
    pub total: usize,
    /// The concept of the edit that ended.
    pub concept: &'a str,
    /// Its photo.
    pub photo: &'a str,
    /// Its editor.
    pub editor: &'a str,
    /// Why it failed, if it did.
    pub error: Option<&'a Error>,
}
