//! One training: what it is of, what was asked of it, and what there is to see.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use denoised_weights::Error;
use tokio::sync::watch;

use super::files::{Files, Pictures, Record, Spec};
use super::locked;
use super::progress::{Curves, Shown, State};
use crate::refusal::{Refusal, Result, failed};

/// A training that handlers, followers and the worker share.
pub(crate) struct Run {
    id: u32,
    pub(super) files: Files,
    spec: Spec,
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
}

struct Inner {
    state: State,
    /// What a running training shall become.
    asked: Option<State>,
    error: Option<String>,
    step: Option<(usize, usize)>,
    curves: Curves,
    pictures: Pictures,
}

impl Run {
    pub(super) fn new(
        id: u32,
        files: Files,
        record: Record,
        curves: Curves,
        pictures: Pictures,
    ) -> Self {
        Self {
            id,
            files,
            spec: record.spec,
            inner: Mutex::new(Inner {
                state: record.state,
                asked: None,
                error: record.error,
                step: None,
                curves,
                pictures,
            }),
            version: watch::Sender::new(1),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.files.dir
    }

    /// The adapter after the last finished epoch, if there is one.
    pub(crate) fn adapter(&self) -> Option<PathBuf> {
        Some(self.files.adapter()).filter(|path| path.exists())
    }

    pub(crate) fn report(&self) -> Option<PathBuf> {
        Some(self.files.report()).filter(|path| path.exists())
    }

    pub(crate) fn is_waiting(&self) -> bool {
        locked(&self.inner).state == State::Waiting
    }

    pub(crate) fn is_running(&self) -> bool {
        locked(&self.inner).state == State::Running
    }

    /// The versions of [`Run::shown`]; the channel closes with the training's removal.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Tells followers that the training is gone.
    pub(super) fn forget(&self) {
        self.version.send_replace(u64::MAX);
    }

    /// A picture as PNG.
    pub(crate) fn picture(&self, column: &str, index: usize) -> Option<Vec<u8>> {
        let inner = locked(&self.inner);
        inner.pictures.get(column)?.get(index).cloned()
    }

    pub(crate) fn shown(&self) -> Shown {
        let inner = locked(&self.inner);
        let done = |name: &str| {
            let points = inner.curves.get(name).map(|curve| &curve.points);
            let last = points.and_then(|points| points.last());
            last.map_or(0, |point| point.epoch as usize)
        };
        Shown {
            id: self.id,
            prompt: self.spec.prompt.clone(),
            state: inner.state,
            pairs: self.spec.pairs,
            epochs: self.spec.epochs,
            epochs_done: done("auto"),
            rival: self.spec.rival,
            error: inner.error.clone(),
            step: inner.step,
            curves: inner.curves.clone(),
            pictures: (inner.pictures.iter())
                .map(|(column, pictures)| (column.clone(), pictures.len()))
                .collect(),
            version: *self.version.borrow(),
            command: crate::api::training_command(&self.spec, &self.files.pairs()),
            has_adapter: self.adapter().is_some(),
            has_report: self.report().is_some(),
        }
    }

    /// Asks for another state: `Paused`, `Stopped`, or `Waiting` after a pause.
    pub(crate) fn ask(&self, wanted: State) -> Result<()> {
        let mut inner = locked(&self.inner);
        match (inner.state, wanted) {
            (State::Running, State::Paused | State::Stopped) => inner.asked = Some(wanted),
            (State::Waiting, State::Paused | State::Stopped)
            | (State::Paused, State::Stopped | State::Waiting)
            | (State::Failed, State::Waiting) => {
                inner.state = wanted;
                inner.error = None;
                let record = self.record(&inner);
                drop(inner);
                let saved = self.files.save_record(&record);
                saved.map_err(failed("the training's state cannot be saved"))?;
            }
            (state, _) => {
                return Err(Refusal::impossible(format!(
                    "the training is {state:?} by now; reload the page"
                )));
            }
        }
        self.changed();
        Ok(())
    }

    fn record(&self, inner: &Inner) -> Record {
        Record {
            spec: self.spec.clone(),
            state: inner.state,
            error: inner.error.clone(),
        }
    }

    // What follows is the worker's.

    /// Takes the training up if it waits.
    pub(super) fn begin(&self) -> bool {
        let mut inner = locked(&self.inner);
        if inner.state != State::Waiting {
            return false;
        }
        inner.state = State::Running;
        inner.asked = None;
        drop(inner);
        self.changed();
        true
    }

    /// What a running training shall become instead.
    pub(super) fn asked(&self) -> Option<State> {
        locked(&self.inner).asked
    }

    /// Ends a run. The record is written before anyone sees the state.
    pub(super) fn end(&self, state: State, error: Option<String>) {
        let record = Record {
            spec: self.spec.clone(),
            state,
            error: error.clone(),
        };
        let saved = self.files.save_record(&record);
        let mut inner = locked(&self.inner);
        inner.state = state;
        inner.asked = None;
        inner.step = None;
        inner.error = error.or_else(|| saved.err().map(|error| error.to_string()));
        drop(inner);
        self.changed();
    }

    pub(super) fn curves(&self) -> Curves {
        locked(&self.inner).curves.clone()
    }

    pub(super) fn set_curves(&self, curves: Curves) {
        locked(&self.inner).curves = curves;
        self.changed();
    }

    pub(super) fn set_step(&self, done: usize, total: usize) {
        locked(&self.inner).step = Some((done, total));
        self.changed();
    }

    pub(super) fn set_pictures(
        &self,
        column: &str,
        pictures: Vec<Vec<u8>>,
    ) -> std::result::Result<(), Error> {
        self.files.save_pictures(column, &pictures)?;
        let mut inner = locked(&self.inner);
        inner.pictures.insert(column.to_owned(), pictures);
        drop(inner);
        self.changed();
        Ok(())
    }
}
