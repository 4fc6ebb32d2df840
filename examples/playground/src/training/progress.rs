//! How far a training is, for pages that follow it.

use std::collections::BTreeMap;

use denoised_weights::comparison::Measurement;
use serde::{Deserialize, Serialize};

/// What becomes of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// For its turn.
    Waiting,
    Running,
    /// Until someone lets it go on.
    Paused,
    /// Ended before its last epoch, for good.
    Stopped,
    Finished,
    Failed,
}

/// The measurements of one method.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// Seconds that the start took.
    pub(crate) predict_seconds: f64,
    /// L2 norm of the starting weights.
    pub(crate) start_norm: f64,
    /// The start that was chosen.
    #[serde(default)]
    pub(crate) origin: Option<String>,
    pub(crate) points: Vec<Measurement>,
}

/// The curves by method: `auto`, and `zero` for E²GAN.
pub(crate) type Curves = BTreeMap<String, Curve>;

/// A training as a page shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shown {
    pub(crate) id: u32,
    pub(crate) prompt: String,
    pub(crate) state: State,
    pub(crate) pairs: usize,
    pub(crate) epochs: usize,
    pub(crate) epochs_done: usize,
    pub(crate) rival: bool,
    /// Trainings before this one.
    pub(crate) error: Option<String>,
    /// Steps of the running epoch, of how many.
    pub(crate) step: Option<(usize, usize)>,
    pub(crate) curves: Curves,
    /// Pictures per column; they are at `images/COLUMN/N`.
    pub(crate) pictures: BTreeMap<String, usize>,
    /// Grows with each change; part of the pictures' addresses.
    pub(crate) version: u64,
    pub(crate) command: String,
    pub(crate) has_adapter: bool,
    pub(crate) has_report: bool,
}
