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
    /// Two zoos that hold different concepts under one name.
    #[error("concept `{name}`: {} and {} differ ({differing}); merge zoos that were collected with the same arguments and build, or leave one of the two out", path.display(), other.display())]
    ConceptConflict {
        /// The concept.
        name: String,
        /// Its record in the zoo that is merged into.
        path: PathBuf,
        /// Its record in the other zoo.
        other: PathBuf,
        /// The parts that differ: prompt, seed, recipe, checkpoints, weights.
        differing: String,
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

/// Why a layout cannot exist, or what does not fit one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A stored layout of another version.
    #[error(
        "`{name}` is of layout version {found}, this build reads {expected}; use the build that wrote it"
    )]
    Version {
        /// The model's name.
        name: String,
        /// Version in the file.
        found: u32,
        /// Version of this build.
        expected: u32,
    },
    /// Blocks of no values.
    #[error("the block size is zero")]
    ZeroBlockSize,
    /// Two tensors of one name.
    #[error("tensor `{name}` occurs twice")]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// A tensor with more values than a layout may have.
    #[error("tensor `{name}` of shape {shape:?} is too large")]
    TensorTooLarge {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// More values than a layout may have.
    #[error("more than {limit} values")]
    TooManyValues {
        /// The most.
        limit: u64,
    },
    /// No values at all, or blocks larger than a layout may be.
    #[error("{values} values in blocks of {block_size}")]
    BlockSize {
        /// Values of all tensors.
        values: usize,
        /// b.
        block_size: usize,
    },
    /// So many runs of values, or so much padding, that a few bytes of JSON would ask for gigabytes.
    #[error("too many runs or too much padding for {rule:?}")]
    OutOfProportion {
        /// The grouping rule.
        rule: crate::GroupingRule,
    },
    /// A block past the last one, or a buffer that is not one block long.
    #[error("block {block} into {values} values, of {blocks} blocks of {block_size}")]
    Block {
        /// The block asked for.
        block: usize,
        /// Length of the buffer.
        values: usize,
        /// N.
        blocks: usize,
        /// b.
        block_size: usize,
    },
    /// Another number of weights than checkpoints, or none.
    #[error("concept `{concept}` has {checkpoints} checkpoints but {weights} sets of weights")]
    CheckpointCount {
        /// The concept.
        concept: String,
        /// Checkpoints in its record.
        checkpoints: usize,
        /// Sets of weights given.
        weights: usize,
    },
    /// A module of which the rule takes nothing.
    #[error("the rule takes none of the module's tensors")]
    NoTensors,
    /// A normaliser that cannot be computed with.
    #[error("its normaliser holds a mean that is not finite or a deviation that is not positive")]
    Statistics,
}

/// Why factors cannot be filled up with zeros.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaddingError {
    /// A tensor that there is no place for.
    #[error("there is no place for tensor `{name}`")]
    UnknownTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor of a larger rank, or of another layer size.
    #[error("tensor `{name}` has shape {found:?}, which does not fit into {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The shape to be filled.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
    },
}

/// Why a safetensors file is not a LoRA.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoraFileError {
    /// A tensor of another kind.
    #[error("tensor `{name}` is neither a LoRA factor nor an alpha")]
    UnknownTensor {
        /// The tensor.
        name: String,
    },
    /// Two names for one factor.
    #[error("tensor `{name}` is the same factor as `{other}`")]
    DuplicateFactor {
        /// The tensor.
        name: String,
        /// The other one.
        other: String,
    },
    /// A factor without the other.
    #[error("tensor `{name}` has no partner in the file")]
    NoPartner {
        /// The tensor.
        name: String,
    },
    /// Factors of different ranks.
    #[error("tensor `{down}` of shape {down_shape:?} does not fit `{up}` of shape {up_shape:?}")]
    Rank {
        /// The first factor.
        down: String,
        /// Its shape.
        down_shape: Vec<usize>,
        /// The second factor.
        up: String,
        /// Its shape.
        up_shape: Vec<usize>,
    },
    /// No factors at all.
    #[error("there are no LoRA factors in it")]
    Empty,
    /// A factor of rank 0, or of no inputs or outputs.
    #[error("tensor `{name}` of shape {shape:?} holds no values; leave the layer out")]
    NoValues {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// An alpha of a layer without factors.
    #[error("tensor `{name}` is the alpha of a layer whose factors are missing")]
    AlphaAlone {
        /// The tensor.
        name: String,
    },
    /// An alpha that is not a single number.
    #[error("tensor `{name}` holds {values} values; an alpha is one number")]
    AlphaValues {
        /// The tensor.
        name: String,
        /// How many it holds.
        values: usize,
    },
    /// An alpha of 0.
    #[error(
        "tensor `{name}` is 0, which sd-scripts reads as a scale of 1 and others as no update; write the layer's rank for a scale of 1, or remove the layer"
    )]
    ZeroAlpha {
        /// The tensor.
        name: String,
    },
    /// Scales by tensors in a file whose configuration states them.
    #[error("tensor `{name}` states a scale, and so does adapter_config.json; remove one of them")]
    TwoScales {
        /// The tensor.
        name: String,
    },
    /// A header that states an alpha which the tensors lack.
    #[error(
        "layer `{layer}` has no alpha, but the header states ss_network_alpha {alpha} for a dimension of {dim}; restore the alphas, or remove ss_network_alpha if the scale is 1"
    )]
    HeaderAlpha {
        /// The layer.
        layer: String,
        /// `ss_network_alpha`.
        alpha: f64,
        /// `ss_network_dim`.
        dim: f64,
    },
    /// A scale that makes an update of nothing or of infinity.
    #[error("layer `{layer}` has the scale {scale}; its update cannot be represented")]
    Scale {
        /// The layer.
        layer: String,
        /// Its scale.
        scale: f64,
    },
    /// PEFT's weights without the configuration.
    #[error(
        "there is no such file beside PEFT's weights, and their scale (lora_alpha, use_rslora) is in it; copy it there"
    )]
    NoConfig,
    /// PEFT's configuration is in the place where another should be written.
    #[error("the adapter that is here states other scales; save to another folder")]
    OtherConfig,
    /// PEFT's configuration, or one in the header, is not that of a plain LoRA.
    #[error(transparent)]
    Config(#[from] crate::peft::AdapterConfigError),
}
