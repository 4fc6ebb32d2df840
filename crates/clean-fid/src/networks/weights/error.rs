//! What can be wrong with a file of weights.

use std::path::PathBuf;

/// A file of weights that a network cannot take. `path` is a file, or the name that the caller gave to bytes in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightError {
    /// The file cannot be read: it is missing, truncated, damaged, larger than any weights, or of another format.
    #[error("{0}; expected a safetensors file or a PyTorch checkpoint: make or fetch it again")]
    File(#[from] tensor_file::Error),

    /// The file holds several networks of that kind, and none was named.
    #[error("{}: it holds several networks that may be meant: {keys}; name one of them (`with_part`, or --weights-key)", path.display())]
    SeveralParts {
        /// The file.
        path: PathBuf,
        /// Their keys.
        keys: String,
    },

    /// A metadata entry is missing, or is not one that this version reads.
    #[error("{}: metadata {key:?} is {found:?}, expected {expected:?}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The entry.
        key: &'static str,
        /// Its value, if it is there.
        found: Option<String>,
        /// The value that is read.
        expected: &'static str,
    },

    /// The file lacks a tensor of the network.
    #[error(
        "{}: tensor {tensor:?} is missing, expected F16 or F32 {shape:?}: these are weights of another network",
        path.display()
    )]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape that it should have.
        shape: Vec<usize>,
    },

    /// A tensor has another element type or shape than the network's.
    #[error(
        "{}: tensor {tensor:?} is {found}, expected F16 or F32 {shape:?}: these are weights of another network",
        path.display()
    )]
    OtherTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its element type and shape, such as `I64 [2, 3]`.
        found: String,
        /// The shape that it should have.
        shape: Vec<usize>,
    },

    /// The file holds a tensor that the network does not have.
    #[error(
        "{}: tensor {tensor:?} ({found}) is not one of this network: these are weights of another network",
        path.display()
    )]
    UnexpectedTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its element type and shape, such as `I64 [2, 3]`.
        found: String,
    },

    /// A variance of a batch norm is negative.
    #[error(
        "{}: tensor {tensor:?} holds the variance {value} at position {index}: the file is damaged; make or fetch it again",
        path.display()
    )]
    NegativeVariance {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
}
