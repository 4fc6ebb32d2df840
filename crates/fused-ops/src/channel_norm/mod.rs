//! Instance and batch norm with the activation that follows.

#[cfg(feature = "flex")]
mod backward;
#[cfg(feature = "flex")]
mod kernel;
#[cfg(feature = "flex")]
mod statistics;

use burn::tensor::Tensor;
use burn::tensor::module::{self, BatchNormTrainOutput};

use crate::Activation;

/// γ and β of a norm, `[C]` each.
pub type Affine = (Tensor<1>, Tensor<1>);

/// `activation(γ·(x − mean)/√(variance + ε) + β)` with mean and variance over each channel of each
/// image of `[B, C, H, W]`.
///
/// Composed of those operations. The kernel reads x once to a cache and writes the output.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn instance_norm(
    x: Tensor<4>,
    affine: Option<Affine>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = kernel::run(&x, None, affine.as_ref(), epsilon, activation) {
        return y;
    }
    composed_instance_norm(x, affine, epsilon, activation)
}

fn composed_instance_norm(
    x: Tensor<4>,
    affine: Option<Affine>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<4> {
    let channels = x.dims()[1];
    let mean = |x: Tensor<4>| x.mean_dim(2).mean_dim(3);
    let centred = x.clone() - mean(x);
    let variance = mean(centred.clone().square());
    let mut y = centred / variance.add_scalar(epsilon).sqrt();
    if let Some((gamma, beta)) = affine {
        let wide = |t: Tensor<1>| t.reshape([1, channels, 1, 1]);
        y = y * wide(gamma) + wide(beta);
    }
    activation.apply(y)
}

/// As [`instance_norm`], with mean and variance over each channel of the whole batch. Mean and biased variance are
/// returned with the output and carry no gradient.
///
/// Composed: Burn's `batch_norm_train` and the activation.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn batch_norm_train(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> BatchNormTrainOutput<4> {
    #[cfg(feature = "flex")]
    if let Some(output) = kernel::batch(&x, &gamma, &beta, epsilon, activation) {
        return output;
    }
    let mut result = module::batch_norm_train(x, gamma, beta, epsilon);
    result.output = activation.apply(result.output);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{close, compare, random};

    const ACTIVATIONS: [Activation; 3] = [
        Activation::None,
        Activation::Relu,
        Activation::LeakyRelu(0.2),
    ];

    #[test]
    fn instance_norms_agree() {
        let dims = [3, 4, 9, 10];
        for affine in [false, true] {
            for activation in ACTIVATIONS {
                let layer = |kernel: bool| {
                    move |t: &[Tensor<1>]| {
                        let x: Tensor<4> = t[0].clone().reshape(dims).mul_scalar(3.0);
                        let affine = affine.then(|| (t[1].clone(), t[2].clone()));
                        let norm = if kernel {
                            instance_norm
                        } else {
                            composed_instance_norm
                        };
                        norm(x.add_scalar(2.0), affine, 1e-5, activation).flatten::<1>(0, 3)
                    }
                };
                let lengths = [dims.iter().product(), 4, 4];
                compare(&lengths, &[true, affine, affine], layer(true), layer(false));
            }
        }
    }

    #[test]
    fn batch_norms_agree() {
        let dims = [3, 4, 9, 10];
        for activation in ACTIVATIONS {
            let layer = |kernel: bool| {
                move |t: &[Tensor<1>]| {
                    let x: Tensor<4> = t[0].clone().reshape(dims).mul_scalar(3.0);
                    let (x, gamma, beta) = (x.add_scalar(2.0), t[1].clone(), t[2].clone());
                    let output = if kernel {
                        batch_norm_train(x, gamma, beta, 1e-5, activation).output
                    } else {
                        let result = module::batch_norm_train(x, gamma, beta, 1e-5);
                        activation.apply(result.output)
                    };
                    output.flatten::<1>(0, 3)
                }
            };
            let lengths = [dims.iter().product(), 4, 4];
            compare(&lengths, &[true; 3], layer(true), layer(false));
        }
    }

    #[test]
    fn batch_statistics_agree() {
        let x = random([3, 4, 9, 10], 1).mul_scalar(3.0).add_scalar(2.0);
        let ones = Tensor::<1>::ones([4], &x.device());
        let found = batch_norm_train(
            x.clone(),
            ones.clone(),
            ones.clone(),
            1e-5,
            Activation::None,
        );
        let expected = module::batch_norm_train(x, ones.clone(), ones, 1e-5);
        close("mean", found.mean, expected.mean);
        close("variance", found.variance, expected.variance);
    }
}
