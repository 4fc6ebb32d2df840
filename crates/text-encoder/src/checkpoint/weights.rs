//! Single tensors out of a checkpoint's weights file, whichever format it has.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use half::{bf16, f16};

use super::CheckpointDigest;
use super::pytorch::PytorchFile;
use super::safetensors::SafetensorsFile;
use crate::Error;

/// Names of the weights in a folder, the first one there counts, as in `transformers`.
const SAFETENSORS: &str = "model.safetensors";
const PYTORCH: &str = "pytorch_model.bin";

/// Element types that are read; all become f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F16,
    Bf16,
}

impl Element {
    pub(super) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// What a file says about one of its tensors.
pub(super) struct Entry<'a> {
    /// None for a type that is not read.
    pub(super) element: Option<Element>,
    /// The type as the file's format calls it, for errors.
    pub(super) kind: String,
    pub(super) shape: &'a [usize],
}

/// A weights file whose structure has been checked and whose tensors are read one by one.
pub(super) trait Source: std::fmt::Debug {
    fn entry(&self, tensor: &str) -> Option<Entry<'_>>;

    /// The little-endian bytes of a tensor that is there, `expected` of them.
    fn bytes(&self, tensor: &str, expected: usize) -> Result<Vec<u8>, Error>;
}

/// The weights of a folder. Only the tensors asked for are read: a full CLIP file holds a vision tower too.
#[derive(Debug)]
pub(crate) struct Weights {
    source: Box<dyn Source>,
    path: PathBuf,
    prefix: &'static str,
}

impl Weights {
    /// Opens `model.safetensors`, else `pytorch_model.bin` of a folder, and checks its structure. Tensor names are taken
    /// to start with the first of `prefixes` for which PREFIX + `probe` is there, or with the first of them.
    pub(crate) fn open(dir: &Path, probe: &str, prefixes: &[&'static str]) -> Result<Self, Error> {
        let (safetensors, pytorch) = (dir.join(SAFETENSORS), dir.join(PYTORCH));
        let (source, path): (Box<dyn Source>, _) = if safetensors.exists() {
            (Box::new(SafetensorsFile::open(&safetensors)?), safetensors)
        } else if pytorch.exists() {
            (Box::new(PytorchFile::open(&pytorch)?), pytorch)
        } else {
            return Err(Error::NoWeights {
                dir: dir.to_owned(),
                expected: "model.safetensors or pytorch_model.bin",
            });
        };
        let there = |prefix: &&&str| source.entry(&format!("{prefix}{probe}")).is_some();
        let prefix = prefixes.iter().find(there).or(prefixes.first());
        let prefix = prefix.copied().unwrap_or("");
        Ok(Self {
            source,
            path,
            prefix,
        })
    }

    /// The file, for errors.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Puts the file into `digest`, with its name.
    pub(crate) fn digest(&self, digest: &mut CheckpointDigest) -> Result<(), Error> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        digest.file(&name, &self.path)
    }

    /// Shape of a tensor by its full name, if it is there.
    pub(crate) fn shape(&self, tensor: &str) -> Option<Vec<usize>> {
        self.source.entry(tensor).map(|entry| entry.shape.to_vec())
    }

    /// A tensor onto `device`, by its name without the prefix.
    pub(crate) fn tensor<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>, Error> {
        let values = self.values(name, &shape)?;
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    /// A tensor's values as f32, by its name without the prefix.
    pub(crate) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.values_of(&format!("{}{name}", self.prefix), shape)
    }

    /// A tensor's values as f32, by its full name.
    pub(crate) fn values_of(&self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let mismatch = |found: String| Error::Checkpoint {
            file: self.name(),
            tensor: tensor.into(),
            found,
            expected: format!("F32, F16 or BF16 {shape:?}"),
        };
        let Some(entry) = self.source.entry(tensor) else {
            return Err(mismatch("missing".into()));
        };
        let size = entry.element.map_or(0, Element::size);
        let bytes = shape.iter().try_fold(size, |n: usize, &d| n.checked_mul(d));
        let (Some(element), Some(bytes)) = (entry.element, bytes) else {
            return Err(mismatch(format!("{} {:?}", entry.kind, entry.shape)));
        };
        if entry.shape != shape {
            return Err(mismatch(format!("{} {:?}", entry.kind, entry.shape)));
        }
        let values = decode(element, &self.source.bytes(tensor, bytes)?);
        match values.iter().position(|v| !v.is_finite()) {
            Some(position) => Err(Error::CheckpointValue {
                file: self.name(),
                tensor: tensor.into(),
                position,
                value: values[position],
            }),
            None => Ok(values),
        }
    }
}

fn decode(element: Element, data: &[u8]) -> Vec<f32> {
    let halves = || data.as_chunks::<2>().0.iter();
    match element {
        Element::F16 => halves().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Element::Bf16 => halves().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        Element::F32 => {
            let words = data.as_chunks::<4>().0.iter();
            words.map(|&b| f32::from_le_bytes(b)).collect()
        }
    }
}
