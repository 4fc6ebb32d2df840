//! The adapted layers as a list.

use burn::module::ParamId;
use weight_blocks::{LayerGroup, LayerKind, TensorRole, TensorSpec};

use crate::generator::{HybridGenerator, ResBlock};
use crate::layers::{ConvUnit, LinearUnit, LoraPair};

/// What a convolution adds to a [`Layer`].
#[derive(Clone, Copy)]
pub(crate) struct ConvShape {
    /// Input channels and kernel.
    pub(crate) kernel: [usize; 3],
    pub(crate) stride: usize,
}

/// One layer as the generator lists it, in the order of the forward pass.
pub(crate) struct Layer<'a> {
    pub(crate) name: String,
    pub(crate) kind: LayerKind,
    /// None for a linear layer.
    pub(crate) conv: Option<ConvShape>,
    /// Input channels times kernel area, or input features.
    fan_in: usize,
    /// Output channels or features.
    pub(crate) out: usize,
    /// Values of kernel and bias.
    pub(crate) weights: usize,
    pub(crate) lora: Option<&'a LoraPair>,
    /// Name and width of each norm that follows.
    pub(crate) norms: Vec<(String, usize)>,
    /// Identities of the norms' γ and β.
    norm_ids: Vec<ParamId>,
}

impl HybridGenerator {
    pub(crate) fn layers(&self) -> Vec<Layer<'_>> {
        let mut layers = Vec::new();
        let t = &self.transformer;
        let mut norm_after_down3 = conv("down3", LayerKind::Conv, &self.down3);
        norm_after_down3.norm("transformer.norm1", &t.norm1);

        layers.push(conv("stem", LayerKind::Conv, &self.stem));
        layers.push(conv("down1", LayerKind::Conv, &self.down1));
        layers.push(conv("down2", LayerKind::Conv, &self.down2));
        residual("res1", &self.res1, &mut layers);
        residual("res2", &self.res2, &mut layers);
        layers.push(norm_after_down3);
        for (name, attention, norm, after) in [
            ("attn1", &t.attn1, "norm2", &t.norm2),
            ("attn2", &t.attn2, "norm3", &t.norm3),
        ] {
            let projection = |part: &str, unit| {
                let name = format!("transformer.{name}.{part}");
                linear(name, LayerKind::Attention, unit)
            };
            layers.push(projection("to_q", &attention.to_q));
            layers.push(projection("to_k", &attention.to_k));
            layers.push(projection("to_v", &attention.to_v));
            let mut out = projection("to_out", &attention.to_out);
            out.norm(&format!("transformer.{norm}"), after);
            layers.push(out);
        }
        for (name, unit) in [("ff_in", &t.ff_in), ("ff_out", &t.ff_out)] {
            layers.push(linear(
                format!("transformer.{name}"),
                LayerKind::Linear,
                unit,
            ));
        }
        layers.push(conv("up3", LayerKind::ConvTranspose, &self.up3));
        residual("res3", &self.res3, &mut layers);
        layers.push(conv("up2", LayerKind::ConvTranspose, &self.up2));
        layers.push(conv("up1", LayerKind::ConvTranspose, &self.up1));
        layers.push(conv("head", LayerKind::Conv, &self.head));
        layers
    }
}

fn conv<'a>(name: &str, kind: LayerKind, unit: &'a ConvUnit) -> Layer<'a> {
    let [input, out] = unit.channels();
    let [_, _, k, _] = unit.weight.dims();
    let mut layer = Layer {
        name: name.to_owned(),
        kind,
        conv: Some(ConvShape {
            kernel: [input, k, k],
            stride: unit.stride(),
        }),
        fan_in: unit.fan_in(),
        out,
        weights: unit.fan_in() * out + out,
        lora: unit.lora.as_ref(),
        norms: Vec::new(),
        norm_ids: Vec::new(),
    };
    if let Some(norm) = &unit.norm {
        layer
            .norms
            .push((format!("{name}.norm"), norm.gamma.dims()[0]));
        layer.norm_ids.extend([norm.gamma.id, norm.beta.id]);
    }
    layer
}

fn linear(name: String, kind: LayerKind, unit: &LinearUnit) -> Layer<'_> {
    let [out, input] = unit.weight.dims();
    Layer {
        name,
        kind,
        conv: None,
        fan_in: input,
        out,
        weights: input * out + unit.bias.as_ref().map_or(0, |_| out),
        lora: unit.lora.as_ref(),
        norms: Vec::new(),
        norm_ids: Vec::new(),
    }
}

fn residual<'a>(name: &str, block: &'a ResBlock, layers: &mut Vec<Layer<'a>>) {
    for (part, unit) in [("conv1", &block.conv1), ("conv2", &block.conv2)] {
        layers.push(conv(&format!("{name}.{part}"), LayerKind::Conv, unit));
    }
}

impl Layer<'_> {
    fn norm(&mut self, name: &str, norm: &burn::nn::LayerNorm) {
        self.norms.push((name.to_owned(), norm.gamma.dims()[0]));
        self.norm_ids.push(norm.gamma.id);
        self.norm_ids.extend(norm.beta.as_ref().map(|beta| beta.id));
    }

    /// Beyond it `up · down` gains nothing.
    pub(crate) fn largest_rank(&self) -> usize {
        self.fan_in.min(self.out)
    }

    /// Whether its input is the text.
    pub(crate) fn reads_text(&self) -> bool {
        ["to_k", "to_v"]
            .iter()
            .any(|part| self.name.ends_with(&format!("attn2.{part}")))
    }

    /// Identities of the parameters that the adapter trains; none where the layer is frozen whole.
    pub(super) fn trained(self) -> Vec<ParamId> {
        match self.lora {
            None => Vec::new(),
            Some(pair) => [vec![pair.down.id, pair.up.id], self.norm_ids].concat(),
        }
    }

    /// Shapes of down and up, as PEFT has them.
    pub(crate) fn factors(&self) -> Option<[Vec<usize>; 2]> {
        let pair = self.lora?;
        let [rank, fan_in] = pair.down.dims();
        Some(match self.conv {
            Some(ConvShape {
                kernel: [c, kh, kw],
                ..
            }) => [vec![rank, c, kh, kw], vec![self.out, rank, 1, 1]],
            None => [vec![rank, fan_in], vec![self.out, rank]],
        })
    }

    /// Rule 1's order: down, up, the norm that follows; none for a layer that is frozen whole.
    pub(super) fn group(&self) -> Option<LayerGroup> {
        let [down, up] = self.factors()?;
        let spec = |name: String, shape: Vec<usize>, role| TensorSpec { name, shape, role };
        let mut tensors = vec![
            spec(
                format!("{}.lora_A.weight", self.name),
                down,
                TensorRole::Down,
            ),
            spec(format!("{}.lora_B.weight", self.name), up, TensorRole::Up),
        ];
        for (norm, width) in &self.norms {
            tensors.push(spec(
                format!("{norm}.weight"),
                vec![*width],
                TensorRole::NormWeight,
            ));
            tensors.push(spec(
                format!("{norm}.bias"),
                vec![*width],
                TensorRole::NormBias,
            ));
        }
        Some(LayerGroup {
            name: self.name.clone(),
            kind: self.kind,
            tensors,
        })
    }
}
