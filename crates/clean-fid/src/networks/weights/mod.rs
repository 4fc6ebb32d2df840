//! Weights from a file.

mod checkpoint;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use half::f16;
use safetensors::{Dtype, SafeTensors};

use crate::Error;
use checkpoint::Checkpoint;

/// Largest file of weights: twenty times InceptionV3's.
const LARGEST: u64 = 2 << 30;

/// The bytes of a safetensors file, or the tensors of a PyTorch checkpoint.
pub(crate) enum Stored {
    Bytes(Vec<u8>),
    Checkpoint(Checkpoint),
}

impl Stored {
    /// Tells the two apart by what the file begins with. A checkpoint's tensors stay on disk.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        if begins_like_checkpoint(path)? {
            Checkpoint::open(path).map(Self::Checkpoint)
        } else {
            read(path).map(Self::Bytes)
        }
    }

    pub(crate) fn file<'a>(&'a self, name: &'a str) -> Result<WeightFile<'a>, Error> {
        match self {
            Self::Bytes(bytes) => WeightFile::parse(bytes, name),
            Self::Checkpoint(checkpoint) => {
                Ok(WeightFile::new(Source::Checkpoint(checkpoint), name))
            }
        }
    }
}

/// Reads a whole file of at most [`LARGEST`] bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    open(path)?
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|source| io(path, source))?;
    Ok(bytes)
}

/// Opens a file of at most [`LARGEST`] bytes.
fn open(path: &Path) -> Result<File, Error> {
    let file = File::open(path).map_err(|source| io(path, source))?;
    let length = file.metadata().map_err(|source| io(path, source))?.len();
    if length > LARGEST {
        return Err(Error::FileSize {
            path: path.to_path_buf(),
            found: length,
            limit: LARGEST,
        });
    }
    Ok(file)
}

/// A safetensors file has the length of its header in eight bytes, then the brace that opens it. Anything else, if it
/// is as long, can only be a checkpoint.
fn begins_like_checkpoint(path: &Path) -> Result<bool, Error> {
    let mut head = Vec::new();
    open(path)?
        .take(9)
        .read_to_end(&mut head)
        .map_err(|source| io(path, source))?;
    Ok(head.get(8).is_some_and(|byte| *byte != b'{'))
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// Where the tensors are.
enum Source<'a> {
    Safetensors(SafeTensors<'a>),
    Checkpoint(&'a Checkpoint),
}

impl Source<'_> {
    fn names(&self) -> BTreeSet<String> {
        match self {
            Self::Safetensors(file) => file.names().into_iter().map(str::to_owned).collect(),
            Self::Checkpoint(file) => file.names().map(str::to_owned).collect(),
        }
    }

    /// Element type and shape, if there is such a tensor.
    fn describe(&self, name: &str) -> Option<(String, Vec<usize>)> {
        match self {
            Self::Safetensors(file) => {
                let view = file.tensor(name).ok()?;
                Some((format!("{:?}", view.dtype()), view.shape().to_vec()))
            }
            Self::Checkpoint(file) => file.describe(name),
        }
    }

    /// Values in row-major order, if they are floats of 16 or 32 bits.
    fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Error> {
        match self {
            Self::Safetensors(file) => {
                Ok(file.tensor(name).ok().and_then(|view| match view.dtype() {
                    Dtype::F16 => Some(halves(view.data())),
                    Dtype::F32 => Some(singles(view.data())),
                    _ => None,
                }))
            }
            Self::Checkpoint(file) => file.floats(name),
        }
    }
}

/// Little-endian 16-bit floats.
fn halves(data: &[u8]) -> Vec<f32> {
    let values = data.as_chunks::<2>().0.iter();
    values.map(|&b| f16::from_le_bytes(b).to_f32()).collect()
}

/// Little-endian 32-bit floats.
fn singles(data: &[u8]) -> Vec<f32> {
    let values = data.as_chunks::<4>().0.iter();
    values.map(|&b| f32::from_le_bytes(b)).collect()
}

/// A parsed file and the names not used yet.
pub(crate) struct WeightFile<'a> {
    source: Source<'a>,
    unused: BTreeSet<String>,
    /// In front of all names that are asked for.
    prefix: String,
    file: &'a str,
}

impl<'a> WeightFile<'a> {
    pub(crate) fn parse(bytes: &'a [u8], file: &'a str) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|source| Error::Safetensors {
            file: file.to_owned(),
            source,
        })?;
        Ok(Self::new(Source::Safetensors(tensors), file))
    }

    fn new(source: Source<'a>, file: &'a str) -> Self {
        Self {
            unused: source.names(),
            source,
            prefix: String::new(),
            file,
        }
    }

    /// Refuses a file whose metadata does not have these entries.
    pub(crate) fn require_metadata(
        bytes: &[u8],
        file: &str,
        entries: &[(&'static str, &'static str)],
    ) -> Result<(), Error> {
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|source| Error::Safetensors {
                file: file.to_owned(),
                source,
            })?;
        for (key, expected) in entries {
            let found = header.metadata().as_ref().and_then(|m| m.get(*key));
            if found.map(String::as_str) != Some(expected) {
                return Err(Error::Metadata {
                    file: file.to_owned(),
                    key,
                    found: found.cloned(),
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Looks for the network in a part of the file, as training programs save it beside their own state
    /// (`state_dict.`, `module.`): where `anchor`, a tensor of the network, is there once and only behind such a
    /// prefix, everything without it is left out.
    pub(crate) fn seek(&mut self, anchor: &str) {
        if self.unused.contains(anchor) {
            return;
        }
        let mut prefixes = self.unused.iter().filter_map(|name| {
            let prefix = name.strip_suffix(anchor)?;
            prefix.ends_with('.').then(|| prefix.to_owned())
        });
        if let (Some(prefix), None) = (prefixes.next(), prefixes.next()) {
            self.unused.retain(|name| name.starts_with(&prefix));
            self.prefix = prefix;
        }
    }

    /// The finite values of a float16 or float32 tensor of that shape, row-major.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let mismatch = |found: String| Error::Weights {
            file: self.file.to_owned(),
            tensor: name.to_owned(),
            found,
            expected: format!("F16 or F32 {shape:?}"),
        };
        let full = format!("{}{name}", self.prefix);
        let (dtype, found) = self
            .source
            .describe(&full)
            .ok_or_else(|| mismatch("missing".to_owned()))?;
        if found != shape {
            return Err(mismatch(format!("{dtype} {found:?}")));
        }
        let values = self
            .source
            .floats(&full)?
            .ok_or_else(|| mismatch(format!("{dtype} {found:?}")))?;
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(self.bad_value(name, index, values[index]));
        }
        self.unused.remove(&full);
        Ok(values)
    }

    /// A value that the network cannot work with.
    pub(crate) fn bad_value(&self, name: &str, index: usize, value: f32) -> Error {
        Error::WeightValue {
            file: self.file.to_owned(),
            tensor: name.to_owned(),
            index,
            value,
        }
    }

    /// Leaves a tensor out, where it is there and of that shape: a part of the file that the network does not have.
    pub(crate) fn skip(&mut self, name: &str, shape: &[usize]) {
        let full = format!("{}{name}", self.prefix);
        if self
            .source
            .describe(&full)
            .is_some_and(|(_, found)| found == shape)
        {
            self.unused.remove(&full);
        }
    }

    /// Leaves out all tensors whose names begin so: parts of the file that belong to another network.
    pub(crate) fn skip_all(&mut self, prefix: &str) {
        let full = format!("{}{prefix}", self.prefix);
        self.unused.retain(|name| !name.starts_with(&full));
    }

    /// Refuses a file with tensors that nobody asked for.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.unused.into_iter().next() {
            Some(tensor) => {
                let found = match self.source.describe(&tensor) {
                    Some((dtype, shape)) => format!("there ({dtype} {shape:?})"),
                    None => "there".to_owned(),
                };
                Err(Error::Weights {
                    file: self.file.to_owned(),
                    tensor,
                    found,
                    expected: "no such tensor".to_owned(),
                })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
