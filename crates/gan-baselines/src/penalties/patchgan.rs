//! PatchGAN's forward-mode derivative.

use burn::module::Param;
use burn::tensor::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use lora_gan::PatchGan;
use lora_gan::layers::{Norm, PatchLayer};

use super::critic::Critic;
use super::dual::Dual;
use crate::error::Error;

impl Critic for PatchGan {
    fn sum(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<1>, Error> {
        Ok(self.forward(photo, edited)?.sum())
    }

    fn sum_along(
        &self,
        photo: Tensor<4>,
        edited: Tensor<4>,
        direction: Tensor<4>,
    ) -> Result<Tensor<1>, Error> {
        self.check_input(&photo, &edited)?;
        let pair = Dual {
            tangent: Tensor::cat(vec![photo.zeros_like(), direction], 1),
            value: Tensor::cat(vec![photo, edited], 1),
        };
        let logits = self.layers.iter().fold(pair, through_layer);
        Ok(logits.tangent.sum())
    }
}

fn through_layer(x: Dual<4>, layer: &PatchLayer) -> Dual<4> {
    let y = x.linear(|t| {
        let options = ConvOptions::new([layer.stride; 2], [1, 1], [1, 1], 1);
        conv2d(t, layer.weight.val(), None, options)
    });
    let y = match &layer.bias {
        Some(bias) => y.shift(bias.val().reshape([1, -1, 1, 1])),
        None => y,
    };
    let y = match &layer.norm {
        Some(norm) => through_norm(y, norm),
        None => y,
    };
    if layer.activation {
        y.leaky_relu(1.0)
    } else {
        y
    }
}

/// The norm by the statistics of the batch or the image; running statistics stay as they are.
fn through_norm(x: Dual<4>, norm: &Norm) -> Dual<4> {
    let axes: &[usize] = if norm.is_batch() { &[0, 2, 3] } else { &[2, 3] };
    let y = x.normalize(axes, Norm::EPSILON);
    match (&norm.gamma, &norm.beta) {
        (Some(gamma), Some(beta)) => {
            let wide = |p: &Param<Tensor<1>>| p.val().reshape([1, -1, 1, 1]);
            y.linear(|t| t * wide(gamma)).shift(wide(beta))
        }
        _ => y,
    }
}
