use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use resumable_runs::workers::{Pace, lock};

use super::edit_run::{EditRun, Task};
use super::task::{EditEvent, EditFailure, EditSummary};
use crate::Error;

/// The state that the threads of a run share.
pub(super) struct Attempts<'a> {
    run: &'a EditRun<'a>,
    total: usize,
    kept: usize,
    done: AtomicUsize,
    failures_in_a_row: AtomicUsize,
    /// Set when no further edit shall begin.
    pub(super) stop: AtomicBool,
    /// The error that ends the run.
    fatal: Mutex<Option<Error>>,
    pace: Pace,
}

impl<'a> Attempts<'a> {
    /// `kept` of `total` edits exist already.
    pub(super) fn new(run: &'a EditRun<'a>, total: usize, kept: usize) -> Self {
        Self {
            run,
            total,
            kept,
            done: AtomicUsize::new(kept),
            failures_in_a_row: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            fatal: Mutex::new(None),
            pace: Pace::new(run.settings.interval),
        }
    }

    /// Makes one edit. Returns its failure, if the editor failed.
    pub(super) fn attempt(
        &self,
        task: Task,
        observe: &(dyn Fn(EditEvent<'_>) + Sync),
    ) -> Option<EditFailure> {
        self.pace.wait();
        let error = match self.run.make(task) {
            Ok(()) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                self.failures_in_a_row.store(0, Ordering::Relaxed);
                None
            }
            Err(error @ (Error::File(_) | Error::Image(concepts::Error::Encode { .. }))) => {
                // The disk is full or read-only, so every further edit would be lost.
                self.stop.store(true, Ordering::Relaxed);
                lock(&self.fatal).get_or_insert(error);
                return None;
            }
            Err(error) => {
                let failures = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
                if failures >= self.run.settings.max_failures.max(1) {
                    self.stop.store(true, Ordering::Relaxed);
                }
                Some(error)
            }
        };
        let concept = &self.run.concepts[task.concept].name;
        let photo = &self.run.photos[task.photo].name;
        let editor = self.run.editors[task.editor].name();
        observe(EditEvent {
            done: self.done.load(Ordering::Relaxed),
            total: self.total,
            concept,
            photo,
            editor,
            error: error.as_ref(),
        });
        error.map(|error| EditFailure {
            concept: concept.clone(),
            photo: photo.clone(),
            editor: editor.to_owned(),
            error,
        })
    }

    /// The summary of all attempts; `None` among `results` stands for an edit that was not begun.
    pub(super) fn summary(
        self,
        results: Vec<Option<Option<EditFailure>>>,
    ) -> Result<EditSummary, Error> {
        if let Some(error) = lock(&self.fatal).take() {
            return Err(error);
        }
        let skipped = results.iter().filter(|result| result.is_none()).count();
        Ok(EditSummary {
            kept: self.kept,
            made: self.done.load(Ordering::Relaxed) - self.kept,
            failures: results.into_iter().flatten().flatten().collect(),
            skipped,
        })
    }
}
