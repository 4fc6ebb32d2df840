//! What can go wrong.

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor that the layout or the model needs is absent.
    #[error("tensor `{name}` is missing; do the weights belong to another model or configuration?")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A tensor that nobody asked for.
    #[error(
        "tensor `{name}` is not one of the model's; do the weights belong to another model or configuration?"
    )]
    UnexpectedTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of another shape.
    #[error("tensor `{name}` has shape {found:?}, the model needs {expected:?}")]
    ShapeMismatch {
        /// Its name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The tensor's.
        found: Vec<usize>,
    },
    /// A tensor whose values do not fill its shape.
    #[error("a tensor of shape {shape:?} cannot hold {values} values")]
    ValueCount {
        /// The shape.
        shape: Vec<usize>,
        /// Number of values.
        values: usize,
    },
    /// A value that is NaN or infinite.
    #[error("{}: tensor `{name}` holds {value} at position {index}; the training that wrote it diverged, or the file is damaged", path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A value that a 16-bit float cannot hold.
    #[error(
        "tensor `{name}` holds {value} at position {index}, past the largest 16-bit float, 65504; store it in full precision"
    )]
    HalfRange {
        /// The tensor.
        name: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A layout that cannot exist.
    #[error("layout: {why}")]
    Layout {
        /// Why.
        why: String,
    },
    /// Blocks that do not fit a layout.
    #[error(
        "{found} values given, the layout has {blocks} blocks of {block_size}, that is {expected}"
    )]
    BlockCount {
        /// N·b.
        expected: usize,
        /// N.
        blocks: usize,
        /// b.
        block_size: usize,
        /// Values given.
        found: usize,
    },
    /// A sinusoidal encoding needs pairs of entries.
    #[error("an index encoding of width {width} is not possible; use an even width of at least 2")]
    EncodingWidth {
        /// The width asked for.
        width: usize,
    },
    /// Statistics of nothing.
    #[error("no weights to take normalisation statistics from; collect some first")]
    NoWeights,
    /// Statistics of another layout.
    #[error("the normaliser was fitted to {expected} values, not {found}; fit it to this layout")]
    NormalizerMismatch {
        /// Values it was fitted to.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A device that cannot give values back.
    #[error("reading `{name}` from the device: {why}")]
    Device {
        /// The tensor.
        name: String,
        /// The backend's reason.
        why: String,
    },
    /// A file or folder that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file that is no safetensors file, or is cut off.
    #[error("{}: not a complete safetensors file ({why}); is it truncated? Restore it or make it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        why: String,
    },
    /// A safetensors file that is not a LoRA's.
    #[error("{}: tensor `{name}` {why}; LoRA files of PEFT, diffusers and kohya's sd-scripts can be read", path.display())]
    LoraFile {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A tensor type that is not a float.
    #[error("{}: tensor `{name}` is of type {dtype}; F32, F16 and BF16 can be read", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A JSON file of the zoo that cannot be understood.
    #[error("{}: not a valid {what} ({source}); was the file edited or cut off?", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A zoo of another format version.
    #[error("{}: zoo format {found}, this build reads {expected}; collect it anew or use the build that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version of this build.
        expected: u32,
    },
    /// No zoo where one was expected.
    #[error("{}: there is no zoo here (no zoo.json); make one with `collect`", path.display())]
    NoZoo {
        /// The folder.
        path: PathBuf,
    },
    /// A zoo made for another frozen base.
    #[error("{}: this zoo was made for base {found}, not {expected}; adapters only fit their own base: use that base, or collect a new zoo", path.display())]
    BaseMismatch {
        /// The zoo.
        path: PathBuf,
        /// Digest of the base in use.
        expected: String,
        /// Digest that the zoo records.
        found: String,
    },
    /// A zoo of another layout.
    #[error("{}: this zoo holds layout {found}, not {expected}; use the model it was made with", path.display())]
    LayoutMismatch {
        /// The zoo.
        path: PathBuf,
        /// Name and digest of the layout in use.
        expected: String,
        /// Name and digest of the zoo's.
        found: String,
    },
    /// A shard whose content is not what was written.
    #[error("{}: digest differs from the one recorded in {}: the file is damaged or was replaced; delete both files and collect this concept again", path.display(), record.display())]
    Digest {
        /// The shard.
        path: PathBuf,
        /// The record that names its digest.
        record: PathBuf,
    },
    /// A concept's name that cannot be a file's name.
    #[error(
        "concept name `{name}`: use 1 to 120 lower-case letters, digits, `-`, `_` and `.`, the first a letter or digit"
    )]
    ConceptName {
        /// The name.
        name: String,
    },
    /// A measured value that JSON cannot hold.
    #[error(
        "concept `{concept}`: metric `{name}` is {value}, which a record cannot hold; leave it out"
    )]
    Metric {
        /// The concept.
        concept: String,
        /// The metric's name.
        name: String,
        /// Its value.
        value: f64,
    },
    /// A record under another concept's name.
    #[error("{}: this record is of concept `{name}`; was the file renamed? Give the record and its shard the concept's name", path.display())]
    RecordName {
        /// The record.
        path: PathBuf,
        /// The concept that it names.
        name: String,
    },
    /// Two zoos that hold different things under one name.
    #[error("concept `{name}`: {} and {} differ ({differing}); merge zoos that were collected with the same arguments and build, or leave one of the two out", path.display(), other.display())]
    ConceptConflict {
        /// The concept.
        name: String,
        /// Its record in the zoo that was to take the other's concepts.
        path: PathBuf,
        /// Its record in the other zoo.
        other: PathBuf,
        /// What differs: prompt, seed, recipe, checkpoints, weights.
        differing: String,
    },
    /// Zoos are append-only.
    #[error(
        "concept `{name}` is in the zoo already; zoos are append-only: use another name or another zoo"
    )]
    ConceptExists {
        /// The name.
        name: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
