//! Weights from a file.

mod error;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tensor_file::{Dtype, TensorFile, TensorInfo};

pub use error::WeightError;

/// Largest file of weights: twenty times InceptionV3's.
const LARGEST: u64 = 2 << 30;

/// A file of weights, and the names of the tensors that no layer has asked for yet.
#[derive(Debug)]
pub(crate) struct WeightFile<'a> {
    file: TensorFile<'a>,
    /// The part of the file that names are asked for in; empty for the file itself.
    part: String,
    /// The names in the part, and the file's.
    names: BTreeMap<String, String>,
    unused: BTreeSet<String>,
}

impl WeightFile<'static> {
    /// Opens a safetensors file or a PyTorch checkpoint; the content decides which. Tensors stay on disk until they are
    /// asked for.
    pub(crate) fn open(path: &Path) -> Result<Self, WeightError> {
        let io = |source| tensor_file::Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > LARGEST {
            return Err(WeightError::File(tensor_file::Error::TooLarge {
                path: path.to_path_buf(),
                bytes,
                limit: LARGEST,
            }));
        }
        Self::new(TensorFile::open(path)?)
    }
}

impl<'a> WeightFile<'a> {
    /// The bytes of a safetensors file, which `file` names in errors.
    pub(crate) fn parse(bytes: &'a [u8], file: &str) -> Result<Self, WeightError> {
        Self::new(TensorFile::from_bytes(file, Cow::Borrowed(bytes))?)
    }

    fn new(file: TensorFile<'a>) -> Result<Self, WeightError> {
        let mut weights = Self {
            file,
            part: String::new(),
            names: BTreeMap::new(),
            unused: BTreeSet::new(),
        };
        weights.select("")?;
        Ok(weights)
    }

    /// Takes one part of the file; everything else in it is ignored.
    fn select(&mut self, part: &str) -> Result<(), WeightError> {
        self.names = self.file.part(part)?;
        self.unused = self.names.keys().cloned().collect();
        part.clone_into(&mut self.part);
        Ok(())
    }

    /// Refuses a file whose metadata does not have these entries.
    pub(crate) fn require_metadata(
        &self,
        entries: &[(&'static str, &'static str)],
    ) -> Result<(), WeightError> {
        for (key, expected) in entries {
            let found = self.file.metadata().get(*key);
            if found.map(String::as_str) != Some(expected) {
                return Err(WeightError::Metadata {
                    path: self.file.path().to_path_buf(),
                    key,
                    found: found.cloned(),
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Looks for the network in a part of the file, as training programs save it beside their own state
    /// (`state_dict`, `params_ema`): in `part`, or else in the one part that holds `anchor`, a tensor of the network.
    /// Everything outside of that part is ignored.
    pub(crate) fn seek(&mut self, anchor: &str, part: Option<&str>) -> Result<(), WeightError> {
        if let Some(part) = part {
            return self.select(part);
        }
        let parts = self.file.parts_with(anchor);
        match parts.as_slice() {
            [] => Ok(()),
            [only] => self.select(only),
            several if several.iter().any(String::is_empty) => Ok(()),
            several => Err(WeightError::SeveralParts {
                path: self.file.path().to_path_buf(),
                keys: several
                    .iter()
                    .map(|key| format!("`{key}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// The finite values of a float16 or float32 tensor of that shape, row-major.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        let Some(tensor) = self.get(name) else {
            return Err(WeightError::MissingTensor {
                path: self.file.path().to_path_buf(),
                tensor: self.full(name),
                shape: shape.to_vec(),
            });
        };
        if tensor.shape != shape || !matches!(tensor.dtype, Dtype::F16 | Dtype::F32) {
            return Err(WeightError::OtherTensor {
                path: self.file.path().to_path_buf(),
                found: tensor.to_string(),
                tensor: self.full(name),
                shape: shape.to_vec(),
            });
        }
        let values = self.file.read_finite(tensor.name)?;
        self.unused.remove(name);
        Ok(values)
    }

    /// The error for a variance below zero.
    pub(crate) fn negative_variance(&self, name: &str, index: usize, value: f32) -> WeightError {
        WeightError::NegativeVariance {
            path: self.file.path().to_path_buf(),
            tensor: self.full(name),
            index,
            value,
        }
    }

    /// Ignores a tensor if it is there and of that shape: a part of the file that the network does not have.
    pub(crate) fn skip(&mut self, name: &str, shape: &[usize]) {
        if self.get(name).is_some_and(|tensor| tensor.shape == shape) {
            self.unused.remove(name);
        }
    }

    /// Ignores all tensors whose names begin so: parts of the file that belong to another network.
    pub(crate) fn skip_all(&mut self, prefix: &str) {
        self.unused.retain(|name| !name.starts_with(prefix));
    }

    /// A tensor by its name in the part.
    fn get(&self, name: &str) -> Option<TensorInfo<'_>> {
        self.file.get(self.names.get(name)?)
    }

    /// The file's name of a tensor, for errors.
    fn full(&self, name: &str) -> String {
        let known = self.names.get(name).cloned();
        known.unwrap_or_else(|| match self.part.as_str() {
            "" => name.to_owned(),
            part => format!("{part}.{name}"),
        })
    }

    /// Refuses a file with tensors that no layer asked for.
    pub(crate) fn finish(self) -> Result<(), WeightError> {
        let Some(tensor) = self.unused.iter().find_map(|name| self.get(name)) else {
            return Ok(());
        };
        Err(WeightError::UnexpectedTensor {
            path: self.file.path().to_path_buf(),
            tensor: tensor.name.to_owned(),
            found: tensor.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
