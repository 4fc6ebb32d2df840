//! What can go wrong.

use std::path::{Path, PathBuf};

use burn::tensor::TensorReadError;

use crate::train::LossError;
use crate::unet::ComputePrecision;

/// Errors of this crate. Those about files concern a [`WeightGenerator`](crate::WeightGenerator), which may have come from
/// elsewhere, or a training's state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot work.
    #[error("`{field}` is {value}, but must be {requirement}")]
    Config {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// The values that work.
        requirement: String,
    },
    /// The device does not compute in a precision.
    #[error("{device} does not compute in {precision:?}; use F32")]
    UnsupportedPrecision {
        /// The precision asked for.
        precision: ComputePrecision,
        /// The device, as Burn writes it.
        device: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A JSON file is damaged, or not of this crate.
    #[error("{}: not valid ({source}); was the file truncated? Restore it, or train again in a new folder", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A file has a newer or older format.
    #[error("{}: format version {found}, but this build reads {expected}; use the build that wrote it, or train again in a new folder", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version this build reads.
        expected: u32,
    },
    /// A weight file is not the one that its configuration was written with.
    #[error(
        "{}: its SHA-256 is {found}, not {expected} as recorded in the JSON file beside it; one of the two is damaged or from another save: restore both from one copy, or train again in a new folder",
        path.display()
    )]
    Digest {
        /// The weight file.
        path: PathBuf,
        /// The digest recorded.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// A tensor is missing from a weight file.
    #[error("{}: tensor `{name}` is missing; the file belongs to another configuration: restore it and its JSON file from one copy, or train again in a new folder", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor of a training state does not have one value per weight of the network.
    #[error("{}: tensor `{name}` has {found} values, but the network has {expected}; restore the state's files from one copy, or remove their folder to train again", path.display())]
    TensorLength {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Number of weights of the network.
        expected: usize,
        /// Number of values of the tensor.
        found: usize,
    },
    /// The tensors of a weight file do not fit the network of its configuration.
    #[error("{}: {source}; the file is damaged or belongs to another configuration", path.display())]
    Misfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: Box<weight_blocks::Error>,
    },
    /// A configuration describes a network that is too large for the weight file beside it.
    #[error("{}: has {bytes} bytes, too few for a network of {values} values; it is truncated, or the configuration beside it is damaged", path.display())]
    NetworkTooLarge {
        /// The weight file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Number of values of the network.
        values: u128,
    },
    /// A configuration describes a layout out of proportion to the weight file beside it.
    #[error("{}: has {bytes} bytes, too few for a network that predicts {weights} weights; it is truncated, or the configuration beside it is damaged", path.display())]
    LayoutTooLarge {
        /// The weight file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Number of weights of the layout.
        weights: usize,
    },
    /// A training state names a tensor file outside its folder.
    #[error("{}: `{name}` is not the name of a file in this folder", path.display())]
    FileName {
        /// The state's JSON file.
        path: PathBuf,
        /// What it gives as the name.
        name: String,
    },
    /// A training state was left by a trainer with another objective.
    #[error(
        "{}: a `{found}` left this state; resume it with that, or hand its model to a new `{expected}` (`from_model`)",
        path.display()
    )]
    OtherTrainer {
        /// The state's JSON file.
        path: PathBuf,
        /// The trainer that wrote it.
        found: &'static str,
        /// The trainer that was to resume it.
        expected: &'static str,
    },
    /// A training state belongs to another data set.
    #[error(
        "{}: this state was trained on a data set with {expected}, not {found}; resume it on that one, or hand its model to a new trainer (`from_model`)",
        path.display()
    )]
    OtherData {
        /// The state's JSON file.
        path: PathBuf,
        /// The first thing that differs, as it was in training.
        expected: String,
        /// The same of the data set given.
        found: String,
    },
    /// A NaN or infinite weight was to be stored.
    #[error("{}: not written, because tensor `{name}` holds {value}", path.display())]
    NotStorable {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its first NaN or infinite value.
        value: f32,
    },
    /// The prompt's tokens do not come from the text encoder that the generator was trained with.
    #[error(
        "the weight generator was trained with text encoder {expected}, not {found}; use that encoder or train again"
    )]
    TextEncoder {
        /// The encoder that the generator was trained with.
        expected: String,
        /// The encoder given.
        found: String,
    },
    /// The weights belong to another model layout.
    #[error("expected weights of layout {expected}, found {found}")]
    Layout {
        /// The layout needed, with its digest.
        expected: String,
        /// The layout given.
        found: String,
    },
    /// Sizes of tensors or host arrays do not agree.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which input.
        what: &'static str,
        /// The size needed.
        expected: String,
        /// The size given.
        found: String,
    },
    /// There is nothing to learn from.
    #[error("the data set has no {missing}; collect some first")]
    EmptyDataset {
        /// What is missing.
        missing: &'static str,
    },
    /// A network of a data set holds a NaN or infinite weight.
    #[error("weight {index} of entry {entry} is {value}; remove the entry")]
    NotFiniteEntry {
        /// Number of the entry, from 0.
        entry: usize,
        /// Position of the weight.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The loss, its gradient or the weights are NaN or infinite.
    #[error(
        "the {what} became {value} at step {step} (learning rate {learning_rate}), and `{layer}` holds {found}; lower the learning rate or look for NaN or infinite weights in the zoo. The last saved state is unchanged"
    )]
    NotFinite {
        /// Number of the step, from 1.
        step: u64,
        /// Loss, gradient norm or weights.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The first parameter of which a value or its gradient is NaN or infinite; if there is none, the
        /// one with the largest value.
        layer: String,
        /// That value.
        found: f64,
        /// Learning rate at that step.
        learning_rate: f64,
    },
    /// A value cannot be read back from the device.
    #[error(
        "reading {what} from the device: {source}; check that it, or the server it is on, still runs, and resume from the last saved state"
    )]
    Device {
        /// What was read.
        what: &'static str,
        /// Burn's reason.
        source: TensorReadError,
    },
    /// A device that shares the batches failed.
    #[error(
        "device {index} of `with_devices` failed in its part of the batch ({message}); no step was taken. Check it, or the server it is on, and resume from the last saved state, with or without it ({device})"
    )]
    DeviceFailed {
        /// Its place in [`BlockTrainer::with_devices`](crate::BlockTrainer::with_devices), from 0.
        index: usize,
        /// The device, as Burn writes it.
        device: String,
        /// Message of its panic.
        message: String,
    },
    /// A [`NetworkLoss`](crate::NetworkLoss) failed.
    #[error("the loss on predicted weights at step {step}: {source}")]
    NetworkLoss {
        /// Number of the step, from 1.
        step: u64,
        /// The reason.
        source: LossError,
    },
    /// A prompt cannot be encoded.
    #[error("encoding the prompt `{prompt}`: {source}")]
    Text {
        /// The prompt.
        prompt: String,
        /// The reason.
        source: LossError,
    },
    /// A weight file cannot be read or written.
    #[error(transparent)]
    File(#[from] tensor_file::Error),
    /// A prompt's tokens do not have the width that the network was made for.
    #[error(transparent)]
    Prompt(#[from] encoded_text::Error),
    /// An error of blocks, layouts or named tensors.
    #[error(transparent)]
    Blocks(#[from] weight_blocks::Error),
}

impl Error {
    pub(crate) fn config(
        field: &'static str,
        value: impl ToString,
        requirement: impl Into<String>,
    ) -> Self {
        Self::Config {
            field,
            value: value.to_string(),
            requirement: requirement.into(),
        }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// An error about two layouts, each given as (name, digest).
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
