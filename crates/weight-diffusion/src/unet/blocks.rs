//! Residual blocks, embeddings, and the changes of resolution.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::silu;
use burn::tensor::{Int, Tensor, TensorData};

use super::conv::{Conv3, GroupNormLast, project};
use super::init::Init;
use super::precision::like;

/// GroupNorm → SiLU → conv k3 → GroupNorm with FiLM of the embedding → SiLU → conv k3, plus the
/// input (through a 1×1 convolution if the widths differ).
#[derive(Module, Debug)]
pub(super) struct ResBlock {
    norm_1: GroupNormLast,
    conv_1: Conv3,
    film: Linear,
    norm_2: GroupNormLast,
    conv_2: Conv3,
    skip: Option<Linear>,
}

impl ResBlock {
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        embedding: usize,
        groups: usize,
        init: &mut Init,
    ) -> Self {
        Self {
            norm_1: GroupNormLast::new(inputs, groups, init),
            conv_1: Conv3::new(inputs, outputs, init),
            film: init.linear(embedding, 2 * outputs),
            norm_2: GroupNormLast::new(outputs, groups, init),
            conv_2: Conv3::new(outputs, outputs, init),
            skip: (inputs != outputs).then(|| init.linear(inputs, outputs)),
        }
    }

    /// `x` `[B, L, C]`, `embedding` `[B, E]` after its SiLU.
    pub(super) fn forward(&self, x: Tensor<3>, embedding: Tensor<2>) -> Tensor<3> {
        let film = self.film.forward(embedding);
        let [batch, double] = film.dims();
        let film = film.reshape([batch, 1, double]);
        let scale = film.clone().narrow(2, 0, double / 2);
        let shift = film.narrow(2, double / 2, double / 2);
        let inner = (self.norm_1).then(x.clone(), None, &self.conv_1.linear, None);
        let residual = match &self.skip {
            Some(skip) => project(skip, x, None),
            None => x,
        };
        let film = Some((scale, shift));
        (self.norm_2).then(inner, film, &self.conv_2.linear, Some(residual))
    }
}

/// Sinusoidal encoding (paper, Eq. 2) of an integer, then two linear layers with a SiLU between.
#[derive(Module, Debug)]
pub(super) struct IndexEmbedding {
    hidden: Linear,
    output: Linear,
    #[module(skip)]
    frequencies: Vec<f32>,
}

impl IndexEmbedding {
    pub(super) fn new(encoding: usize, width: usize, init: &mut Init) -> Self {
        Self {
            hidden: init.linear(encoding, width),
            output: init.linear(width, width),
            frequencies: (0..encoding / 2)
                .map(|i| 10_000f64.powf(-2.0 * i as f64 / encoding as f64) as f32)
                .collect(),
        }
    }

    /// `[B]` → `[B, 2·frequencies]`, sine at the even and cosine at the odd places.
    pub(super) fn encode(&self, index: Tensor<1, Int>) -> Tensor<2> {
        let batch = index.dims()[0];
        let half = self.frequencies.len();
        let frequencies = Tensor::<2>::from_data(
            TensorData::new(self.frequencies.clone(), [1, half]),
            &index.device(),
        );
        let angles = index.float().reshape([batch, 1]) * frequencies;
        Tensor::stack::<3>(vec![angles.clone().sin(), angles.cos()], 2).reshape([batch, 2 * half])
    }

    /// `[B]` → `[B, E]`.
    pub(super) fn forward(&self, index: Tensor<1, Int>) -> Tensor<2> {
        let encoded = like(self.encode(index), self.hidden.weight.dtype());
        self.output.forward(silu(self.hidden.forward(encoded)))
    }
}

/// Halves the positions: convolution of kernel and stride 2, as a matrix product.
#[derive(Module, Debug)]
pub(super) struct Downsample {
    linear: Linear,
}

impl Downsample {
    pub(super) fn new(channels: usize, init: &mut Init) -> Self {
        Self {
            linear: init.linear(2 * channels, channels),
        }
    }

    /// `[B, L, C]` → `[B, L/2, C]`.
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, channels] = x.dims();
        let pairs = x.reshape([batch, length / 2, 2 * channels]);
        project(&self.linear, pairs, None)
    }
}

/// Doubles the positions: transposed convolution of kernel and stride 2, as a matrix product.
#[derive(Module, Debug)]
pub(super) struct Upsample {
    linear: Linear,
}

impl Upsample {
    pub(super) fn new(channels: usize, init: &mut Init) -> Self {
        Self {
            linear: init.linear(channels, 2 * channels),
        }
    }

    /// `[B, L, C]` → `[B, 2L, C]`.
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, channels] = x.dims();
        project(&self.linear, x, None).reshape([batch, 2 * length, channels])
    }
}
