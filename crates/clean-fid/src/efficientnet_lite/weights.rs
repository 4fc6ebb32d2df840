//! Weights from a safetensors file.

use std::collections::BTreeSet;

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, TensorData};
use half::f16;
use safetensors::{Dtype, SafeTensors};

use crate::Error;

const FORMAT: &str = "clean-fid/efficientnet-lite0";
const VERSION: &str = "1";

/// A parsed file and the names not used yet.
pub(super) struct Weights<'a> {
    tensors: SafeTensors<'a>,
    unused: BTreeSet<String>,
    file: &'a str,
}

impl<'a> Weights<'a> {
    pub(super) fn parse(bytes: &'a [u8], file: &'a str) -> Result<Self, Error> {
        let damaged = |source| Error::Safetensors {
            file: file.to_owned(),
            source,
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        for (key, expected) in [("format", FORMAT), ("version", VERSION)] {
            let found = header.metadata().as_ref().and_then(|m| m.get(key));
            if found.map(String::as_str) != Some(expected) {
                return Err(Error::Metadata {
                    file: file.to_owned(),
                    key,
                    found: found.cloned(),
                    expected,
                });
            }
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let unused = tensors.names().into_iter().map(str::to_owned).collect();
        Ok(Self {
            tensors,
            unused,
            file,
        })
    }

    /// Replaces weight and bias of `conv` by `NAME.weight` and `NAME.bias`.
    pub(super) fn fill(&mut self, name: &str, conv: &mut Conv2d) -> Result<(), Error> {
        conv.weight = self.param(format!("{name}.weight"), &conv.weight)?;
        if let Some(bias) = &conv.bias {
            conv.bias = Some(self.param(format!("{name}.bias"), bias)?);
        }
        Ok(())
    }

    /// Refuses a file with tensors that nobody asked for.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self.unused.into_iter().next() {
            Some(tensor) => Err(Error::Weights {
                file: self.file.to_owned(),
                tensor,
                found: "there".to_owned(),
                expected: "no such tensor".to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn param<const D: usize>(
        &mut self,
        name: String,
        like: &Param<Tensor<D>>,
    ) -> Result<Param<Tensor<D>>, Error> {
        let shape: Vec<usize> = like.lazy_shape().to_vec();
        let mismatch = |found: String| Error::Weights {
            file: self.file.to_owned(),
            tensor: name.clone(),
            found,
            expected: format!("F16 or F32 {shape:?}"),
        };
        let view = self
            .tensors
            .tensor(&name)
            .map_err(|_| mismatch("missing".to_owned()))?;
        if view.shape() != shape {
            return Err(mismatch(format!("{:?} {:?}", view.dtype(), view.shape())));
        }
        let values: Vec<f32> = match view.dtype() {
            Dtype::F16 => view
                .data()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&b| f16::from_le_bytes(b).to_f32())
                .collect(),
            Dtype::F32 => view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&b| f32::from_le_bytes(b))
                .collect(),
            other => return Err(mismatch(format!("{other:?} {shape:?}"))),
        };
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::WeightValue {
                file: self.file.to_owned(),
                tensor: name,
                index,
                value: values[index],
            });
        }
        self.unused.remove(&name);
        let tensor = Tensor::from_data(TensorData::new(values, shape), &like.lazy_device());
        Ok(Param::from_tensor(tensor))
    }
}
