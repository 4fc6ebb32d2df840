//! What can go wrong.

use std::path::{Path, PathBuf};

use safetensors::Dtype;

/// Errors of this crate. `path` is a file, or the name that the caller gave to bytes in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// What is at the path of a file that is to be written is a folder, a device or a pipe.
    #[error("{}: this is {kind}; name a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, in words.
        kind: &'static str,
    },
    /// A file is larger than its kind can be.
    #[error("{}: it has {bytes} bytes, more than the {limit} that such a file may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size that is read.
        limit: u64,
    },
    /// A text file is not in UTF-8 but in an encoding of two or four bytes a character.
    #[error("{}: the text is in {encoding}; save it as UTF-8", path.display())]
    TextEncoding {
        /// The file.
        path: PathBuf,
        /// The encoding.
        encoding: &'static str,
    },
    /// A text file holds bytes that are not UTF-8.
    #[error("{}: line {line} is not UTF-8; is the file in Latin-1 or Windows-1252? Save it as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first such byte, from 1.
        line: usize,
    },
    /// A file is not a safetensors file, or only part of one.
    #[error("{}: not a complete safetensors file ({source}); is it truncated? Restore it or make it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// A file is not a PyTorch checkpoint, is damaged, or asks for more memory than its size justifies.
    #[cfg(feature = "pytorch")]
    #[error("{}: {source}", path.display())]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::PytorchError,
    },
    /// A file does not hold a tensor of that name.
    #[error("{}: tensor `{name}` is missing", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
    },
    /// A file holds no tensors under a key.
    #[error("{}: there is no `{key}` in it; it has {keys}", path.display())]
    MissingPart {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The keys that there are.
        keys: String,
    },
    /// Two tensors have the same name once the parts are left out that wrappers put into names.
    #[error("{}: tensors `{name}` and `{other}` are the same tensor of the network; remove one of them", path.display())]
    DuplicateTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// The other one's.
        other: String,
    },
    /// A tensor's type is not a float that can be read.
    #[error("{}: tensor `{name}` is of type {dtype:?}; F64, F32, F16 and BF16 can be read", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// Its type.
        dtype: Dtype,
    },
    /// The values asked for lie outside the tensor.
    #[error("{}: tensor `{name}` has {values} values, not {start}..{end}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// How many values it has.
        values: usize,
        /// The first value asked for.
        start: usize,
        /// The value after the last one asked for.
        end: usize,
    },
    /// A value is NaN or infinite.
    #[error("{}: tensor `{name}` holds {value} at position {index}; the training that wrote it diverged, or the file is damaged", path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A value is too large for the type that it should be stored in.
    #[error(
        "tensor `{name}` holds {value} at position {index}, past the largest {dtype:?} number; store it in full precision"
    )]
    FloatRange {
        /// The tensor's name.
        name: String,
        /// The type.
        dtype: Dtype,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// Floats cannot be stored in that type.
    #[error("tensor `{name}` cannot be stored as {dtype:?}; use F64, F32, F16 or BF16")]
    NotFloats {
        /// The tensor's name.
        name: String,
        /// The type.
        dtype: Dtype,
    },
    /// A tensor's values do not fill its shape.
    #[error("a tensor of shape {shape:?} cannot hold {values} values")]
    ValueCount {
        /// The shape.
        shape: Vec<usize>,
        /// How many values were given.
        values: usize,
    },
    /// The header of a safetensors file to be written would be invalid.
    #[error("the safetensors header cannot be written: {source}")]
    UnwritableHeader {
        /// Why.
        source: HeaderError,
    },
}

/// What is wrong with the header of a safetensors file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file ends before the header's length.
    #[error("it has {bytes} bytes, a header takes at least 8")]
    TooShort {
        /// The file's size.
        bytes: u64,
    },
    /// The header is longer than the format allows.
    #[error("its header of {bytes} bytes is longer than the {limit} that the format allows")]
    TooLong {
        /// The header's length.
        bytes: u64,
        /// The format's limit.
        limit: u64,
    },
    /// The file ends before the header does.
    #[error("a header of {header} bytes in a file of {bytes}")]
    Truncated {
        /// The header's length.
        header: u64,
        /// The file's size.
        bytes: u64,
    },
    /// The header is not valid JSON, or its types, shapes and offsets contradict each other.
    #[error("invalid header: {0}")]
    Invalid(#[from] serde_json::Error),
    /// Two tensors or two entries of the metadata have one name.
    #[error("the name {name:?} is given twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The tensors take more or fewer bytes than the file has after its header.
    #[error("{tensors} bytes of tensors, {found} in the file")]
    TensorBytes {
        /// What the header says.
        tensors: u64,
        /// What there is.
        found: u64,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
