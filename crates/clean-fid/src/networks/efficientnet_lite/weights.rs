//! Folded convolutions from the asset's file.

use std::path::Path;

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, TensorData};

use crate::Error;
use crate::networks::weights::WeightFile;

const METADATA: [(&str, &str); 2] = [("format", "clean-fid/efficientnet-lite0"), ("version", "1")];

/// The file, of this format and version.
pub(super) struct Weights<'a>(WeightFile<'a>);

impl Weights<'static> {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Self::checked(WeightFile::open(path)?)
    }
}

impl<'a> Weights<'a> {
    pub(super) fn parse(bytes: &'a [u8], file: &'a str) -> Result<Self, Error> {
        Self::checked(WeightFile::parse(bytes, file)?)
    }

    fn checked(file: WeightFile<'a>) -> Result<Self, Error> {
        file.require_metadata(&METADATA)?;
        Ok(Self(file))
    }

    /// Replaces weight and bias of `conv` by `NAME.weight` and `NAME.bias`.
    pub(super) fn fill(&mut self, name: &str, conv: &mut Conv2d) -> Result<(), Error> {
        conv.weight = self.param(&format!("{name}.weight"), &conv.weight)?;
        if let Some(bias) = &conv.bias {
            conv.bias = Some(self.param(&format!("{name}.bias"), bias)?);
        }
        Ok(())
    }

    /// Refuses a file with tensors that no layer asked for.
    pub(super) fn finish(self) -> Result<(), Error> {
        Ok(self.0.finish()?)
    }

    fn param<const D: usize>(
        &mut self,
        name: &str,
        like: &Param<Tensor<D>>,
    ) -> Result<Param<Tensor<D>>, Error> {
        let shape: Vec<usize> = like.lazy_shape().to_vec();
        let values = self.0.take(name, &shape)?;
        let tensor = Tensor::from_data(TensorData::new(values, shape), &like.lazy_device());
        Ok(Param::from_tensor(tensor))
    }
}
