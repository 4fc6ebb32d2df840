//! Weights from a file.

mod error;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use tensor_file::{Dtype, TensorFile};

pub use error::WeightError;

/// Largest file of weights: twenty times InceptionV3's.
const LARGEST: u64 = 2 << 30;

/// A file of weights, and the names of the tensors that no layer has asked for yet.
#[derive(Debug)]
pub(crate) struct WeightFile<'a> {
    file: TensorFile<'a>,
    unused: BTreeSet<String>,
    /// Precedes all names that are asked for.
    prefix: String,
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
        Ok(Self::new(TensorFile::open(path)?))
    }
}

impl<'a> WeightFile<'a> {
    /// The bytes of a safetensors file, which `file` names in errors.
    pub(crate) fn parse(bytes: &'a [u8], file: &str) -> Result<Self, WeightError> {
        Ok(Self::new(TensorFile::from_bytes(
            file,
            Cow::Borrowed(bytes),
        )?))
    }

    fn new(file: TensorFile<'a>) -> Self {
        Self {
            unused: file
                .tensors()
                .map(|tensor| tensor.name.to_owned())
                .collect(),
            file,
            prefix: String::new(),
        }
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
    /// (`state_dict.`, `module.`): if `anchor`, a tensor of the network, is there once and only after such a prefix,
    /// everything without the prefix is ignored.
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
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        let full = format!("{}{name}", self.prefix);
        let Some(tensor) = self.file.get(&full) else {
            return Err(WeightError::MissingTensor {
                path: self.file.path().to_path_buf(),
                tensor: full,
                shape: shape.to_vec(),
            });
        };
        if tensor.shape != shape || !matches!(tensor.dtype, Dtype::F16 | Dtype::F32) {
            return Err(WeightError::OtherTensor {
                path: self.file.path().to_path_buf(),
                found: tensor.to_string(),
                tensor: full,
                shape: shape.to_vec(),
            });
        }
        let values = self.file.read_finite(&full)?;
        self.unused.remove(&full);
        Ok(values)
    }

    /// The error for a variance below zero.
    pub(crate) fn negative_variance(&self, name: &str, index: usize, value: f32) -> WeightError {
        WeightError::NegativeVariance {
            path: self.file.path().to_path_buf(),
            tensor: format!("{}{name}", self.prefix),
            index,
            value,
        }
    }

    /// Ignores a tensor if it is there and of that shape: a part of the file that the network does not have.
    pub(crate) fn skip(&mut self, name: &str, shape: &[usize]) {
        let full = format!("{}{name}", self.prefix);
        if self
            .file
            .get(&full)
            .is_some_and(|tensor| tensor.shape == shape)
        {
            self.unused.remove(&full);
        }
    }

    /// Ignores all tensors whose names begin so: parts of the file that belong to another network.
    pub(crate) fn skip_all(&mut self, prefix: &str) {
        let full = format!("{}{prefix}", self.prefix);
        self.unused.retain(|name| !name.starts_with(&full));
    }

    /// Refuses a file with tensors that no layer asked for.
    pub(crate) fn finish(self) -> Result<(), WeightError> {
        let Some(tensor) = self.unused.iter().find_map(|name| self.file.get(name)) else {
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
