//! A value and its derivative along one direction, carried forward together.

use burn::tensor::Tensor;
use burn::tensor::activation::leaky_relu;

/// `tangent` is d/dε of `value` for an input x + ε·v. Both are ordinary graphs of the parameters,
/// so that a backward through `tangent` gives mixed second derivatives.
#[derive(Debug, Clone)]
pub(crate) struct Dual<const D: usize> {
    pub(crate) value: Tensor<D>,
    pub(crate) tangent: Tensor<D>,
}

impl<const D: usize> Dual<D> {
    /// A linear map, without its bias, of both.
    pub(crate) fn linear<const E: usize>(self, map: impl Fn(Tensor<D>) -> Tensor<E>) -> Dual<E> {
        Dual {
            value: map(self.value),
            tangent: map(self.tangent),
        }
    }

    /// Adds a constant of the input.
    pub(crate) fn shift(self, bias: Tensor<D>) -> Self {
        Self {
            value: self.value + bias,
            tangent: self.tangent,
        }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            tangent: self.tangent + other.tangent,
        }
    }

    /// Leaky ReLU with slope 0.2 below zero, times `gain`.
    pub(crate) fn leaky_relu(self, gain: f64) -> Self {
        let above = self.value.clone().detach().greater_scalar(0.0).float();
        let slope = above.mul_scalar(0.8).add_scalar(0.2);
        Self {
            value: leaky_relu(self.value, 0.2).mul_scalar(gain),
            tangent: (self.tangent * slope.detach()).mul_scalar(gain),
        }
    }

    /// (x − mean)/√(var + ε) with mean and variance over `axes`.
    pub(crate) fn normalize(self, axes: &[usize], epsilon: f64) -> Self {
        let mean = |x: Tensor<D>| axes.iter().fold(x, |x, axis| x.mean_dim(*axis));
        let centred = self.value.clone() - mean(self.value);
        let deviation = mean(centred.clone().square()).add_scalar(epsilon).sqrt();
        let value = centred / deviation.clone();
        let along = mean(value.clone() * self.tangent.clone());
        let tangent = self.tangent.clone() - mean(self.tangent) - value.clone() * along;
        Self {
            value,
            tangent: tangent / deviation,
        }
    }
}
