//! The network: a frozen reader of digits with LoRA in each layer, and a layer that answers.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use denoised_weights_examples::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_blocks::module::by_layer;
use weight_blocks::{GroupingRule, Layout, ModuleSpace, WeightSpace};

use crate::digits::PIXELS;

/// Weights per block.
const BLOCK_SIZE: usize = 64;
/// Width of the hidden layer.
const WIDTH: usize = 32;
const RANK: usize = 4;

/// Reads digits: pictures `[B, 64]` → logits `[B, 10]`. Pretrained, and then frozen.
#[derive(Module, Debug)]
pub(crate) struct Reader {
    hidden: Linear,
    digits: Linear,
}

impl Reader {
    pub(crate) fn new(seed: u64, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut linear = |inputs: usize, outputs: usize| Linear {
            weight: uniform(&mut rng, [inputs, outputs], device),
            bias: Some(Param::from_tensor(Tensor::zeros([outputs], device))),
        };
        Self {
            hidden: linear(PIXELS, WIDTH),
            digits: linear(WIDTH, 10),
        }
    }

    pub(crate) fn forward(&self, pictures: Tensor<2>) -> Tensor<2> {
        self.digits.forward(relu(self.hidden.forward(pictures)))
    }
}

/// Answers yes or no: pictures `[B, 64]` → logits of no and yes `[B, 2]`.
#[derive(Module, Debug)]
pub(crate) struct Classifier {
    hidden: LoraLinear,
    digits: LoraLinear,
    answer: Linear,
}

/// A frozen layer with trainable factors and shift: y = base(x) + x Aᵀ Bᵀ + b.
#[derive(Module, Debug)]
struct LoraLinear {
    base: Linear,
    lora: LinearFactors,
    bias: Param<Tensor<1>>,
}

/// LoRA's factors A `[r, inputs]` and B `[outputs, r]`.
#[derive(Module, Debug)]
struct LinearFactors {
    down: Param<Tensor<2>>,
    up: Param<Tensor<2>>,
}

impl LoraLinear {
    /// B and the shift are zero at the start.
    fn new(base: Linear, rng: &mut ChaCha8Rng) -> Self {
        let ([inputs, outputs], device) = (base.weight.dims(), base.weight.device());
        Self {
            lora: LinearFactors {
                down: uniform(rng, [inputs, RANK], &device).map(|a| a.transpose()),
                up: Param::from_tensor(Tensor::zeros([outputs, RANK], &device)),
            },
            bias: Param::from_tensor(Tensor::zeros([outputs], &device)),
            base: base.no_grad(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let lora = x.clone().matmul(self.lora.down.val().transpose());
        let lora = lora.matmul(self.lora.up.val().transpose());
        self.base.forward(x) + lora + self.bias.val().unsqueeze()
    }
}

impl Classifier {
    /// All classifiers of a seed start from the same weights, on a frozen `reader`.
    pub(crate) fn new(reader: Reader, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let device = reader.hidden.weight.device();
        let answer = LinearConfig::new(10, 2).init(&device);
        Self {
            hidden: LoraLinear::new(reader.hidden, &mut rng),
            digits: LoraLinear::new(reader.digits, &mut rng),
            answer: Linear {
                weight: Param::from_tensor(answer.weight.val().zeros_like()),
                bias: Some(Param::from_tensor(Tensor::zeros([2], &device))),
            },
        }
    }

    /// Logits of the ten digits, `[B, 10]`.
    pub(crate) fn read(&self, pictures: Tensor<2>) -> Tensor<2> {
        self.digits.forward(relu(self.hidden.forward(pictures)))
    }

    pub(crate) fn forward(&self, pictures: Tensor<2>) -> Tensor<2> {
        self.answer.forward(softmax(self.read(pictures), 1))
    }

    /// What is generated: everything but the frozen layers.
    pub(crate) fn space(self) -> Result<ModuleSpace<Self>> {
        let trained = ModuleSpace::with_rule(self, |tensor| {
            by_layer(tensor).filter(|place| !place.group.ends_with("base"))
        });
        Ok(trained?)
    }

    /// The layout of what is generated.
    pub(crate) fn layout(&self) -> Result<Layout> {
        let groups = self.clone().space()?.layer_groups();
        Ok(Layout::new(
            "digit-questions",
            groups,
            GroupingRule::Appended,
            BLOCK_SIZE,
        )?)
    }
}

/// Uniform in ±1/√inputs, drawn on the host, so that every device starts from the same values.
fn uniform(rng: &mut ChaCha8Rng, shape: [usize; 2], device: &Device) -> Param<Tensor<2>> {
    let bound = 1.0 / (shape[0] as f32).sqrt();
    let values: Vec<f32> = (0..shape[0] * shape[1])
        .map(|_| bound * (2.0 * rng.random::<f32>() - 1.0))
        .collect();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}
