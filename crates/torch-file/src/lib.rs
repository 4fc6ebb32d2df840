#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod archive;
mod scan;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

pub use pytorch_reader::{DType, PytorchReader, Tensor};

/// Objects that a file of any size may have.
const OBJECTS: u64 = 100_000;
/// Bytes of the file for each object beyond.
const BYTES: u64 = 32;
/// Where a TAR header says that it is one.
const TAR: std::ops::Range<usize> = 257..262;

/// A file that is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system's.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// More than a file of this size should ask for.
    #[error(
        "{}: {why}; save its state_dict again with torch.save, or as safetensors",
        path.display()
    )]
    Limit {
        /// The file.
        path: PathBuf,
        /// What it asks for, and how much it may.
        why: String,
    },
    /// Damaged, or no file of PyTorch's.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the reader found.
        why: String,
    },
}

/// Opens a file after counting what reading it takes. No tensor is read yet.
///
/// # Errors
/// [`Error::Io`]; [`Error::Limit`] before anything is allocated for it; [`Error::Damaged`].
pub fn open(path: impl AsRef<Path>) -> Result<PytorchReader, Error> {
    let path = path.as_ref();
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let limit = |why: String| Error::Limit {
        path: path.to_owned(),
        why,
    };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let most = OBJECTS + length / BYTES;
    let mut head = Vec::new();
    (&mut file)
        .take(TAR.end as u64)
        .read_to_end(&mut head)
        .map_err(io)?;
    let objects = if head.starts_with(b"PK") {
        archive::count(path, length, most)?
    } else if head.get(TAR) == Some(b"ustar") {
        return Err(limit("a TAR file of PyTorch before 0.1.10".into()));
    } else {
        let file = File::open(path).map_err(io)?;
        scan::count(BufReader::new(file), most).map_err(io)?
    };
    if objects > most {
        return Err(limit(format!(
            "more than {most} pickled objects in {length} bytes"
        )));
    }
    PytorchReader::new(path).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

/// A tensor's bytes, contiguous, in the machine's order; `path` is the file it was opened from.
///
/// # Errors
/// [`Error::Limit`] for a tensor of more bytes than the file has: a view may repeat its storage without end;
/// [`Error::Io`], [`Error::Damaged`].
pub fn read(path: impl AsRef<Path>, tensor: &Tensor) -> Result<Vec<u8>, Error> {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};

    let path = path.as_ref();
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(io)?.len();
    if tensor.byte_len() as u64 > length {
        return Err(Error::Limit {
            path: path.to_owned(),
            why: format!(
                "tensor `{}` takes more bytes than the file has",
                tensor.name
            ),
        });
    }
    tensor.read().map_err(|source| match source.kind() {
        InvalidData | UnexpectedEof => Error::Damaged {
            path: path.to_owned(),
            why: source.to_string(),
        },
        _ => io(source),
    })
}
