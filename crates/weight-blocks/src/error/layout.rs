//! What can be wrong with a layout.

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
