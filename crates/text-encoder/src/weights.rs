//! Single tensors of a folder's weights file, whichever format it has.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use tensor_file::{Dtype, TensorFile};

use crate::Error;
use crate::digest::CheckpointDigest;

/// Names of the weights in a folder; the first that exists counts, as in `transformers`.
const SAFETENSORS: &str = "model.safetensors";
const PYTORCH: &str = "pytorch_model.bin";

/// The weights of a folder. Only the tensors asked for are read: a full CLIP file holds a vision tower too.
#[derive(Debug)]
pub(crate) struct Weights {
    file: TensorFile<'static>,
    prefix: &'static str,
}

impl Weights {
    /// Opens `model.safetensors` of a folder, or else `pytorch_model.bin`, and checks its structure. Tensor names are
    /// taken to start with the first of `prefixes` for which PREFIX + `probe` exists, or with the first of them.
    pub(crate) fn open(dir: &Path, probe: &str, prefixes: &[&'static str]) -> Result<Self, Error> {
        let (safetensors, pytorch) = (dir.join(SAFETENSORS), dir.join(PYTORCH));
        let file = if safetensors.exists() {
            TensorFile::open_safetensors(safetensors)?
        } else if pytorch.exists() {
            TensorFile::open_pytorch(pytorch)?
        } else {
            return Err(Error::NoWeights {
                dir: dir.to_owned(),
                expected: "model.safetensors or pytorch_model.bin",
            });
        };
        let exists = |prefix: &&&str| file.get(&format!("{prefix}{probe}")).is_some();
        let prefix = prefixes.iter().find(exists).or(prefixes.first());
        let prefix = prefix.copied().unwrap_or("");
        Ok(Self { file, prefix })
    }

    /// The file, for errors.
    pub(crate) fn name(&self) -> String {
        self.file.path().display().to_string()
    }

    /// Puts the file into `digest`, with its name.
    pub(crate) fn digest(&self, digest: &mut CheckpointDigest) -> Result<(), Error> {
        let path = self.file.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        digest.file(&name, path)
    }

    /// Shape of a tensor by its full name, if it exists.
    pub(crate) fn shape(&self, tensor: &str) -> Option<Vec<usize>> {
        self.file.get(tensor).map(|info| info.shape.to_vec())
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

    /// A tensor's values as f32, by its full name. They are finite.
    pub(crate) fn values_of(&self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let info = self.file.get(tensor);
        let fits = info.is_some_and(|info| {
            matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) && info.shape == shape
        });
        if fits {
            return Ok(self.file.read_finite(tensor)?);
        }
        Err(Error::Tensor {
            file: self.name(),
            tensor: tensor.into(),
            found: info.map_or_else(|| "missing".into(), |info| info.to_string()),
            expected: format!("F32, F16 or BF16 {shape:?}"),
        })
    }
}
