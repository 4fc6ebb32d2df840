//! What a caller can do wrong.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration whose numbers do not fit together.
    #[error("configuration field `{field}`: {why}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint's file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A `config.json` that is not one of this crate's.
    #[error("{}: not a generator configuration ({source}); was it written by another version?", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the text is wrong.
        source: serde_json::Error,
    },
    /// A checkpoint of another format version.
    #[error("{}: checkpoint format {found}, this build reads {expected}; make it anew", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version that this build reads.
        expected: u32,
    },
    /// A checkpoint whose weights are not those that its configuration names.
    #[error("{}: digest differs from the one in generator.json: the file is damaged or was replaced; restore it or make the base anew", path.display())]
    Digest {
        /// The weights' file.
        path: PathBuf,
    },
    /// A tensor whose shape a network cannot take.
    #[error("{what} of shape {found:?}, where {expected} is needed")]
    Input {
        /// The tensor.
        what: &'static str,
        /// What would do.
        expected: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A file that is no state dict, or is cut off.
    #[error("{}: not a state dict that can be read ({why}); is it truncated, or of another network?", path.display())]
    StateDict {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        why: String,
    },
    /// A tensor of a state dict that does not fit the network.
    #[error("{}: tensor `{name}` {why}", path.display())]
    StateTensor {
        /// The file.
        path: PathBuf,
        /// The tensor, by the file's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rank, alpha or layer set for a layer that the generator lacks.
    #[error(
        "there is no layer `{name}` in the generator; did you mean `{closest}`? `HybridGenerator::summary` lists all"
    )]
    UnknownLayer {
        /// The name given.
        name: String,
        /// The layer whose name is nearest.
        closest: String,
    },
    /// A rank that a layer cannot have.
    #[error(
        "layer `{layer}` cannot have rank {rank}: min(fan in, channels out) is {limit}; use {limit} or less"
    )]
    RankTooLarge {
        /// The layer.
        layer: String,
        /// The rank asked for.
        rank: usize,
        /// The largest that says more than a smaller one.
        limit: usize,
    },
    /// An adapter that an [`AdapterSet`](crate::AdapterSet) does not hold.
    #[error("there is no adapter `{name}`; loaded are: {known}")]
    UnknownAdapter {
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A weight that is NaN or infinite.
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
    /// An adapter of another base.
    #[error("{}: made for the base {found}, this one is {expected}; load the base that it was trained on", path.display())]
    OtherBase {
        /// The adapter's file.
        path: PathBuf,
        /// Digest of the base in use.
        expected: String,
        /// Digest that the adapter records.
        found: String,
    },
    /// A PEFT folder that does not fit this generator.
    #[error("{}: {why}", path.display())]
    Peft {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Weights that do not fit the network, or a file that holds none.
    #[error(transparent)]
    Weights(#[from] weight_blocks::Error),
}
