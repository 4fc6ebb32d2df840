//! The generator's layers as one table.
//!
//! Everything that lists the layers derives from it: the order of the forward pass and that of the initial draws,
//! shapes and counts, the adapter's groups, the summary, and the names in PEFT's and PyTorch's files.

use burn::module::ParamId;
use burn::nn::LayerNorm;
use weight_blocks::LayerKind;

use super::config::{GeneratorConfig, NoiseInput};
use super::hybrid::HybridGenerator;
use super::shape::{Kernel, LayerShape, Width};
use crate::layers::{ConvUnit, LinearUnit, LoraLayer};

/// One layer of the table.
pub(crate) struct LayerSpec {
    /// Where it is in [`HybridGenerator`], which is also the name of its tensors.
    pub(crate) name: &'static str,
    pub(crate) kind: LayerKind,
    pub(crate) part: Part,
    pub(crate) input: Width,
    pub(crate) output: Width,
    pub(crate) op: Op,
    /// The norm of the transformer block's next stage, if it follows.
    layer_norm: Option<NextNorm>,
}

/// A layer norm of the transformer block.
struct NextNorm {
    name: &'static str,
    get: fn(&HybridGenerator) -> &LayerNorm,
}

/// A part of the network. Initial values are drawn part by part, in this order, and within a part in the order of
/// the table: seeds of trained bases depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The layers before the ResBlocks.
    Entry,
    ResBlocks,
    /// Around the transformer block, and after the last ResBlock.
    Scales,
    Transformer,
}

/// How a layer computes, and where the generator keeps it.
pub(crate) enum Op {
    Conv {
        kernel: Kernel,
        stride: usize,
        batch_norm: bool,
        relu: bool,
        unit: fn(&HybridGenerator) -> &ConvUnit,
        unit_mut: fn(&mut HybridGenerator) -> &mut ConvUnit,
    },
    Linear {
        bias: bool,
        unit: fn(&HybridGenerator) -> &LinearUnit,
        unit_mut: fn(&mut HybridGenerator) -> &mut LinearUnit,
    },
}

macro_rules! conv {
    ($first:ident $(.$field:ident)*, $kind:ident, $part:ident, $input:expr => $output:expr, $kernel:ident, $stride:expr) => {
        LayerSpec {
            name: concat!(stringify!($first) $(, ".", stringify!($field))*),
            kind: LayerKind::$kind,
            part: Part::$part,
            input: $input,
            output: $output,
            op: Op::Conv {
                kernel: Kernel::$kernel,
                stride: $stride,
                batch_norm: true,
                relu: true,
                unit: |generator| &generator.$first $(.$field)*,
                unit_mut: |generator| &mut generator.$first $(.$field)*,
            },
            layer_norm: None,
        }
    };
}

macro_rules! linear {
    ($field:ident $(.$part:ident)?, $kind:ident, $input:expr => $output:expr) => {
        LayerSpec {
            name: concat!("transformer.", stringify!($field) $(, ".", stringify!($part))?),
            kind: LayerKind::$kind,
            part: Part::Transformer,
            input: $input,
            output: $output,
            op: Op::Linear {
                bias: false,
                unit: |generator| &generator.transformer.$field $(.$part)?,
                unit_mut: |generator| &mut generator.transformer.$field $(.$part)?,
            },
            layer_norm: None,
        }
    };
}

macro_rules! norm {
    ($field:ident) => {
        NextNorm {
            name: concat!("transformer.", stringify!($field)),
            get: |generator| &generator.transformer.$field,
        }
    };
}

const W0: Width = Width::Stage(0);
const W1: Width = Width::Stage(1);
const W2: Width = Width::Stage(2);

/// Every layer, in the order of the forward pass.
#[rustfmt::skip]
pub(crate) const LAYERS: [LayerSpec; 24] = [
    conv!(stem,       Conv,          Entry,     Width::Photo => W0, Edge,  1),
    conv!(down1,      Conv,          Entry,     W0 => W1,           Three, 2),
    conv!(down2,      Conv,          Entry,     W1 => W2,           Three, 2),
    conv!(res1.conv1, Conv,          ResBlocks, W2 => W2,           Three, 1),
    conv!(res1.conv2, Conv,          ResBlocks, W2 => W2,           Three, 1).without_relu(),
    conv!(res2.conv1, Conv,          ResBlocks, W2 => W2,           Three, 1),
    conv!(res2.conv2, Conv,          ResBlocks, W2 => W2,           Three, 1).without_relu(),
    conv!(down3,      Conv,          Scales,    W2 => W2,           Three, 2).then(norm!(norm1)),
    linear!(attn1.to_q,   Attention, W2 => W2),
    linear!(attn1.to_k,   Attention, W2 => W2),
    linear!(attn1.to_v,   Attention, W2 => W2),
    linear!(attn1.to_out, Attention, W2 => W2).with_bias().then(norm!(norm2)),
    linear!(attn2.to_q,   Attention, W2 => W2),
    linear!(attn2.to_k,   Attention, Width::Text => W2),
    linear!(attn2.to_v,   Attention, Width::Text => W2),
    linear!(attn2.to_out, Attention, W2 => W2).with_bias().then(norm!(norm3)),
    linear!(ff_in,        Linear,    W2 => Width::Gated).with_bias(),
    linear!(ff_out,       Linear,    Width::Hidden => W2).with_bias(),
    conv!(up3,        ConvTranspose, Scales,    W2 => W2,           Up,    2),
    conv!(res3.conv1, Conv,          ResBlocks, W2 => W2,           Three, 1),
    conv!(res3.conv2, Conv,          ResBlocks, W2 => W2,           Three, 1).without_relu(),
    conv!(up2,        ConvTranspose, Scales,    W2 => W1,           Up,    2),
    conv!(up1,        ConvTranspose, Scales,    W1 => W0,           Up,    2),
    conv!(head,       Conv,          Scales,    W0 => Width::Rgb,   Edge,  1).without_norm().without_relu(),
];

/// Every layer, in the order in which base weights and LoRA factors are drawn.
pub(crate) fn in_draw_order() -> Vec<&'static LayerSpec> {
    let mut layers: Vec<_> = LAYERS.iter().collect();
    layers.sort_by_key(|layer| layer.part);
    layers
}

impl LayerSpec {
    const fn without_relu(mut self) -> Self {
        if let Op::Conv { relu, .. } = &mut self.op {
            *relu = false;
        }
        self
    }

    const fn without_norm(mut self) -> Self {
        if let Op::Conv { batch_norm, .. } = &mut self.op {
            *batch_norm = false;
        }
        self
    }

    const fn with_bias(mut self) -> Self {
        if let Op::Linear { bias, .. } = &mut self.op {
            *bias = true;
        }
        self
    }

    const fn then(mut self, layer_norm: NextNorm) -> Self {
        self.layer_norm = Some(layer_norm);
        self
    }

    /// The layer of a generator.
    pub(crate) fn unit<'a>(&self, generator: &'a HybridGenerator) -> &'a dyn LoraLayer {
        match self.op {
            Op::Conv { unit, .. } => unit(generator),
            Op::Linear { unit, .. } => unit(generator),
        }
    }

    /// The layer of a generator, to be changed.
    pub(crate) fn unit_mut<'a>(&self, generator: &'a mut HybridGenerator) -> &'a mut dyn LoraLayer {
        match self.op {
            Op::Conv { unit_mut, .. } => unit_mut(generator),
            Op::Linear { unit_mut, .. } => unit_mut(generator),
        }
    }

    pub(crate) fn is_conv(&self) -> bool {
        matches!(self.op, Op::Conv { .. })
    }

    /// The layer in PyTorch, where a convolution and its norm are two modules.
    pub(crate) fn torch_name(&self) -> String {
        if self.is_conv() {
            format!("{}.conv", self.name)
        } else {
            self.name.to_owned()
        }
    }

    /// The batch norm of a convolution.
    pub(crate) fn batch_norm_name(&self) -> String {
        format!("{}.norm", self.name)
    }

    /// The norms that follow; the adapter trains their γ and β. All are as wide as the layer's output.
    pub(crate) fn norms(&self) -> impl Iterator<Item = String> {
        let own = self.has_batch_norm().then(|| self.batch_norm_name());
        let next = self.layer_norm.as_ref().map(|norm| norm.name.to_owned());
        own.into_iter().chain(next)
    }

    /// Identities of the norms' γ and β.
    pub(crate) fn norm_ids(&self, generator: &HybridGenerator) -> Vec<ParamId> {
        let mut ids = Vec::new();
        if let Op::Conv { unit, .. } = self.op
            && let Some(norm) = &unit(generator).norm
        {
            ids.extend([norm.gamma.id, norm.beta.id]);
        }
        if let Some(next) = &self.layer_norm {
            let norm = (next.get)(generator);
            ids.push(norm.gamma.id);
            ids.extend(norm.beta.as_ref().map(|beta| beta.id));
        }
        ids
    }

    fn has_batch_norm(&self) -> bool {
        matches!(
            self.op,
            Op::Conv {
                batch_norm: true,
                ..
            }
        )
    }

    /// What the configuration makes of the layer.
    pub(crate) fn shape(&self, config: &GeneratorConfig) -> LayerShape {
        let (kernel, bias) = match self.op {
            Op::Conv { kernel, .. } => (kernel.edge(config), true),
            Op::Linear { bias, .. } => (1, bias),
        };
        LayerShape {
            name: self.name,
            in_resblock: self.part == Part::ResBlocks,
            input: self.input.channels(config),
            output: self.output.channels(config),
            kernel,
            bias,
        }
    }

    /// Values of a base that belong to the layer: kernel, bias, the norms that follow and their statistics.
    fn base_values(&self, config: &GeneratorConfig) -> usize {
        let shape = self.shape(config);
        let statistics = if self.has_batch_norm() { 2 } else { 0 };
        shape.weights() + (2 * self.norms().count() + statistics) * shape.output
    }
}

impl GeneratorConfig {
    /// How many values a base of this configuration has, before anything is allocated for it: kernels, biases,
    /// norms with their statistics, and null tokens.
    pub(crate) fn base_values(&self) -> usize {
        let layers: usize = LAYERS.iter().map(|layer| layer.base_values(self)).sum();
        layers + self.null_tokens * self.context_width
    }

    /// Channels that enter the stem.
    pub(super) fn photo_channels(&self) -> usize {
        3 + usize::from(self.noise == NoiseInput::Channel)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use weight_blocks::module_to_named;

    use super::*;

    #[test]
    fn the_table_counts_every_value_of_a_base() {
        let wide = GeneratorConfig {
            widths: [5, 9, 12],
            context_width: 7,
            heads: 3,
            edge_kernel: 5,
            null_tokens: 0,
            noise: NoiseInput::Channel,
            ..GeneratorConfig::compact()
        };
        for config in [GeneratorConfig::paper(), GeneratorConfig::compact(), wide] {
            let generator = HybridGenerator::new(&config, 0, &Device::flex()).unwrap();
            let named = module_to_named(&generator).unwrap();
            let own = named.iter().filter(|(name, _)| !name.contains(".lora_"));
            let values: usize = own.map(|(_, tensor)| tensor.data.len()).sum();
            assert_eq!(config.base_values(), values);
        }
    }

    #[test]
    fn seeds_draw_the_layers_part_by_part() {
        let names: Vec<_> = in_draw_order().iter().map(|layer| layer.name).collect();
        assert_eq!(
            names[..14],
            [
                "stem",
                "down1",
                "down2",
                "res1.conv1",
                "res1.conv2",
                "res2.conv1",
                "res2.conv2",
                "res3.conv1",
                "res3.conv2",
                "down3",
                "up3",
                "up2",
                "up1",
                "head",
            ]
        );
        assert_eq!(names[14], "transformer.attn1.to_q");
        assert_eq!(names[23], "transformer.ff_out");
    }
}
