//! Weights under the names of pytorch-fid's and torchvision's state dict.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, TensorData};

use super::stages::{CLASSES, FEATURES};
use crate::Error;
use crate::networks::weights::WeightFile;

const BATCH_NORM_EPSILON: f64 = 1e-3;

pub(super) struct Weights<'a>(WeightFile<'a>);

impl<'a> Weights<'a> {
    pub(super) fn new(mut file: WeightFile<'a>, part: Option<&str>) -> Result<Self, Error> {
        file.seek("Conv2d_1a_3x3.conv.weight", part)?;
        Ok(Self(file))
    }

    /// Folds `NAME.bn` into `NAME.conv` and puts the result into `conv`.
    pub(super) fn fill(&mut self, name: &str, conv: &mut Conv2d) -> Result<(), Error> {
        let shape: [usize; 4] = conv.weight.lazy_shape().dims();
        let outputs = shape[0];
        let mut weight = self.0.take(&format!("{name}.conv.weight"), &shape)?;
        let mut norm = |part: &str| self.0.take(&format!("{name}.bn.{part}"), &[outputs]);
        let (gain, shift) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        if let Some(index) = variance.iter().position(|v| *v < 0.0) {
            let tensor = format!("{name}.bn.running_var");
            return Err(self
                .0
                .negative_variance(&tensor, index, variance[index])
                .into());
        }
        self.0.skip(&format!("{name}.bn.num_batches_tracked"), &[]);

        let mut bias = Vec::with_capacity(outputs);
        let size = weight.len() / outputs;
        for (channel, kernel) in weight.chunks_exact_mut(size).enumerate() {
            let spread = (f64::from(variance[channel]) + BATCH_NORM_EPSILON).sqrt();
            let factor = f64::from(gain[channel]) / spread;
            for value in kernel {
                *value = (f64::from(*value) * factor) as f32;
            }
            bias.push((f64::from(shift[channel]) - f64::from(mean[channel]) * factor) as f32);
        }
        let device = conv.weight.lazy_device();
        conv.weight = Param::from_tensor(Tensor::from_data(
            TensorData::new(weight, shape.to_vec()),
            &device,
        ));
        conv.bias = Some(Param::from_tensor(Tensor::from_data(
            TensorData::new(bias, vec![outputs]),
            &device,
        )));
        Ok(())
    }

    /// Refuses tensors that are left over. The classifier of the graph of 2015 may be among them; with any other, these are
    /// weights of another network.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.0.skip("fc.weight", &[CLASSES, FEATURES]);
        self.0.skip("fc.bias", &[CLASSES]);
        Ok(self.0.finish()?)
    }
}
