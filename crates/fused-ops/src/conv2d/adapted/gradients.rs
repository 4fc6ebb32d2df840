//! The backward pass of an adapted convolution, which forms no gradient of the frozen weight unless it is wanted.
//!
//! With z = gain ⊙ ((W + scale·up·down) * x) + bias before the activation, and dz the gradient there:
//!
//! - d bias = Σ dz, and d gain = Σ dz · (z − bias)/gain, over images and pixels.
//! - The update reaches z through the r channels h = down * x, which the forward pass kept:
//!   d up = scale·gain ⊙ dz hᵗ; dh = scale·(gain ⊙ up)ᵗ dz; and d down is the weight gradient of a convolution of
//!   x to r channels, for the output gradient dh.

use rayon::prelude::*;

use super::kernel::{Adapted, AdaptedInputs, AdaptedKept, Factors};
use crate::conv2d::finish::Finish;
use crate::conv2d::geometry::Geometry;
use crate::conv2d::narrow::kernel_gradient;
use crate::conv2d::products::weight_gradient;
use crate::conv2d::sums::{before_activation, channel_dots, channel_products};
use crate::kernel::{Accumulate, Dense, Matrix, MatrixMut, multiply};

impl Adapted {
    /// Gradients of the inputs, from what the forward pass `kept` and the gradient of the output.
    pub(super) fn gradients(
        &self,
        inputs: &AdaptedInputs<Dense>,
        kept: &AdaptedKept,
        gradient: &Dense,
        wanted: &AdaptedInputs<bool>,
    ) -> AdaptedInputs<Option<Dense>> {
        let (outputs, _) = self.conv.outputs();
        let y = kept.output.values();
        let before =
            (self.slope != 1.0).then(|| before_activation(gradient.values(), y, self.slope));
        let dz = before.as_deref().unwrap_or(gradient.values());
        let (mut d_bias, mut d_gain) = (None, None);
        if wanted.bias || wanted.gain == Some(true) {
            let (bias, gain) = self.channel_gradients(inputs, y, dz);
            d_bias = Some(Dense::new(bias, &[outputs]));
            d_gain = gain.map(|gain| Dense::new(gain, &[outputs]));
        }
        AdaptedInputs {
            bias: d_bias,
            gain: wanted.gain.map(|_| d_gain),
            update: wanted.update.as_ref().map(|wanted| {
                let [down, up] = match (&inputs.update, &kept.inner) {
                    (Some(update), Some(inner)) if wanted.down || wanted.up => self
                        .update_gradients(inputs, update, inner.values(), dz)
                        .map(Some),
                    _ => [None, None],
                };
                Factors { down, up }
            }),
            x: wanted.x.then(|| {
                let weight = self.merged(inputs, inputs.gain(), false);
                self.conv.input_gradient(dz, &weight)
            }),
            weight: wanted.weight.then(|| self.frozen_gradient(inputs, dz)),
        }
    }

    /// Gradients of the bias and, if there is one, of the gain.
    fn channel_gradients(
        &self,
        inputs: &AdaptedInputs<Dense>,
        y: &[f32],
        dz: &[f32],
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let (outputs, pixels) = self.conv.outputs();
        // An activation that lets a value through leaves it as it was, and dz is 0 for the others. So the output says
        // what came before it, and dividing by the gain gives what the gain was multiplied with.
        let (sums, mut products, lost) = channel_products(dz, y, inputs.bias.values(), pixels);
        let Some(gain) = inputs.gain() else {
            return (sums, None);
        };
        let exact = self.slope == 0.0 || self.slope == 1.0;
        if lost || !exact || gain.contains(&0.0) {
            let weight = self.merged(inputs, None, false);
            let z = (self.conv).forward(inputs.x.values(), &weight, Finish::NOTHING);
            products = channel_dots(dz, &z, outputs, pixels);
        } else {
            for (product, gain) in products.iter_mut().zip(gain) {
                *product /= gain;
            }
        }
        (sums, Some(products))
    }

    /// Gradients of the update's `down` and `up`, from `inner`, which is `down * x`.
    fn update_gradients(
        &self,
        inputs: &AdaptedInputs<Dense>,
        update: &Factors<Dense>,
        inner: &[f32],
        dz: &[f32],
    ) -> [Dense; 2] {
        let rank = self.rank;
        let [batch, outputs, height, width] = self.conv.output_dims();
        let pixels = height * width;
        let gain = inputs.gain();
        let gain = |output: usize| self.scale * gain.map_or(1.0, |gain| gain[output]);
        let scaled: Vec<f32> = (update.up.values().iter().enumerate())
            .map(|(i, up)| up * gain(i / rank))
            .collect();
        let mut d_inner = vec![0.0; batch * rank * pixels];
        let parts: Vec<Vec<f32>> = (d_inner.par_chunks_exact_mut(rank * pixels))
            .zip(dz.par_chunks_exact(outputs * pixels))
            .zip(inner.par_chunks_exact(rank * pixels))
            .map(|((d_inner, dz), inner)| {
                let dz = Matrix::new(dz, outputs, pixels, pixels);
                multiply(
                    MatrixMut::new(d_inner, rank, pixels, pixels),
                    Matrix::new(&scaled, outputs, rank, rank).transpose(),
                    dz,
                    1.0,
                    Accumulate::Replace,
                );
                let mut part = vec![0.0; outputs * rank];
                multiply(
                    MatrixMut::new(&mut part, outputs, rank, rank),
                    dz,
                    Matrix::new(inner, rank, pixels, pixels).transpose(),
                    1.0,
                    Accumulate::Replace,
                );
                part
            })
            .collect();
        let mut d_up = vec![0.0; outputs * rank];
        for part in &parts {
            for (sum, value) in d_up.iter_mut().zip(part) {
                *sum += value;
            }
        }
        for (i, value) in d_up.iter_mut().enumerate() {
            *value *= gain(i / rank);
        }
        let d_down = self.down_gradient(inputs.x.values(), &d_inner);
        let fan_in = d_down.len() / rank;
        [
            Dense::new(d_down, &[rank, fan_in]),
            Dense::new(d_up, &[outputs, rank]),
        ]
    }

    /// The gradient of `down`, `[r, c·kh·kw]`, from that of `down * x`.
    fn down_gradient(&self, x: &[f32], d_inner: &[f32]) -> Vec<f32> {
        let rank = self.rank;
        let mut inner: Geometry = self.conv.geometry.clone();
        if !self.conv.transposed {
            inner.small = rank;
            return kernel_gradient(&inner, x, d_inner);
        }
        inner.large = rank;
        // `[c, r·kh·kw]`: the kernels change places.
        let gradient = weight_gradient(&inner, d_inner, x);
        let area = inner.area();
        let mut turned = Vec::with_capacity(gradient.len());
        for r in 0..rank {
            for c in 0..inner.small {
                turned.extend_from_slice(&gradient[(c * rank + r) * area..][..area]);
            }
        }
        turned
    }

    /// The gradient of W, which is frozen in all layers of this workspace.
    fn frozen_gradient(&self, inputs: &AdaptedInputs<Dense>, dz: &[f32]) -> Dense {
        let (outputs, _) = self.conv.outputs();
        let mut dw = self.conv.weight_gradient(inputs.x.values(), dz);
        if let Some(gain) = inputs.gain() {
            let area = self.conv.geometry.area();
            for (i, kernel) in dw.chunks_exact_mut(area).enumerate() {
                let output = if self.conv.transposed {
                    i % outputs
                } else {
                    i / self.conv.inputs()
                };
                for value in kernel {
                    *value *= gain[output];
                }
            }
        }
        Dense::new(dw, &inputs.weight.dims::<4>())
    }
}
