//! The adapter of one concept: every layer's LoRA factors and the norm that follows.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Gradients, Tensor};
use std::collections::HashSet;
use weight_blocks::{
    HostTensor, LayerGroup, LayerKind, NamedTensors, TensorRole, TensorSpec, WeightSpace,
    gradients_to_named, load_named, module_to_named,
};

use crate::generator::{HybridGenerator, ResBlock};
use crate::layers::{ConvUnit, LinearUnit, LoraPair};

/// One adapted layer as the generator lists it, in the order of the forward pass.
struct Layer<'a> {
    name: String,
    kind: LayerKind,
    /// Input channels and kernel of a convolution; none for a linear layer.
    kernel: Option<[usize; 3]>,
    lora: Option<&'a LoraPair>,
    /// Name and width of each norm that follows.
    norms: Vec<(String, usize)>,
    /// Identities of the parameters that the adapter trains.
    ids: Vec<ParamId>,
}

impl HybridGenerator {
    fn layers(&self) -> Vec<Layer<'_>> {
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

    /// Only the adapter (LoRA factors and the γ, β of the norms) trains from here on; the base is
    /// frozen.
    pub fn train_adapter(self) -> Self {
        let trained = self.layers().into_iter().flat_map(|l| l.ids).collect();
        self.map(&mut TrainOnly { trained })
    }

    /// Only the base trains from here on (pretraining); the LoRA factors rest.
    pub fn train_base(self) -> Self {
        let mut pairs = LoraIds::default();
        self.visit(&mut pairs);
        self.map(&mut Rest { resting: pairs.ids })
    }

    /// The adapter's part of a loss's gradient, by name, in the adapter's shapes; zero where the loss
    /// does not depend on a tensor. The generator must be one of [`HybridGenerator::train_adapter`].
    ///
    /// # Errors
    /// Where the device cannot give the values back.
    pub fn adapter_gradients(
        &self,
        gradients: &mut Gradients,
    ) -> Result<NamedTensors, weight_blocks::Error> {
        let mut all = gradients_to_named(self, gradients)?;
        (self.layer_groups().into_iter())
            .flat_map(|group| group.tensors)
            .map(|spec| {
                let data = match all.remove(&spec.name) {
                    Some(tensor) => tensor.data,
                    None => vec![0.0; spec.shape.iter().product()],
                };
                Ok((spec.name, HostTensor::new(spec.shape, data)?))
            })
            .collect()
    }

    /// The base with the adapter merged into its weights, and the LoRA `up` factors zero: the same
    /// function at no cost of its own.
    pub fn merge_adapter(self) -> Self {
        self.map_units(
            |unit| {
                let merged = unit.merged_weight();
                unit.weight = unit.weight.clone().map(|_| merged.detach());
                reset(&mut unit.lora);
            },
            |unit| {
                let merged = unit.merged_weight();
                unit.weight = unit.weight.clone().map(|_| merged.detach());
                reset(&mut unit.lora);
            },
        )
    }

    fn map_units(
        mut self,
        mut conv: impl FnMut(&mut ConvUnit),
        mut linear: impl FnMut(&mut LinearUnit),
    ) -> Self {
        for unit in [
            &mut self.stem,
            &mut self.down1,
            &mut self.down2,
            &mut self.res1.conv1,
            &mut self.res1.conv2,
            &mut self.res2.conv1,
            &mut self.res2.conv2,
            &mut self.down3,
            &mut self.up3,
            &mut self.res3.conv1,
            &mut self.res3.conv2,
            &mut self.up2,
            &mut self.up1,
            &mut self.head,
        ] {
            conv(unit);
        }
        let t = &mut self.transformer;
        for attention in [&mut t.attn1, &mut t.attn2] {
            linear(&mut attention.to_q);
            linear(&mut attention.to_k);
            linear(&mut attention.to_v);
            linear(&mut attention.to_out);
        }
        linear(&mut t.ff_in);
        linear(&mut t.ff_out);
        self
    }
}

impl WeightSpace for HybridGenerator {
    fn layer_groups(&self) -> Vec<LayerGroup> {
        self.layers().iter().map(Layer::group).collect()
    }

    fn read_weights(&self) -> Result<NamedTensors, weight_blocks::Error> {
        let mut all = module_to_named(self)?;
        let mut adapter = NamedTensors::new();
        for spec in self.layer_groups().into_iter().flat_map(|g| g.tensors) {
            if let Some(HostTensor { data, .. }) = all.remove(&spec.name) {
                adapter.insert(spec.name, HostTensor::new(spec.shape, data)?);
            }
        }
        Ok(adapter)
    }

    fn load_weights(&mut self, weights: &NamedTensors) -> Result<(), weight_blocks::Error> {
        weight_blocks::check_tensors(&self.layer_groups(), weights)?;
        *self = load_named(self.clone(), weights)?;
        Ok(())
    }
}

fn conv<'a>(name: &str, kind: LayerKind, unit: &'a ConvUnit) -> Layer<'a> {
    let [a, b, k, _] = unit.weight.dims();
    let input = if kind == LayerKind::ConvTranspose {
        a
    } else {
        b
    };
    let mut layer = Layer::new(
        name.to_owned(),
        kind,
        Some([input, k, k]),
        unit.lora.as_ref(),
    );
    if let Some(norm) = &unit.norm {
        layer
            .norms
            .push((format!("{name}.norm"), norm.gamma.dims()[0]));
        layer.ids.extend([norm.gamma.id, norm.beta.id]);
    }
    layer
}

fn linear(name: String, kind: LayerKind, unit: &LinearUnit) -> Layer<'_> {
    Layer::new(name, kind, None, unit.lora.as_ref())
}

fn residual<'a>(name: &str, block: &'a ResBlock, layers: &mut Vec<Layer<'a>>) {
    for (part, unit) in [("conv1", &block.conv1), ("conv2", &block.conv2)] {
        layers.push(conv(&format!("{name}.{part}"), LayerKind::Conv, unit));
    }
}

fn reset(lora: &mut Option<LoraPair>) {
    if let Some(pair) = lora {
        pair.up = pair.up.clone().map(|up| {
            let tracked = up.is_require_grad();
            up.zeros_like().set_require_grad(tracked)
        });
    }
}

impl<'a> Layer<'a> {
    fn new(
        name: String,
        kind: LayerKind,
        kernel: Option<[usize; 3]>,
        lora: Option<&'a LoraPair>,
    ) -> Self {
        let ids = lora.map_or_else(Vec::new, |pair| vec![pair.down.id, pair.up.id]);
        Self {
            name,
            kind,
            kernel,
            lora,
            norms: Vec::new(),
            ids,
        }
    }

    fn norm(&mut self, name: &str, norm: &burn::nn::LayerNorm) {
        self.norms.push((name.to_owned(), norm.gamma.dims()[0]));
        self.ids.push(norm.gamma.id);
        self.ids.extend(norm.beta.as_ref().map(|beta| beta.id));
    }

    /// Rule 1's order: down, up, the norm that follows.
    fn group(&self) -> LayerGroup {
        let mut tensors = Vec::new();
        let mut push = |name: String, shape: Vec<usize>, role| {
            tensors.push(TensorSpec { name, shape, role });
        };
        if let Some(pair) = self.lora {
            let [rank, fan_in] = pair.down.dims();
            let out = pair.up.dims()[0];
            let (down, up) = match self.kernel {
                Some([c, kh, kw]) => (vec![rank, c, kh, kw], vec![out, rank, 1, 1]),
                None => (vec![rank, fan_in], vec![out, rank]),
            };
            push(
                format!("{}.lora_A.weight", self.name),
                down,
                TensorRole::Down,
            );
            push(format!("{}.lora_B.weight", self.name), up, TensorRole::Up);
        }
        for (norm, width) in &self.norms {
            push(
                format!("{norm}.weight"),
                vec![*width],
                TensorRole::NormWeight,
            );
            push(format!("{norm}.bias"), vec![*width], TensorRole::NormBias);
        }
        LayerGroup {
            name: self.name.clone(),
            kind: self.kind,
            tensors,
        }
    }
}

struct TrainOnly {
    trained: HashSet<ParamId>,
}

impl ModuleMapper for TrainOnly {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = self.trained.contains(&param.id);
        param.set_require_grad(trains)
    }
}

struct Rest {
    resting: HashSet<ParamId>,
}

impl ModuleMapper for Rest {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = !self.resting.contains(&param.id);
        param.set_require_grad(trains)
    }
}

#[derive(Default)]
struct LoraIds {
    inside: usize,
    ids: HashSet<ParamId>,
}

impl burn::module::ModuleVisitor for LoraIds {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.inside += usize::from(name == "lora");
    }

    fn exit_module(&mut self, name: &str, _container: &str) {
        self.inside -= usize::from(name == "lora");
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.inside > 0 {
            self.ids.insert(param.id);
        }
    }
}
