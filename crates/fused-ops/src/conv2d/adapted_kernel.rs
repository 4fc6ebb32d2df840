//! The kernel of [`AdaptedConv2d`].

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::adapted::{AdaptedConv2d, ConvShape};
use super::geometry::Geometry;
use super::narrow::{kernel_gradient, small_side};
use super::plain::large_side;
use super::products::{Finish, down, large_shares, small_shares, up, weight_gradient};
use super::sums::{before_activation, channel_dots, channel_products};
use crate::kernel::{Accumulate, Dense, Input, Kernel, Matrix, MatrixMut, apply, multiply};

/// Inputs: x, weight, bias, then gain, then the update's down and up, where there are any.
#[derive(Clone, Debug)]
struct Adapted {
    geometry: Geometry,
    transposed: bool,
    gain: bool,
    /// The update's rank and scale.
    update: Option<(usize, f32)>,
    slope: f32,
}

pub(super) fn run(layer: &AdaptedConv2d, x: &Tensor<4>) -> Option<Tensor<4>> {
    let dims = layer.weight.dims();
    let (geometry, transposed) = match layer.shape {
        ConvShape::Down { stride, padding } => {
            (Geometry::down(x.dims(), dims, stride, padding)?, false)
        }
        ConvShape::Up {
            stride,
            padding,
            output_padding,
        } => (
            Geometry::up(x.dims(), dims, stride, padding, output_padding)?,
            true,
        ),
    };
    let (inputs, outputs) = match transposed {
        false => (geometry.large, geometry.small),
        true => (geometry.small, geometry.large),
    };
    let per_channel = |values: &Tensor<1>| values.dims() == [outputs];
    let fits = per_channel(&layer.bias) && layer.gain.as_ref().is_none_or(per_channel);
    if !fits || !layer.activation.fits() {
        return None;
    }
    let mut tensors = vec![
        Input::of(x),
        Input::of(&layer.weight),
        Input::of(&layer.bias),
    ];
    tensors.extend(layer.gain.as_ref().map(Input::of));
    let mut update = None;
    if let Some(pair) = &layer.update {
        let [rank, fan_in] = pair.down.dims();
        if fan_in != inputs * geometry.area() || pair.up.dims() != [outputs, rank] || rank == 0 {
            return None;
        }
        update = Some((rank, pair.scale as f32));
        tensors.extend([Input::of(&pair.down), Input::of(&pair.up)]);
    }
    let kernel = Adapted {
        geometry,
        transposed,
        gain: layer.gain.is_some(),
        update,
        slope: layer.activation.slope(),
    };
    apply(kernel, tensors)
}

impl Adapted {
    /// Channels of the output and its pixels.
    fn outputs(&self) -> (usize, usize) {
        let geometry = &self.geometry;
        if self.transposed {
            (geometry.large, geometry.large_pixels())
        } else {
            (geometry.small, geometry.small_pixels())
        }
    }

    /// Of an update that is there.
    fn rank(&self) -> usize {
        self.update.map_or(0, |(rank, _)| rank)
    }

    fn gain<'a>(&self, inputs: &'a [Dense]) -> Option<&'a [f32]> {
        self.gain.then(|| inputs[3].values())
    }

    /// Rank, scale, down and up.
    fn update<'a>(&self, inputs: &'a [Dense]) -> Option<(usize, f32, &'a [f32], &'a [f32])> {
        let (rank, scale) = self.update?;
        let at = 3 + usize::from(self.gain);
        Some((rank, scale, inputs[at].values(), inputs[at + 1].values()))
    }

    /// The geometry with as many output channels as the update's rank.
    fn inner(&self) -> Geometry {
        let mut inner = self.geometry.clone();
        if self.transposed {
            inner.large = self.rank();
        } else {
            inner.small = self.rank();
        }
        inner
    }

    /// `(W + scale·up·down)`, times `gain`; of the weight's layout, `down` behind the output channels
    /// where `stacked`.
    fn merged(&self, inputs: &[Dense], gain: Option<&[f32]>, stacked: bool) -> Vec<f32> {
        let (outputs, _) = self.outputs();
        let area = self.geometry.area();
        let weight = inputs[1].values();
        let update = self.update(inputs);
        let channels = weight.len() / (outputs * area);
        let fan_in = channels * area;
        let rows = outputs + if stacked { self.rank() } else { 0 };
        let mut delta = Vec::new();
        if let Some((rank, scale, down, up)) = update {
            delta = vec![0.0; outputs * fan_in];
            multiply(
                MatrixMut::new(&mut delta, outputs, fan_in, fan_in),
                Matrix::new(up, outputs, rank, rank),
                Matrix::new(down, rank, fan_in, fan_in),
                scale,
                Accumulate::Replace,
            );
        }
        let mut merged = vec![0.0; rows * fan_in];
        // Kernels of `area` values: (output, input) in the update, the other way round in the weight
        // of a transposed convolution.
        let place = |output: usize, input: usize, outputs: usize| match self.transposed {
            true => (input * outputs + output) * area,
            false => (output * channels + input) * area,
        };
        for output in 0..outputs {
            let gain = gain.map_or(1.0, |gain| gain[output]);
            for input in 0..channels {
                let weight = &weight[place(output, input, outputs)..][..area];
                let merged = &mut merged[place(output, input, rows)..][..area];
                if delta.is_empty() {
                    for (merged, weight) in merged.iter_mut().zip(weight) {
                        *merged = weight * gain;
                    }
                } else {
                    let delta = &delta[(output * channels + input) * area..][..area];
                    for ((merged, weight), delta) in merged.iter_mut().zip(weight).zip(delta) {
                        *merged = (weight + delta) * gain;
                    }
                }
            }
        }
        if let Some((rank, _, down, _)) = update.filter(|_| stacked) {
            for inner in 0..rank {
                for input in 0..channels {
                    merged[place(outputs + inner, input, rows)..][..area]
                        .copy_from_slice(&down[(inner * channels + input) * area..][..area]);
                }
            }
        }
        merged
    }

    /// The convolution of `x` with a weight as [`Adapted::merged`] gives it, and `down * x`.
    fn convolve(&self, x: &[f32], weight: &[f32], finish: Finish, stacked: bool) -> [Vec<f32>; 2] {
        let geometry = &self.geometry;
        let (outputs, pixels) = self.outputs();
        if !stacked && !self.transposed {
            return [small_side(geometry, x, weight, finish), Vec::new()];
        }
        let size = if self.transposed {
            geometry.large_size
        } else {
            geometry.small_size
        };
        let shares = if self.transposed {
            large_shares(geometry)
        } else {
            small_shares(geometry)
        };
        let mut y = vec![0.0; geometry.batch * outputs * pixels];
        let mut places = shares.split(&mut y, outputs, size);
        let mut h = Vec::new();
        if stacked {
            h = vec![0.0; geometry.batch * self.rank() * pixels];
            let inner = shares.split(&mut h, self.rank(), size);
            for (place, inner) in places.iter_mut().zip(inner) {
                place.extend(inner);
            }
        }
        if self.transposed {
            up(geometry, x, weight, finish, places);
        } else {
            down(geometry, x, weight, finish, places);
        }
        [y, h]
    }

    /// Gradients of the update's down and up.
    fn update_gradients(
        &self,
        inputs: &[Dense],
        h: &[f32],
        dz: &[f32],
        (rank, scale, up): (usize, f32, &[f32]),
    ) -> [Vec<f32>; 2] {
        let (outputs, pixels) = self.outputs();
        let gain = self.gain(inputs);
        let gain = |output: usize| scale * gain.map_or(1.0, |gain| gain[output]);
        let scaled: Vec<f32> = (up.iter().enumerate())
            .map(|(i, up)| up * gain(i / rank))
            .collect();
        let mut dh = vec![0.0; self.geometry.batch * rank * pixels];
        let parts: Vec<Vec<f32>> = (dh.par_chunks_exact_mut(rank * pixels))
            .zip(dz.par_chunks_exact(outputs * pixels))
            .zip(h.par_chunks_exact(rank * pixels))
            .map(|((dh, dz), h)| {
                let dz = Matrix::new(dz, outputs, pixels, pixels);
                multiply(
                    MatrixMut::new(dh, rank, pixels, pixels),
                    Matrix::new(&scaled, outputs, rank, rank).transpose(),
                    dz,
                    1.0,
                    Accumulate::Replace,
                );
                let mut part = vec![0.0; outputs * rank];
                multiply(
                    MatrixMut::new(&mut part, outputs, rank, rank),
                    dz,
                    Matrix::new(h, rank, pixels, pixels).transpose(),
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
        let x = inputs[0].values();
        let inner = self.inner();
        let d_down = if self.transposed {
            // `[c, r·kh·kw]`, of which the kernels change places.
            let gradient = weight_gradient(&inner, &dh, x);
            let area = inner.area();
            let mut turned = Vec::with_capacity(gradient.len());
            for r in 0..rank {
                for c in 0..inner.small {
                    turned.extend_from_slice(&gradient[(c * rank + r) * area..][..area]);
                }
            }
            turned
        } else {
            kernel_gradient(&inner, x, &dh)
        };
        [d_down, d_up]
    }
}

impl Kernel for Adapted {
    fn forward(&self, inputs: &[Dense], keep: bool) -> (Dense, Vec<Dense>) {
        let geometry = &self.geometry;
        let stacked = keep && self.update.is_some();
        let weight = self.merged(inputs, self.gain(inputs), stacked);
        let finish = Finish {
            bias: Some(inputs[2].values()),
            slope: self.slope,
            channels: self.outputs().0,
        };
        let [y, h] = self.convolve(inputs[0].values(), &weight, finish, stacked);
        let dims = if self.transposed {
            geometry.large_dims()
        } else {
            geometry.small_dims()
        };
        let y = Dense::new(y, &dims);
        let mut kept = Vec::new();
        if keep {
            kept.push(y.clone());
        }
        if stacked {
            let [batch, _, height, width] = dims;
            kept.push(Dense::new(h, &[batch, self.rank(), height, width]));
        }
        (y, kept)
    }

    fn backward(
        &self,
        inputs: &[Dense],
        kept: &[Dense],
        gradient: &Dense,
        wanted: &[bool],
    ) -> Vec<Option<Dense>> {
        let geometry = &self.geometry;
        let x = inputs[0].values();
        let (outputs, pixels) = self.outputs();
        let y = kept[0].values();
        let before =
            (self.slope != 1.0).then(|| before_activation(gradient.values(), y, self.slope));
        let dz = before.as_deref().unwrap_or(gradient.values());
        let gain = self.gain(inputs);
        let mut gradients = vec![None; inputs.len()];
        let wants = |at: usize| wanted.get(at) == Some(&true);

        if wants(2) || (self.gain && wants(3)) {
            let bias = inputs[2].values();
            // Behind an activation that lets everything through, the output says what came before it.
            let (sums, mut products, lost) = channel_products(dz, y, bias, pixels);
            gradients[2] = Some(Dense::new(sums, &[outputs]));
            if let Some(gain) = gain {
                let exact = self.slope == 0.0 || self.slope == 1.0;
                if lost || !exact || gain.contains(&0.0) {
                    let weight = self.merged(inputs, None, false);
                    let [z, _] = self.convolve(x, &weight, Finish::NOTHING, false);
                    products = channel_dots(dz, &z, outputs, pixels);
                } else {
                    for (product, gain) in products.iter_mut().zip(gain) {
                        *product /= gain;
                    }
                }
                gradients[3] = Some(Dense::new(products, &[outputs]));
            }
        }
        let at = 3 + usize::from(self.gain);
        if let Some((rank, scale, down, up)) = self.update(inputs)
            && (wants(at) || wants(at + 1))
            && let Some(h) = kept.get(1)
        {
            let [d_down, d_up] = self.update_gradients(inputs, h.values(), dz, (rank, scale, up));
            gradients[at] = Some(Dense::new(d_down, &[rank, down.len() / rank]));
            gradients[at + 1] = Some(Dense::new(d_up, &[outputs, rank]));
        }
        if wants(0) {
            let weight = self.merged(inputs, gain, false);
            gradients[0] = Some(if self.transposed {
                let dx = small_side(geometry, dz, &weight, Finish::NOTHING);
                Dense::new(dx, &geometry.small_dims())
            } else {
                let dx = large_side(geometry, dz, &weight, Finish::NOTHING);
                Dense::new(dx, &geometry.large_dims())
            });
        }
        if wants(1) {
            let mut dw = if self.transposed {
                kernel_gradient(geometry, dz, x)
            } else {
                kernel_gradient(geometry, x, dz)
            };
            let area = geometry.area();
            for (i, kernel) in dw.chunks_exact_mut(area).enumerate() {
                let output = if self.transposed {
                    i % outputs
                } else {
                    i / geometry.large
                };
                let gain = gain.map_or(1.0, |gain| gain[output]);
                for value in kernel {
                    *value *= gain;
                }
            }
            gradients[1] = Some(Dense::new(dw, &inputs[1].dims::<4>()));
        }
        gradients
    }
}
