//! A convolution in one of its two directions, with its sizes: what the kernels of both layers share.

use super::ConvKind;
use super::finish::Finish;
use super::geometry::Geometry;
use super::narrow::{kernel_gradient, small_side};
use super::products::{large_shares, up};
use crate::kernel::Dense;

/// A convolution, or a `transposed` one, of tensors of known sizes.
#[derive(Clone, Debug)]
pub(super) struct SizedConv {
    pub(super) geometry: Geometry,
    pub(super) transposed: bool,
}

impl SizedConv {
    /// None if the shapes do not fit, or a size would be zero.
    pub(super) fn new(kind: ConvKind, x: [usize; 4], weight: [usize; 4]) -> Option<Self> {
        let (geometry, transposed) = match kind {
            ConvKind::Down { stride, padding } => {
                (Geometry::down(x, weight, stride, padding)?, false)
            }
            ConvKind::Up {
                stride,
                padding,
                output_padding,
            } => (
                Geometry::up(x, weight, stride, padding, output_padding)?,
                true,
            ),
        };
        Some(Self {
            geometry,
            transposed,
        })
    }

    /// `[B, C, H, W]` of the output.
    pub(super) fn output_dims(&self) -> [usize; 4] {
        if self.transposed {
            self.geometry.large_dims()
        } else {
            self.geometry.small_dims()
        }
    }

    /// Channels of the output, and pixels of each.
    pub(super) fn outputs(&self) -> (usize, usize) {
        let [_, channels, height, width] = self.output_dims();
        (channels, height * width)
    }

    /// Channels of the input.
    pub(super) fn inputs(&self) -> usize {
        if self.transposed {
            self.geometry.small
        } else {
            self.geometry.large
        }
    }

    /// The output of `x`.
    pub(super) fn forward(&self, x: &[f32], weight: &[f32], finish: Finish) -> Vec<f32> {
        if self.transposed {
            large_side(&self.geometry, x, weight, finish)
        } else {
            small_side(&self.geometry, x, weight, finish)
        }
    }

    /// The gradient of the input, from that of the output: the convolution in the other direction.
    pub(super) fn input_gradient(&self, dy: &[f32], weight: &[f32]) -> Dense {
        let geometry = &self.geometry;
        if self.transposed {
            let dx = small_side(geometry, dy, weight, Finish::NOTHING);
            Dense::new(dx, &geometry.small_dims())
        } else {
            let dx = large_side(geometry, dy, weight, Finish::NOTHING);
            Dense::new(dx, &geometry.large_dims())
        }
    }

    /// The gradient of the weight, from the input and the gradient of the output.
    pub(super) fn weight_gradient(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        if self.transposed {
            kernel_gradient(&self.geometry, dy, x)
        } else {
            kernel_gradient(&self.geometry, x, dy)
        }
    }
}

/// The large side of the small side `y`.
fn large_side(geometry: &Geometry, y: &[f32], weight: &[f32], finish: Finish) -> Vec<f32> {
    let mut x = vec![0.0; geometry.batch * geometry.large * geometry.large_pixels()];
    let outputs = large_shares(geometry).split(&mut x, geometry.large, geometry.large_size);
    up(geometry, y, weight, finish, outputs);
    x
}
