//! What can go wrong when a network is built, run, or loaded.

use std::path::PathBuf;

use crate::peft::PeftError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration field holds a value that no network can be built from.
    #[error("configuration field `{field}` is {value}; expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The values that are accepted.
        expected: String,
    },
    /// A rank, alpha or layer set names a layer that the generator does not have.
    #[error(
        "there is no layer `{name}` in the generator; did you mean `{closest}`? `HybridGenerator::summary` lists all"
    )]
    UnknownLayer {
        /// The name given.
        name: String,
        /// The layer with the nearest name.
        closest: String,
    },
    /// A rank is larger than a layer can use.
    #[error(
        "layer `{layer}` cannot have rank {rank}: min(fan in, channels out) is {limit}; use {limit} or less"
    )]
    RankTooLarge {
        /// The layer.
        layer: String,
        /// The rank asked for.
        rank: usize,
        /// The largest useful rank.
        limit: usize,
    },
    /// An [`AdapterSet`](crate::AdapterSet) has no adapter of that name.
    #[error("there is no adapter `{name}`; loaded are: {known}")]
    UnknownAdapter {
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// An adapter in memory holds a NaN or infinite value.
    #[error(
        "tensor `{name}` holds {value} at position {index}; the training that made it diverged, or its file is damaged"
    )]
    NonFinite {
        /// The tensor.
        name: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// An adapter with a NaN or infinite value was to be written.
    #[error(
        "{}: nothing was written, because tensor `{name}` holds {value} at position {index}; the training that made the adapter diverged (lower its learning rate), or its prediction overflowed",
        path.display()
    )]
    NotStorable {
        /// The file, which is as it was.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A tensor has a shape that the network does not accept.
    #[error("{what} of shape {found:?}; expected {expected}")]
    Input {
        /// The tensor.
        what: &'static str,
        /// The shape that is accepted.
        expected: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A JSON file is not a generator's configuration.
    #[error("{}: not a generator's configuration ({source}); was it written by another version?", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An exported generator names another file format.
    #[error("{}: its format is {found:?}; expected {expected:?}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format in the file.
        found: String,
        /// The format that is read.
        expected: &'static str,
    },
    /// A base or an exported generator has another format version.
    #[error("{}: format version {found}, but this build reads {expected}; write it again with this version", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version that this build reads.
        expected: u32,
    },
    /// The weights of a base are not those that its configuration was written with.
    #[error("{}: its digest differs from the one in generator.json: the file is damaged or was replaced; restore it or make the base again", path.display())]
    Digest {
        /// The weights' file.
        path: PathBuf,
    },
    /// The weights of a base or an exported generator are too few for its configuration.
    #[error("{}: {bytes} bytes for a generator of {values} values; does the configuration belong to other weights?", path.display())]
    TooFewBytes {
        /// The weights' file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The values that a generator of this configuration has, without LoRA.
        values: u64,
    },
    /// An adapter belongs to another base.
    #[error("{}: made for the base {found}, this one is {expected}; the adapter belongs to another base, perhaps to one for another image size (another preset): load the base that it was trained on", path.display())]
    OtherBase {
        /// The adapter's file.
        path: PathBuf,
        /// Digest of the base in use.
        expected: String,
        /// Digest that the adapter records.
        found: String,
    },
    /// A prompt was encoded by another encoder than the base reads.
    #[error(
        "the base reads the tokens of {expected}, but the prompt was encoded by {found}; use the base's encoder"
    )]
    OtherEncoder {
        /// The base's encoder.
        expected: String,
        /// The encoder in use.
        found: String,
    },
    /// An empty prompt for a base that is already the one for another prompt.
    #[error(
        "the base is the one for the prompt {prompt:?}, whose tokens an empty prompt would leave in place; start from the base as it was loaded"
    )]
    EmptyPrompt {
        /// The prompt that the base is for.
        prompt: String,
    },
    /// The adapters of a base read their prompts, and the base was given none.
    #[error("this base reads the prompt; give it one with `BaseGenerator::with_prompt`")]
    NoPrompt,
    /// A file holds several state dicts, and none was named.
    #[error("{}: it holds several state dicts that may be meant: {keys}; name one of them (`StateDictFile::part`)", path.display())]
    SeveralStateDicts {
        /// The file.
        path: PathBuf,
        /// Their keys.
        keys: String,
    },
    /// A file holds objects of which none is the network's state dict.
    #[error("{}: it holds {keys}, and none of them has the network's tensor `{name}`; does the configuration differ, or is it another network's?", path.display())]
    NoStateDict {
        /// The file.
        path: PathBuf,
        /// The objects' keys.
        keys: String,
        /// A tensor of the network, by its name in PyTorch.
        name: String,
    },
    /// A state dict lacks a tensor of the network.
    #[error("{}: tensor `{name}` is missing; does the configuration differ (number of blocks, norm, dropout, size)?", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor, by the file's name.
        name: String,
    },
    /// A state dict holds a tensor that the network does not have.
    #[error("{}: tensor `{name}` is not one of the network's; does the configuration differ (number of blocks, norm, dropout, size)?", path.display())]
    UnknownTensor {
        /// The file.
        path: PathBuf,
        /// The tensor, by the file's name.
        name: String,
    },
    /// A tensor of a state dict has another shape than the network's.
    #[error("{}: tensor `{name}` has shape {found:?}, the network needs {expected:?}; use the configuration that it was trained with", path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor, by the file's name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The network's shape.
        expected: Vec<usize>,
    },
    /// A state dict is not a safetensors file, and PyTorch's files are not compiled in.
    #[error("{}: reading PyTorch's files needs the feature `pytorch`; enable it, or convert the file to safetensors", path.display())]
    NoPytorch {
        /// The file.
        path: PathBuf,
    },
    /// A PEFT folder cannot be read as an adapter of this generator, or the adapter cannot be written as one.
    #[error("{}: {source}", path.display())]
    Peft {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PeftError,
    },
    /// A file or folder cannot be read or written, or a file of tensors is damaged.
    #[error(transparent)]
    File(#[from] tensor_file::Error),
    /// Weights do not fit the network.
    #[error(transparent)]
    Weights(#[from] weight_blocks::Error),
}

/// Checks that `value` lies in `range`, which `expected` describes.
pub(crate) fn check_field<T: PartialOrd + ToString>(
    field: &'static str,
    value: T,
    range: impl std::ops::RangeBounds<T>,
    expected: &str,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Config {
        field,
        value: value.to_string(),
        expected: expected.to_owned(),
    })
}
