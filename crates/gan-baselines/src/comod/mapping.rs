//! The mapping network z → w.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::config::CoModConfig;
use super::dense::EqualLinear;

/// Learning-rate multiplier of the mapping network (StyleGAN's `mapping_lrmul`).
const RATE: f64 = 0.01;

/// z `[B, Z]`, scaled to a mean square of one, through fully connected layers → w `[B, W]`.
#[derive(Module, Debug)]
pub(crate) struct Mapping {
    /// In order.
    pub(crate) layers: Vec<EqualLinear>,
}

impl Mapping {
    pub(crate) fn new(config: &CoModConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let layers = (0..config.mapping_layers)
            .map(|i| {
                let input = if i == 0 { config.latent } else { config.style };
                EqualLinear::slowed([input, config.style], RATE, rng, device).with_activation()
            })
            .collect();
        Self { layers }
    }

    pub(crate) fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        let size = z.clone().square().mean_dim(1).add_scalar(1e-8).sqrt();
        self.layers
            .iter()
            .fold(z / size, |x, layer| layer.forward(x))
    }
}
