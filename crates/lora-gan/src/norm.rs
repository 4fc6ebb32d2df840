//! The norms of pix2pix's networks.

use burn::module::{Module, Param, RunningState};
use burn::tensor::module::batch_norm;
use burn::tensor::{Device, Tensor, TensorData};
use fused_ops::{Activation, Affine, batch_norm_train, instance_norm};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::init::normal;

const MOMENTUM: f64 = 0.1;

/// Which norm follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// `BatchNorm2d`, pix2pix's own; its convolutions have no bias.
    Batch,
    /// `InstanceNorm2d(affine=False)`, the original's `--norm instance` (CycleGAN's).
    Instance,
    /// Instance norm with γ and β: this crate's compact discriminator.
    #[default]
    InstanceAffine,
}

impl NormKind {
    /// Whether the convolution before the norm has a bias: in the original it has one before an instance norm and
    /// none before a batch norm.
    pub fn conv_has_bias(self) -> bool {
        self != Self::Batch
    }
}

/// Batch or instance norm over `[B, C, H, W]`, ε = 1e-5.
///
/// Batch norm's running variance is updated with the unbiased variance, as PyTorch does (Burn's own
/// layer takes the biased one), with momentum 0.1.
#[derive(Module, Debug)]
pub struct Norm {
    /// γ `[C]`; `None` for [`NormKind::Instance`].
    pub gamma: Option<Param<Tensor<1>>>,
    /// β `[C]`; `None` for [`NormKind::Instance`].
    pub beta: Option<Param<Tensor<1>>>,
    /// Running mean `[C]`; `None` unless it is a batch norm.
    pub running_mean: Option<RunningState<Tensor<1>>>,
    /// Running variance `[C]`; `None` unless it is a batch norm.
    pub running_var: Option<RunningState<Tensor<1>>>,
}

impl Norm {
    /// What is added to the variance.
    pub const EPSILON: f64 = 1e-5;

    /// A norm over `channels`: γ of a batch norm is drawn from N(1, 0.02) (pix2pix's `init_weights`), any other γ is one, β is zero.
    pub fn new(kind: NormKind, channels: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let gamma = match kind {
            NormKind::Batch => {
                let drawn = normal(channels, 0.02, rng)
                    .iter()
                    .map(|v| v + 1.0)
                    .collect();
                Some(Tensor::from_data(
                    TensorData::new::<f32, _>(drawn, [channels]),
                    device,
                ))
            }
            NormKind::InstanceAffine => Some(Tensor::ones([channels], device)),
            NormKind::Instance => None,
        };
        let batch = kind == NormKind::Batch;
        Self {
            beta: gamma
                .as_ref()
                .map(|_| Param::from_tensor(Tensor::zeros([channels], device))),
            gamma: gamma.map(Param::from_tensor),
            running_mean: batch.then(|| RunningState::new(Tensor::zeros([channels], device))),
            running_var: batch.then(|| RunningState::new(Tensor::ones([channels], device))),
        }
    }

    /// Whether it is a batch norm.
    pub fn is_batch(&self) -> bool {
        self.running_mean.is_some()
    }

    /// Normalizes `[B, C, H, W]` and applies `activation`. `train` matters to batch norms only: they use the batch's
    /// statistics and update the running ones.
    pub fn forward(&self, x: Tensor<4>, train: bool, activation: Activation) -> Tensor<4> {
        match (
            &self.gamma,
            &self.beta,
            &self.running_mean,
            &self.running_var,
        ) {
            (Some(gamma), Some(beta), Some(mean), Some(var)) => {
                if !train {
                    let (mean, var) = (mean.value_sync(), var.value_sync());
                    let y = batch_norm(x, gamma.val(), beta.val(), mean, var, Self::EPSILON);
                    return activation.apply(y);
                }
                let affine = (gamma.val(), beta.val());
                batch_norm_with_running(x, affine, [mean, var], MOMENTUM, Self::EPSILON, activation)
            }
            (gamma, beta, ..) => {
                let affine = gamma.as_ref().zip(beta.as_ref());
                let affine = affine.map(|(gamma, beta)| (gamma.val(), beta.val()));
                instance_norm(x, affine, Self::EPSILON, activation)
            }
        }
    }
}

/// Batch norm by the batch's statistics, which the running mean and variance follow.
pub(crate) fn batch_norm_with_running(
    x: Tensor<4>,
    (gamma, beta): Affine,
    [running_mean, running_var]: [&RunningState<Tensor<1>>; 2],
    momentum: f64,
    epsilon: f64,
    activation: Activation,
) -> Tensor<4> {
    let [b, _, h, w] = x.dims();
    let n = (b * h * w) as f64;
    let y = batch_norm_train(x, gamma, beta, epsilon, activation);
    let unbiased = n / (n - 1.0).max(1.0);
    for (running, found) in [
        (running_mean, y.mean),
        (running_var, y.variance.mul_scalar(unbiased)),
    ] {
        let old = running.value_sync().mul_scalar(1.0 - momentum);
        running.update((old + found.detach().mul_scalar(momentum)).detach());
    }
    y.output
}
