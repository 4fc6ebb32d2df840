use std::time::Duration;

use image::RgbImage;

use crate::{Error, Photo, files};

/// A photo with the name that its edits get.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedImage {
    /// A file's stem; see [`write_pairs`](crate::write_pairs) for what it may be.
    pub name: String,
    /// The pixels [height, width, RGB].
    pub image: RgbImage,
}

impl From<Photo> for NamedImage {
    fn from(photo: Photo) -> Self {
        Self {
            name: files::stem(&photo.path),
            image: photo.image,
        }
    }
}

/// A concept to edit for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditConcept {
    /// A short name for its folder.
    pub name: String,
    /// What the editors are given.
    pub prompt: String,
}

/// How an [`EditRun`](super::EditRun) works.
#[derive(Debug, Clone, PartialEq)]
pub struct EditSettings {
    /// Seed of the edits' seeds.
    pub seed: u64,
    /// Edits under way at a time, over all editors. Default: 2.
    pub workers: usize,
    /// Shortest time between the beginnings of two edits. Default: none.
    pub interval: Duration,
    /// Edits that may fail, one after another, before the run ends; each has been tried as often as its editor
    /// tries. Default: 8.
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

/// What a run has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EditPlan {
    /// Edits that are there, with a record that fits.
    pub done: usize,
    /// Edits to make.
    pub todo: usize,
    /// Those among them that are there with another prompt, seed, photo or other parameters, and are replaced.
    pub stale: usize,
    /// Mean time of the edits that are there.
    pub seconds_per_edit: Option<f64>,
    pub(super) workers: usize,
}

impl EditPlan {
    /// The time the run will take, where earlier edits, or `seconds_per_edit`, tell.
    pub fn seconds(&self, seconds_per_edit: Option<f64>) -> Option<f64> {
        let each = seconds_per_edit.or(self.seconds_per_edit)?;
        Some(each * self.todo as f64 / self.workers.max(1) as f64)
    }

    /// What the run will cost at a price per edit; a lower bound, since attempts without an answer may be charged.
    pub fn cost(&self, per_edit: f64) -> f64 {
        per_edit * self.todo as f64
    }
}

/// An edit that no attempt made.
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

/// What a run did.
#[derive(Debug, Default)]
pub struct EditSummary {
    /// Edits that were there.
    pub kept: usize,
    /// Edits made.
    pub made: usize,
    /// Edits that failed; the next run tries them again.
    pub failures: Vec<EditFailure>,
    /// Edits that were not begun, since [`EditSettings::max_failures`] were reached.
    pub skipped: usize,
}

/// Progress of a run.
#[derive(Debug, Clone, Copy)]
pub struct EditEvent<'a> {
    /// Edits that are there.
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
