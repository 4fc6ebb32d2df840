//! What can be wrong with factors that are filled up with zeros.

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
