//! What can go wrong.

mod layout;
mod lora_file;
mod padding;

use std::path::{Path, PathBuf};

pub use layout::LayoutError;
pub use lora_file::LoraFileError;
pub use padding::PaddingError;

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
    /// A tensor that the layout or the model does not have.
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
    /// A file that cannot be read or written, or does not hold what it should.
    #[error(transparent)]
    File(#[from] tensor_file::Error),
    /// A layout that cannot exist, or values that do not fit one.
    #[error("layout: {0}")]
    Layout(#[from] LayoutError),
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
    /// Normalisation statistics of no networks.
    #[error("no weights to compute normalisation statistics from; collect some first")]
    NoWeights,
    /// Statistics of another layout.
    #[error("the normaliser was fitted to {expected} values, not {found}; fit it to this layout")]
    NormalizerMismatch {
        /// Values it was fitted to.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// Statistics of a layout whose values stand in another order, or with other padding.
    #[error(
        "the normaliser was fitted to as many values in another order or with other padding than those of layout `{layout}` ({rule:?}); fit it to this layout, or use the grouping rule that it was fitted with"
    )]
    NormalizerOrder {
        /// The layout given.
        layout: String,
        /// Its grouping rule.
        rule: crate::GroupingRule,
    },
    /// A device that cannot give values back.
    #[cfg(feature = "burn")]
    #[error("reading `{name}` from the device: {source}")]
    Device {
        /// The tensor.
        name: String,
        /// The backend's reason.
        source: burn::tensor::DataError,
    },
    /// A safetensors file that does not hold a LoRA.
    #[error("{}: {source}; LoRA files of PEFT, diffusers and kohya's sd-scripts can be read", path.display())]
    LoraFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<LoraFileError>,
    },
    /// Weights that would make a LoRA file that [`LoraFile::open`](crate::LoraFile::open) refuses.
    #[error("{}: nothing was written, because tensor `{name}` would be read as {value} at position {index}; the weights are NaN or infinite, or too large for the file's types and alphas: check them, or use a file with larger alphas", path.display())]
    LoraValue {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Position in row-major order.
        index: usize,
        /// The value, with the layer's scale.
        value: f32,
    },
    /// A JSON file of the zoo that is not valid.
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
    #[error("{}: zoo format {found}, but this build reads {expected}; collect it again or use the build that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version of this build.
        expected: u32,
    },
    /// A folder without a zoo.
    #[error("{}: there is no zoo here (no zoo.json); make one with the program `collect`, or in code with `Zoo::create`", path.display())]
    NoZoo {
        /// The folder.
        path: PathBuf,
    },
    /// A zoo of another frozen base.
    #[error("{}: this zoo was made for base {found}, not {expected}; adapters fit only their own base: use that base, or collect a new zoo", path.display())]
    BaseMismatch {
        /// The zoo.
        path: PathBuf,
        /// Digest of the base in use.
        expected: String,
        /// Digest that the zoo records.
        found: String,
    },
    /// A zoo of another layout.
    #[error("{}: this zoo holds layout {found}, not {expected}; use the model that it was made with", path.display())]
    LayoutMismatch {
        /// The zoo.
        path: PathBuf,
        /// Name and digest of the layout in use.
        expected: String,
        /// Name and digest of the zoo's.
        found: String,
    },
    /// A shard whose content has changed since it was written.
    #[error("{}: digest differs from the one recorded in {}: the file is damaged or was replaced; delete both files and collect this concept again", path.display(), record.display())]
    Digest {
        /// The shard.
        path: PathBuf,
        /// The record that names its digest.
        record: PathBuf,
    },
    /// A concept name that cannot be a file name.
    #[error(
        "concept name `{name}`: use 1 to 120 bytes of lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or digit"
    )]
    ConceptName {
        /// The name.
        name: String,
    },
    /// A metric that JSON cannot hold.
    #[error(
        "concept `{concept}`: metric `{name}` is {value}; a record holds only finite numbers, so leave it out"
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
    #[error("{}: this record belongs to concept `{name}`; was the file renamed? Name the record and its shard after the concept", path.display())]
    RecordName {
        /// The record.
        path: PathBuf,
        /// The concept that it names.
        name: String,
    },
    /// Two zoos, or a zoo and its small copy, that hold different concepts under one name.
    #[error("concept `{name}`: {} and {} differ ({differing}); {advice}", path.display(), other.display())]
    ConceptConflict {
        /// The concept.
        name: String,
        /// Its record in the zoo that is written to.
        path: PathBuf,
        /// Its record in the other zoo.
        other: PathBuf,
        /// The parts that differ: prompt, seed, recipe, checkpoints, weights.
        differing: String,
        /// What to do.
        advice: &'static str,
    },
    /// A concept that is already in the zoo.
    #[error(
        "concept `{name}` is already in the zoo; zoos are append-only: use another name or another zoo"
    )]
    ConceptExists {
        /// The name.
        name: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::File(tensor_file::Error::Io {
            path: path.to_owned(),
            source,
        })
    }
}
