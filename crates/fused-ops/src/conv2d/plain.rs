//! The kernel of a convolution and of a transposed one.

use super::geometry::Geometry;
use super::narrow::{kernel_gradient, small_side};
use super::products::{Finish, large_shares, up};
use super::sums::{before_activation, channel_sums};
use crate::kernel::{Dense, Kernel};

#[derive(Clone, Debug)]
pub(super) struct Convolution {
    pub(super) geometry: Geometry,
    pub(super) transposed: bool,
    pub(super) bias: bool,
    /// Of the activation below zero; 1 for none.
    pub(super) slope: f32,
}

/// The large side of the small side `y`.
pub(super) fn large_side(
    geometry: &Geometry,
    y: &[f32],
    weight: &[f32],
    finish: Finish,
) -> Vec<f32> {
    let mut x = vec![0.0; geometry.batch * geometry.large * geometry.large_pixels()];
    let outputs = large_shares(geometry).split(&mut x, geometry.large, geometry.large_size);
    up(geometry, y, weight, finish, outputs);
    x
}

impl Kernel for Convolution {
    fn forward(&self, inputs: &[Dense], keep: bool) -> (Dense, Vec<Dense>) {
        let geometry = &self.geometry;
        let (x, weight) = (inputs[0].values(), inputs[1].values());
        let finish = |channels| Finish {
            bias: self.bias.then(|| inputs[2].values()),
            slope: self.slope,
            channels,
        };
        let y = if self.transposed {
            let y = large_side(geometry, x, weight, finish(geometry.large));
            Dense::new(y, &geometry.large_dims())
        } else {
            let y = small_side(geometry, x, weight, finish(geometry.small));
            Dense::new(y, &geometry.small_dims())
        };
        let kept = if keep && self.slope != 1.0 {
            vec![y.clone()]
        } else {
            Vec::new()
        };
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
        let (x, weight) = (inputs[0].values(), inputs[1].values());
        let before =
            (kept.first()).map(|y| before_activation(gradient.values(), y.values(), self.slope));
        let dy = before.as_deref().unwrap_or(gradient.values());
        let mut gradients = vec![None; inputs.len()];
        if wanted[0] {
            gradients[0] = Some(if self.transposed {
                let dx = small_side(geometry, dy, weight, Finish::NOTHING);
                Dense::new(dx, &geometry.small_dims())
            } else {
                let dx = large_side(geometry, dy, weight, Finish::NOTHING);
                Dense::new(dx, &geometry.large_dims())
            });
        }
        if wanted[1] {
            let dw = if self.transposed {
                kernel_gradient(geometry, dy, x)
            } else {
                kernel_gradient(geometry, x, dy)
            };
            gradients[1] = Some(Dense::new(dw, &inputs[1].dims::<4>()));
        }
        if self.bias && wanted[2] {
            let (channels, pixels) = if self.transposed {
                (geometry.large, geometry.large_pixels())
            } else {
                (geometry.small, geometry.small_pixels())
            };
            gradients[2] = Some(Dense::new(channel_sums(dy, channels, pixels), &[channels]));
        }
        gradients
    }
}
