//! The co-modulated decoder.

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::config::CoModConfig;
use super::dense::{EqualLinear, lrelu};
use super::modulated::ModulatedConv;
use super::resample::upsample2;
use lora_gan::Pass;
use lora_gan::init::normal;

/// Modulated 3×3 convolution → noise → bias → leaky ReLU.
#[derive(Module, Debug)]
pub(crate) struct SynthesisLayer {
    /// The convolution.
    pub(crate) conv: ModulatedConv,
    /// `[f]`.
    pub(crate) bias: Param<Tensor<1>>,
    /// `[1]`: how much noise is added, zero at the start.
    pub(crate) noise_strength: Param<Tensor<1>>,
    /// `[1, 1, S, S]` from N(0, 1): the noise of [`Pass::Eval`]. A buffer that is not trained.
    pub(crate) noise: RunningState<Tensor<4>>,
    index: usize,
}

impl SynthesisLayer {
    /// `index` is the layer's stream of noise.
    fn new(
        conv: ModulatedConv,
        size: usize,
        index: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let output = conv.weight.dims()[0];
        let noise = TensorData::new(normal(size * size, 1.0, rng), [1, 1, size, size]);
        Self {
            conv,
            bias: Param::from_tensor(Tensor::zeros([output], device)),
            noise_strength: Param::from_tensor(Tensor::zeros([1], device)),
            noise: RunningState::new(Tensor::from_data(noise, device)),
            index,
        }
    }

    fn forward(&self, x: Tensor<4>, modulation: Tensor<2>, pass: Pass) -> Tensor<4> {
        let y = self.conv.forward(x, modulation);
        let [batch, _, h, w] = y.dims();
        let noise = match pass.noise([batch, 1, h, w], self.index as u64) {
            Some(drawn) => Tensor::from_data(drawn, &y.device()),
            None => self.noise.value(),
        };
        let strength = self.noise_strength.val().reshape([1, 1, 1, 1]);
        lrelu(y + noise * strength + self.bias.val().reshape([1, -1, 1, 1]))
    }
}

/// Modulated 1×1 convolution without demodulation → bias: features → image.
#[derive(Module, Debug)]
pub(crate) struct ToRgb {
    /// The convolution.
    pub(crate) conv: ModulatedConv,
    /// `[3]`.
    pub(crate) bias: Param<Tensor<1>>,
}

impl ToRgb {
    fn new(input: usize, modulation: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        Self {
            conv: ModulatedConv::new([input, 3, 1], modulation, rng, device).plain(),
            bias: Param::from_tensor(Tensor::zeros([3], device)),
        }
    }

    fn forward(&self, x: Tensor<4>, modulation: Tensor<2>) -> Tensor<4> {
        self.conv.forward(x, modulation) + self.bias.val().reshape([1, -1, 1, 1])
    }
}

/// One size of the [`Synthesis`]: twice the size, the encoder's features added, another layer.
#[derive(Module, Debug)]
pub(crate) struct SynthesisBlock {
    /// Doubles the size.
    pub(crate) conv0: SynthesisLayer,
    /// Behind the skip.
    pub(crate) conv1: SynthesisLayer,
    /// This size's contribution to the image.
    pub(crate) to_rgb: ToRgb,
}

/// Encoder's vector and features, and w → image `[B, 3, S, S]`.
#[derive(Module, Debug)]
pub(crate) struct Synthesis {
    /// The vector → 4×4 features.
    pub(crate) dense: EqualLinear,
    /// At 4×4.
    pub(crate) conv: SynthesisLayer,
    /// The 4×4 image.
    pub(crate) to_rgb: ToRgb,
    /// From 8×8 up.
    pub(crate) blocks: Vec<SynthesisBlock>,
}

impl Synthesis {
    pub(crate) fn new(config: &CoModConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let nf = |stage| config.width(stage);
        let m = config.style + config.global();
        let conv = ModulatedConv::new([nf(1), nf(1), 3], m, rng, device);
        Self {
            dense: EqualLinear::new([config.global(), nf(1) * 16], rng, device).with_activation(),
            conv: SynthesisLayer::new(conv, 4, 1, rng, device),
            to_rgb: ToRgb::new(nf(1), m, rng, device),
            blocks: (3..=config.levels())
                .map(|r| {
                    let up = ModulatedConv::new([nf(r - 2), nf(r - 1), 3], m, rng, device).up();
                    let conv0 = SynthesisLayer::new(up, 1 << r, 2 * r - 4, rng, device);
                    let same = ModulatedConv::new([nf(r - 1), nf(r - 1), 3], m, rng, device);
                    SynthesisBlock {
                        conv0,
                        conv1: SynthesisLayer::new(same, 1 << r, 2 * r - 3, rng, device),
                        to_rgb: ToRgb::new(nf(r - 1), m, rng, device),
                    }
                })
                .collect(),
        }
    }

    /// `features` from the largest to 4×4, as the encoder gives them.
    pub(crate) fn forward(
        &self,
        features: Vec<Tensor<4>>,
        global: Tensor<2>,
        w: Tensor<2>,
        pass: Pass,
    ) -> Tensor<4> {
        let modulation = Tensor::cat(vec![w, global.clone()], 1);
        let batch = global.dims()[0];
        let mut x = self.dense.forward(global).reshape([batch as i32, -1, 4, 4]);
        let mut skips = features.into_iter().rev();
        if let Some(skip) = skips.next() {
            x = x + skip;
        }
        x = self.conv.forward(x, modulation.clone(), pass);
        let mut image = self.to_rgb.forward(x.clone(), modulation.clone());
        for (block, skip) in self.blocks.iter().zip(skips) {
            x = block.conv0.forward(x, modulation.clone(), pass) + skip;
            x = block.conv1.forward(x, modulation.clone(), pass);
            image = upsample2(image) + block.to_rgb.forward(x.clone(), modulation.clone());
        }
        image
    }
}
