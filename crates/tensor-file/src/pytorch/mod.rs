//! PyTorch's `.pth`, `.pt` and `.bin` files. There is no other way to their tensors than through the limits here.

mod archive;
mod scan;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use pytorch_reader::{DType, PytorchReader};
use safetensors::Dtype;

use crate::Error;
use crate::header::Entry;

/// Objects that a file of any size may have.
const OBJECTS: u64 = 100_000;
/// Bytes of the file for each object beyond.
const BYTES_PER_OBJECT: u64 = 32;
/// The place of the mark in a TAR header.
const TAR_MARK: Range<usize> = 257..262;
/// The place of the brace that opens the header of a safetensors file, after the header's length.
const SAFETENSORS_MARK: usize = 8;

/// What is wrong with a PyTorch checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PytorchError {
    /// It has more objects than a file of its size should have.
    #[error(
        "more than {limit} pickled objects in {bytes} bytes; save its state_dict again with torch.save, or as safetensors"
    )]
    Objects {
        /// The most that are read.
        limit: u64,
        /// The file's size.
        bytes: u64,
    },
    /// A part of the archive is compressed better than weights can be.
    #[error(
        "a part of {part} bytes packed into a file of {bytes}; save its state_dict again with torch.save, or as safetensors"
    )]
    Compression {
        /// The part's size.
        part: u64,
        /// The file's size.
        bytes: u64,
    },
    /// It is in a container that PyTorch no longer writes.
    #[error(
        "a TAR file of PyTorch before 0.1.10; save its state_dict again with torch.save, or as safetensors"
    )]
    Tar,
    /// A tensor is larger than the whole file: a view may repeat its storage without end.
    #[error(
        "tensor `{name}` takes more bytes ({tensor}) than the file has ({bytes}); save its state_dict again with torch.save, or as safetensors"
    )]
    TensorSize {
        /// The tensor's name.
        name: String,
        /// Its size.
        tensor: u64,
        /// The file's size.
        bytes: u64,
    },
    /// The archive is damaged.
    #[error("{0}")]
    Archive(#[source] zip::result::ZipError),
    /// The file is damaged, or was not written by PyTorch.
    #[error("{0}")]
    Reader(#[source] pytorch_reader::PytorchError),
    /// A tensor is damaged.
    #[error("{0}")]
    Tensor(#[source] io::Error),
}

impl PytorchError {
    fn at(self, path: &Path) -> Error {
        Error::Pytorch {
            path: path.to_owned(),
            source: self,
        }
    }
}

/// Whether a file cannot be safetensors: it is long enough, and no brace opens its header.
pub(crate) fn is_checkpoint(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    let mut file = File::open(path)?.take(SAFETENSORS_MARK as u64 + 1);
    file.read_to_end(&mut head)?;
    Ok(head.get(SAFETENSORS_MARK).is_some_and(|byte| *byte != b'{'))
}

/// An open file whose objects have been counted, and whose tensors stay on disk.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    reader: PytorchReader,
    path: PathBuf,
    bytes: u64,
}

impl Checkpoint {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let bytes = file.metadata().map_err(Error::io(path))?.len();
        let limit = OBJECTS + bytes / BYTES_PER_OBJECT;
        let mut head = Vec::new();
        (&mut file)
            .take(TAR_MARK.end as u64)
            .read_to_end(&mut head)
            .map_err(Error::io(path))?;
        let objects = if head.starts_with(b"PK") {
            archive::count(path, bytes, limit)?
        } else if head.get(TAR_MARK) == Some(b"ustar") {
            return Err(PytorchError::Tar.at(path));
        } else {
            let file = File::open(path).map_err(Error::io(path))?;
            scan::count(BufReader::new(file), limit).map_err(Error::io(path))?
        };
        if objects > limit {
            return Err(PytorchError::Objects { limit, bytes }.at(path));
        }
        let reader = PytorchReader::new(path).map_err(|e| PytorchError::Reader(e).at(path))?;
        Ok(Self {
            reader,
            path: path.to_owned(),
            bytes,
        })
    }

    pub(crate) fn entries(&self) -> BTreeMap<String, Entry> {
        let tensors = self.reader.tensors().iter();
        tensors
            .map(|(name, tensor)| {
                let entry = Entry {
                    dtype: dtype(tensor.dtype()),
                    shape: tensor.shape().to_vec(),
                    place: 0..tensor.byte_len(),
                };
                (name.clone(), entry)
            })
            .collect()
    }

    /// The little-endian bytes of a tensor, `length` of them.
    pub(crate) fn read(&self, name: &str, length: usize) -> Result<Vec<u8>, Error> {
        let missing = || Error::MissingTensor {
            path: self.path.clone(),
            name: name.to_owned(),
        };
        let tensor = self.reader.get(name).ok_or_else(missing)?;
        if length as u64 > self.bytes {
            let error = PytorchError::TensorSize {
                name: name.to_owned(),
                tensor: length as u64,
                bytes: self.bytes,
            };
            return Err(error.at(&self.path));
        }
        let mut bytes = tensor.read().map_err(|source| match source.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                PytorchError::Tensor(source).at(&self.path)
            }
            _ => Error::io(&self.path)(source),
        })?;
        if bytes.len() != length {
            let message = format!("tensor `{name}` has {} bytes, not {length}", bytes.len());
            let source = io::Error::new(ErrorKind::InvalidData, message);
            return Err(PytorchError::Tensor(source).at(&self.path));
        }
        if cfg!(target_endian = "big") {
            // The reader gives the machine's byte order.
            let size = tensor.dtype().size();
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        Ok(bytes)
    }
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}
