//! What can be wrong with a `.npz` file.

use std::io;

/// What is wrong with a `.npz` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpzError {
    /// It is not a zip archive.
    #[error("not a zip archive ({0})")]
    Archive(#[source] zip::result::ZipError),

    /// An array is missing, or its place in the archive is damaged.
    #[error("array {array:?} cannot be read: {source}")]
    Member {
        /// The array.
        array: String,
        /// What the archive's reader found.
        source: zip::result::ZipError,
    },

    /// An array cannot be unpacked.
    #[error("array {array:?} cannot be unpacked: {source}")]
    Unpack {
        /// The array.
        array: String,
        /// What the archive's reader found.
        source: io::Error,
    },

    /// An array is compressed better than features can be.
    #[error("array {array:?} unpacks from {packed} bytes to more than {limit}, as no features do")]
    Compression {
        /// The array.
        array: String,
        /// Its size in the archive.
        packed: u64,
        /// The most bytes that it may unpack to.
        limit: u64,
    },

    /// An array has more entries than any that is read.
    #[error("array {array:?} has more than {limit} entries")]
    TooLarge {
        /// The array.
        array: String,
        /// The most entries that are read.
        limit: usize,
    },

    /// An array has no NumPy header.
    #[error("array {array:?} is not a NumPy array: it has no header")]
    NoHeader {
        /// The array.
        array: String,
    },

    /// An array's header is longer than the array, or than any header.
    #[error("array {array:?} is not a NumPy array: its header claims {bytes} bytes")]
    HeaderLength {
        /// The array.
        array: String,
        /// The length of the header.
        bytes: u64,
    },

    /// An array's header is damaged.
    #[error("array {array:?} is not a NumPy array: {source}")]
    Header {
        /// The array.
        array: String,
        /// What the parser found.
        source: io::Error,
    },

    /// An array ends before its last entry.
    #[error("array {array:?} is cut short: it should be of shape {shape:?}")]
    CutShort {
        /// The array.
        array: String,
        /// The shape in its header.
        shape: Vec<usize>,
    },

    /// An array's entries are not floats.
    #[error("array {array:?} is of type {dtype}, expected float64 or float32")]
    Type {
        /// The array.
        array: String,
        /// NumPy's description of its type.
        dtype: String,
    },

    /// An array's entries cannot be decoded.
    #[error("the entries of array {array:?} cannot be decoded: {source}")]
    Entries {
        /// The array.
        array: String,
        /// What the parser found.
        source: io::Error,
    },

    /// The mean is not a vector.
    #[error("mu is of shape {shape:?}, expected one dimension")]
    MeanShape {
        /// Its shape.
        shape: Vec<usize>,
    },

    /// The covariance does not fit the mean.
    #[error("sigma is of shape {shape:?}, expected [{width}, {width}] beside mu of {width}")]
    CovarianceShape {
        /// Its shape.
        shape: Vec<usize>,
        /// Entries of the mean.
        width: usize,
    },

    /// The features are not a matrix.
    #[error("feats is of shape {shape:?}, expected rows × width")]
    FeaturesShape {
        /// Their shape.
        shape: Vec<usize>,
    },
}
