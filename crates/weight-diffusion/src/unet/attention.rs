//! Transformer block: self-attention, cross-attention to the text, gated feed-forward.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor};

use super::init::Init;
use super::precision::like;

/// Most attention scores that are held at once where no gradient is needed, 16 MiB of them.
const MAX_SCORES: usize = 1 << 22;

/// The prompt as the cross-attentions see it: tokens `[B or 1, L, C]` and an additive mask
/// `[B or 1, 1, 1, L]`, 0 for a real token and a large negative number for padding.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) tokens: Tensor<3>,
    pub(super) bias: Tensor<4>,
}

impl Context {
    pub(super) fn new(tokens: Tensor<3>, mask: Tensor<2, Bool>) -> Self {
        let [batch, length] = mask.dims();
        let bias = like(mask.bool_not().float().mul_scalar(-1e9), tokens.dtype());
        Self {
            tokens,
            bias: bias.reshape([batch, 1, 1, length]),
        }
    }

    /// The same values as a constant.
    pub(super) fn detach(self) -> Self {
        Self {
            tokens: self.tokens.detach(),
            bias: self.bias,
        }
    }

    /// Mean of the visible tokens, `[B or 1, C]`.
    pub(super) fn mean(&self) -> Tensor<2> {
        let [batch, length, width] = self.tokens.dims();
        let visible = self.bias.clone().exp().reshape([batch, length, 1]);
        let count = visible.clone().sum_dim(1);
        let sum = (self.tokens.clone() * visible).sum_dim(1);
        (sum / count).reshape([batch, width])
    }
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
}

impl Attention {
    fn new(width: usize, context: usize, heads: usize, init: &mut Init) -> Self {
        Self {
            query: init.linear_no_bias(width, width),
            key: init.linear_no_bias(context, width),
            value: init.linear_no_bias(context, width),
            output: init.linear(width, width),
            heads,
        }
    }

    /// `x` `[B, L, C]` attends to `to` `[B, M, K]`, or `[1, M, K]`: then the queries of the whole
    /// batch are one long sequence and keys and values are never copied.
    fn forward(&self, x: Tensor<3>, to: Tensor<3>, bias: Option<Tensor<4>>) -> Tensor<3> {
        let [batch, length, width] = x.dims();
        let groups = to.dims()[0];
        let shared = groups == 1 && batch > 1;
        let x = if shared {
            x.reshape([1, batch * length, width])
        } else {
            x
        };
        let split = |value: Tensor<3>| {
            let [groups, length, width] = value.dims();
            value
                .reshape([groups, length, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let query = split(self.query.forward(x).mul_scalar(scale));
        let key = split(self.key.forward(to.clone()));
        let value = split(self.value.forward(to));
        let lean = !query.is_autodiff() && scores(&query, &key) > MAX_SCORES;
        let mixed = attend(query, key, value, bias, lean)
            .swap_dims(1, 2)
            .reshape([batch, length, width]);
        self.output.forward(mixed)
    }
}

/// Number of scores of queries `[G, H, L, D]` against keys `[G, H, M, D]`.
fn scores(query: &Tensor<4>, key: &Tensor<4>) -> usize {
    let [groups, heads, length, _] = query.dims();
    groups * heads * length * key.dims()[2]
}

/// softmax(QKᵗ + bias) V of scaled queries. `lean` asks the backend's own attention, which holds the
/// scores of a part at a time; gradients need them all.
fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    lean: bool,
) -> Tensor<4> {
    if lean {
        let options = AttentionModuleOptions {
            scale: Some(1.0),
            softcap: None,
            is_causal: false,
        };
        return attention(query, key, value, None, bias, options);
    }
    let mut scores = query.matmul(key.swap_dims(2, 3));
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    softmax(scores, 3).matmul(value)
}

/// Pre-norm transformer block on `[B, L, C]`.
#[derive(Module, Debug)]
pub(super) struct TransformerBlock {
    norm_self: LayerNorm,
    attention_self: Attention,
    norm_cross: LayerNorm,
    attention_cross: Attention,
    norm_ff: LayerNorm,
    ff_in: Linear,
    ff_out: Linear,
}

impl TransformerBlock {
    pub(super) fn new(
        width: usize,
        context: usize,
        heads: usize,
        ff_multiplier: usize,
        init: &mut Init,
    ) -> Self {
        Self {
            norm_self: init.layer_norm(width),
            attention_self: Attention::new(width, width, heads, init),
            norm_cross: init.layer_norm(width),
            attention_cross: Attention::new(width, context, heads, init),
            norm_ff: init.layer_norm(width),
            ff_in: init.linear(width, 2 * ff_multiplier * width),
            ff_out: init.linear(ff_multiplier * width, width),
        }
    }

    pub(super) fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let own = self.norm_self.forward(x.clone());
        let x = x + self.attention_self.forward(own.clone(), own, None);
        let query = self.norm_cross.forward(x.clone());
        let x = x + self.attention_cross.forward(
            query,
            context.tokens.clone(),
            Some(context.bias.clone()),
        );
        let wide = self.ff_in.forward(self.norm_ff.forward(x.clone()));
        let half = wide.dims()[2] / 2;
        let gate = gelu(wide.clone().narrow(2, half, half));
        x + self.ff_out.forward(wide.narrow(2, 0, half) * gate)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn lean_attention_gives_the_same_values() {
        let device = Device::flex();
        let random =
            |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        // Self-attention, cross-attention of a batch, one prompt for all, and more scores than Burn's
        // CPU backend holds at once (2¹⁸).
        for (groups, length, keys) in [(3, 10, 10), (3, 10, 7), (1, 500, 7), (1, 700, 700)] {
            let (query, key) = (random([groups, 2, length, 8]), random([groups, 2, keys, 8]));
            let value = random([groups, 2, keys, 8]);
            let hidden = (0..groups * keys).map(|i| if i % 5 == 3 { -1e9f32 } else { 0.0 });
            let hidden = burn::tensor::TensorData::new(hidden.collect(), [groups, 1, 1, keys]);
            let bias = Tensor::<4>::from_data(hidden, &device);
            for bias in [None, Some(bias)] {
                let with = |lean| {
                    let mixed = attend(
                        query.clone(),
                        key.clone(),
                        value.clone(),
                        bias.clone(),
                        lean,
                    );
                    mixed.try_into_vec_as::<f32>().unwrap()
                };
                for (a, b) in with(true).iter().zip(with(false)) {
                    assert!((a - b).abs() < 1e-5, "{groups} {length} {keys}: {a} {b}");
                }
            }
        }
    }

    /// Most resident memory so far, MiB.
    #[cfg(target_os = "linux")]
    fn peak() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
            / 1024
    }

    /// The `paper` preset's widest level for 64 blocks:
    /// `cargo test --release --workspace --lib memory_of_attention -- --ignored --nocapture`
    #[test]
    #[ignore = "measures"]
    #[cfg(target_os = "linux")]
    fn memory_of_attention() {
        let device = Device::flex();
        let random = || {
            let normal = Distribution::Normal(0.0, 1.0);
            Tensor::<4>::random([64, 8, 256, 16], normal, &device)
        };
        let (query, key, value) = (random(), random(), random());
        println!("inputs: {} MiB", peak());
        for lean in [true, false] {
            let start = std::time::Instant::now();
            let mixed = attend(query.clone(), key.clone(), value.clone(), None, lean);
            drop(mixed.try_into_vec_as::<f32>().unwrap());
            let seconds = start.elapsed().as_secs_f64();
            println!("lean {lean}: {} MiB, {seconds:.2} s", peak());
        }
    }
}
