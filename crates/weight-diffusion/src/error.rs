//! What can go wrong.

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration value that cannot work.
    #[error("configuration: {field}: {why}")]
    Config {
        /// Which field.
        field: &'static str,
        /// What is wrong, and what would do.
        why: String,
    },
    /// A file or folder that could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A JSON file that is not what it should be.
    #[error("{path}: not a valid configuration ({source}); was the file cut off?")]
    Json {
        /// Which file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A weight file that is truncated, or whose tensors do not fit the configuration.
    #[error("{path}: {why}; the checkpoint is damaged or belongs to another configuration")]
    Checkpoint {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A checkpoint of a newer or older format.
    #[error("{path}: format version {found}, this build reads {expected}")]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version this build reads.
        expected: u32,
    },
    /// The prompt's tokens do not come from the encoder the model was trained with.
    #[error(
        "the weight generator was trained with text encoder {expected}, not {found}; use that encoder or train again"
    )]
    TextEncoder {
        /// What the checkpoint records.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The weights belong to another model layout.
    #[error("the weight generator makes weights for layout {expected}, not {found}")]
    Layout {
        /// What the checkpoint records.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Tensors or host arrays whose sizes do not agree.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which input.
        what: &'static str,
        /// The size needed.
        expected: String,
        /// The size given.
        found: String,
    },
    /// A data set without anything to learn from.
    #[error("the data set is empty: {why}")]
    EmptyDataset {
        /// What is missing.
        why: &'static str,
    },
    /// The loss, or the norm of its gradient, is no number any more.
    #[error(
        "the {what} became {value} at step {step} (learning rate {learning_rate}), and `{layer}` holds {found}; lower the learning rate or look for non-finite weights in the zoo. A state saved before is as it was"
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// Loss, gradient norm or weights.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The first parameter that holds a value that is no number, or whose gradient does; where there is none, the
        /// one with the largest value.
        layer: String,
        /// That value.
        found: f64,
        /// The learning rate at that step.
        learning_rate: f64,
    },
    /// The device could not give values back.
    #[error(
        "reading {what} from the device: {why}; see that it, or the server it is on, still runs, and go on from the last saved state"
    )]
    Device {
        /// What was read.
        what: &'static str,
        /// The backend's reason.
        why: String,
    },
    /// A device that was to compute a part of a batch.
    #[error(
        "device {index} of `with_devices` failed in its part of the batch ({why}); no step was taken: check it, or the server it is on, and go on from the last saved state, with or without it ({device})"
    )]
    DeviceFailed {
        /// Which of [`Trainer::with_devices`](crate::Trainer::with_devices), from 0.
        index: usize,
        /// As Burn writes it.
        device: String,
        /// What it said.
        why: String,
    },
    /// A [`NetworkLoss`](crate::NetworkLoss) that failed.
    #[error("the loss on predicted weights at step {step}: {source}")]
    NetworkLoss {
        /// The step, from 1.
        step: u64,
        /// Why.
        source: crate::LossError,
    },
    /// A prompt that could not be encoded.
    #[error("encoding the prompt `{prompt}`: {source}")]
    Text {
        /// The prompt.
        prompt: String,
        /// Why.
        source: crate::LossError,
    },
    /// Blocks, layouts or named tensors.
    #[error(transparent)]
    Blocks(#[from] weight_blocks::Error),
}

impl Error {
    pub(crate) fn config(field: &'static str, why: impl Into<String>) -> Self {
        Self::Config {
            field,
            why: why.into(),
        }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn checkpoint(path: &Path, why: impl ToString) -> Self {
        Self::Checkpoint {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }

    /// Two layouts as (name, digest).
    pub(crate) fn layout(expected: (&str, &str), found: (&str, &str)) -> Self {
        let show = |(name, digest): (&str, &str)| {
            format!("`{name}` ({})", digest.get(..12).unwrap_or(digest))
        };
        Self::Layout {
            expected: show(expected),
            found: show(found),
        }
    }

    pub(crate) fn shape(what: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Shape {
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
