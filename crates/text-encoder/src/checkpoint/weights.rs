//! Single tensors out of a safetensors file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use half::{bf16, f16};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};

use crate::Error;

/// The format's own limit on the header.
const MAX_HEADER: u64 = 100_000_000;

/// An open safetensors file. Only the tensors asked for are read: a full CLIP file holds a vision tower too.
pub(crate) struct WeightsFile {
    file: File,
    name: String,
    header: Metadata,
    data: u64,
    prefix: &'static str,
}

impl WeightsFile {
    /// Opens `path` and checks its header against its size. Tensor names are taken to start with the first of
    /// `prefixes` for which PREFIX + `probe` is there, or with the first of them.
    pub(crate) fn open(path: &Path, probe: &str, prefixes: &[&'static str]) -> Result<Self, Error> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let name = path.display().to_string();
        let damaged = |source| Error::Safetensors {
            file: name.clone(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if size < 8 {
            return Err(damaged(SafeTensorError::HeaderTooSmall));
        }
        let mut length = [0u8; 8];
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            return Err(damaged(SafeTensorError::HeaderTooLarge));
        }
        if length > size - 8 {
            return Err(damaged(SafeTensorError::InvalidHeaderLength));
        }
        let mut header = vec![0u8; length as usize];
        file.read_exact(&mut header).map_err(io)?;
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|e| damaged(SafeTensorError::InvalidHeaderDeserialization(e)))?;
        let data = 8 + length;
        if header.data_len() as u64 != size - data {
            return Err(damaged(SafeTensorError::MetadataIncompleteBuffer));
        }
        let there = |prefix: &&&str| header.info(&format!("{prefix}{probe}")).is_some();
        let prefix = prefixes.iter().find(there).or(prefixes.first());
        let prefix = prefix.copied().unwrap_or("");
        Ok(Self {
            file,
            name,
            header,
            data,
            prefix,
        })
    }

    /// The file's path, for errors.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Shape of a tensor by its full name, if it is there.
    pub(crate) fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.header.info(tensor).map(|info| info.shape.as_slice())
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
            file: self.name.clone(),
            tensor: tensor.into(),
            found,
            expected: format!("F32, F16 or BF16 {shape:?}"),
        };
        let info = self
            .header
            .info(tensor)
            .ok_or_else(|| mismatch("missing".into()))?;
        let size = match info.dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            _ => 0,
        };
        let (start, end) = info.data_offsets;
        // The header was checked against the file's size, and these sizes against the header: nothing larger than
        // the file is allocated.
        let bytes = shape.iter().try_fold(size, |n: usize, &d| n.checked_mul(d));
        if size == 0 || info.shape != shape || bytes != end.checked_sub(start) {
            return Err(mismatch(format!("{:?} {:?}", info.dtype, info.shape)));
        }
        let io = |source| Error::Io {
            path: self.name.clone().into(),
            source,
        };
        let mut data = vec![0u8; end - start];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.data + start as u64))
            .map_err(io)?;
        file.read_exact(&mut data).map_err(io)?;
        let halves = || data.as_chunks::<2>().0.iter();
        let values: Vec<f32> = match info.dtype {
            Dtype::F16 => halves().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => halves().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
            _ => {
                let words = data.as_chunks::<4>().0.iter();
                words.map(|&b| f32::from_le_bytes(b)).collect()
            }
        };
        match values.iter().position(|v| !v.is_finite()) {
            Some(position) => Err(Error::CheckpointValue {
                file: self.name.clone(),
                tensor: tensor.into(),
                position,
                value: values[position],
            }),
            None => Ok(values),
        }
    }
}
