//! Single tensors from a file, whichever format it has.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use safetensors::Dtype;

use crate::Error;
use crate::decode::{float_size, floats};
use crate::header::{Entry, Failure, Header};
use crate::tensor::num_elements;

/// A file of tensors whose structure has been checked, and whose tensors are read when they are asked for.
///
/// Reading takes `&self` and may be done from several threads at once.
///
/// ```
/// use tensor_file::{SafetensorsWriter, TensorFile};
///
/// let mut writer = SafetensorsWriter::new();
/// writer.f16("scale", &[2, 2], &[1.0, 2.0, 3.0, 4.0])?;
/// let file = TensorFile::from_bytes("scale.safetensors", writer.to_bytes()?)?;
/// assert_eq!(file.get("scale").map(|tensor| tensor.to_string()), Some("F16 [2, 2]".into()));
/// assert_eq!(file.read_range("scale", 1..3)?, [2.0, 3.0]);
/// # Ok::<(), tensor_file::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorFile<'a> {
    path: PathBuf,
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Entry>,
    source: Source<'a>,
}

/// Where the tensors' bytes are, and at which byte they begin.
#[derive(Debug)]
enum Source<'a> {
    File(Mutex<File>, u64),
    Memory(Cow<'a, [u8]>, usize),
    #[cfg(feature = "pytorch")]
    Pytorch(crate::pytorch::Checkpoint),
}

/// What a file says about one of its tensors. Displayed as `F32 [2, 3]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type of its values.
    pub dtype: Dtype,
    /// Its dimensions.
    pub shape: &'a [usize],
}

impl fmt::Display for TensorInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.dtype, self.shape)
    }
}

impl TensorFile<'static> {
    /// Opens a safetensors file or, with the feature `pytorch`, a PyTorch checkpoint. They are told apart by what
    /// the file begins with.
    ///
    /// # Errors
    /// Those of [`TensorFile::open_safetensors`] and [`TensorFile::open_pytorch`](Self::open_pytorch).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        #[cfg(feature = "pytorch")]
        if crate::pytorch::is_checkpoint(path).map_err(Error::io(path))? {
            return Self::open_pytorch(path);
        }
        Self::open_safetensors(path)
    }

    /// Opens a safetensors file and checks its header against its size.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be read, and [`Error::Safetensors`] if it is damaged or truncated.
    pub fn open_safetensors(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let header = Header::read(&file, length).map_err(|failure| failed(path, failure))?;
        let start = header.start;
        Ok(Self::new(
            path,
            header,
            Source::File(Mutex::new(file), start),
        ))
    }

    /// Opens a file that `torch.save` wrote, after counting what reading it takes. No code in it is run.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be read, and [`Error::Pytorch`] if it is damaged or asks for more
    /// memory than its size justifies.
    #[cfg(feature = "pytorch")]
    pub fn open_pytorch(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let checkpoint = crate::pytorch::Checkpoint::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            metadata: BTreeMap::new(),
            tensors: checkpoint.entries(),
            source: Source::Pytorch(checkpoint),
        })
    }
}

impl<'a> TensorFile<'a> {
    /// Takes the bytes of a safetensors file, which `name` stands for in errors.
    ///
    /// # Errors
    /// Returns [`Error::Safetensors`] if they are damaged or truncated.
    pub fn from_bytes(
        name: impl Into<PathBuf>,
        bytes: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, Error> {
        let (path, bytes) = (name.into(), bytes.into());
        let header = Header::read(&*bytes, bytes.len() as u64);
        let header = header.map_err(|failure| failed(&path, failure))?;
        let start = header.start as usize;
        Ok(Self::new(&path, header, Source::Memory(bytes, start)))
    }

    fn new(path: &Path, header: Header, source: Source<'a>) -> Self {
        Self {
            path: path.to_owned(),
            metadata: header.metadata,
            tensors: header.tensors,
            source,
        }
    }

    /// The file, or the name given to its bytes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata of a safetensors header; a PyTorch checkpoint has none.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// All tensors, ordered by name.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.tensors.iter().map(|(name, entry)| info(name, entry))
    }

    /// The tensor of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<TensorInfo<'_>> {
        let (name, entry) = self.tensors.get_key_value(name)?;
        Some(info(name, entry))
    }

    /// A tensor's values in row-major order, as 32-bit floats.
    ///
    /// # Errors
    /// Returns [`Error::MissingTensor`], [`Error::Dtype`] unless it holds floats, [`Error::Io`] if the file cannot be
    /// read, and for PyTorch checkpoints [`Error::Pytorch`].
    pub fn read(&self, name: &str) -> Result<Vec<f32>, Error> {
        self.decode(name, None)
    }

    /// [`TensorFile::read`] that refuses NaN and infinite values.
    ///
    /// # Errors
    /// Returns [`Error::NonFinite`] with the position of the first such value; otherwise those of
    /// [`TensorFile::read`].
    pub fn read_finite(&self, name: &str) -> Result<Vec<f32>, Error> {
        let values = self.read(name)?;
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(Error::NonFinite {
                path: self.path.clone(),
                name: name.to_owned(),
                index,
                value: values[index],
            }),
        }
    }

    /// The values at some positions in row-major order. Of a safetensors file no others are read.
    ///
    /// # Errors
    /// Returns [`Error::Range`] for positions outside the tensor; otherwise those of [`TensorFile::read`].
    pub fn read_range(&self, name: &str, positions: Range<usize>) -> Result<Vec<f32>, Error> {
        self.decode(name, Some(positions))
    }

    /// A tensor's bytes, contiguous, row-major and little-endian, whatever its type.
    ///
    /// # Errors
    /// As [`TensorFile::read`], but for [`Error::Dtype`].
    pub fn read_bytes(&self, name: &str) -> Result<Cow<'_, [u8]>, Error> {
        let (_, entry) = self.entry(name)?;
        self.bytes(name, entry, 0..entry.place.len())
    }

    fn entry(&self, name: &str) -> Result<(usize, &Entry), Error> {
        let missing = || Error::MissingTensor {
            path: self.path.clone(),
            name: name.to_owned(),
        };
        let entry = self.tensors.get(name).ok_or_else(missing)?;
        Ok((num_elements(&entry.shape).unwrap_or(usize::MAX), entry))
    }

    fn decode(&self, name: &str, positions: Option<Range<usize>>) -> Result<Vec<f32>, Error> {
        let (values, entry) = self.entry(name)?;
        let dtype = || Error::Dtype {
            path: self.path.clone(),
            name: name.to_owned(),
            dtype: entry.dtype,
        };
        let size = float_size(entry.dtype).ok_or_else(dtype)?;
        let range = positions.unwrap_or(0..values);
        if range.start > range.end || range.end > values {
            return Err(Error::Range {
                path: self.path.clone(),
                name: name.to_owned(),
                values,
                start: range.start,
                end: range.end,
            });
        }
        let bytes = self.bytes(name, entry, size * range.start..size * range.end)?;
        floats(entry.dtype, &bytes).ok_or_else(dtype)
    }

    /// The bytes at `range` of a tensor, which has them: the header was checked against the file's size.
    #[cfg_attr(not(feature = "pytorch"), allow(unused_variables))]
    fn bytes(
        &self,
        name: &str,
        entry: &Entry,
        range: Range<usize>,
    ) -> Result<Cow<'_, [u8]>, Error> {
        let from = entry.place.start + range.start;
        match &self.source {
            Source::Memory(bytes, start) => {
                let place = start + from..start + entry.place.start + range.end;
                Ok(Cow::Borrowed(&bytes[place]))
            }
            Source::File(file, start) => {
                let mut bytes = vec![0; range.len()];
                // The position is set anew for each read, so a panic in another thread leaves nothing half done.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                (file.seek(SeekFrom::Start(start + from as u64)))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(Error::io(&self.path))?;
                Ok(Cow::Owned(bytes))
            }
            #[cfg(feature = "pytorch")]
            Source::Pytorch(checkpoint) => {
                let mut bytes = checkpoint.read(name, entry.place.len())?;
                bytes.truncate(range.end);
                bytes.drain(..range.start);
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

fn info<'a>(name: &'a str, entry: &'a Entry) -> TensorInfo<'a> {
    TensorInfo {
        name,
        dtype: entry.dtype,
        shape: &entry.shape,
    }
}

fn failed(path: &Path, failure: Failure) -> Error {
    let path = path.to_owned();
    match failure {
        Failure::Io(source) => Error::Io { path, source },
        Failure::Header(source) => Error::Safetensors { path, source },
    }
}
