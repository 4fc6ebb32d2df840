//! Any Burn module as a weight space (feature `burn`).

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::error::LayoutError;
use crate::module::public_name;
use crate::{
    Error, LayerGroup, LayerKind, NamedTensors, TensorRole, TensorSpec, WeightSpace, check_tensors,
    load_named, module_to_named,
};

/// A float tensor of a module, as the rule of [`ModuleSpace::with_rule`] sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleTensor<'a> {
    /// Its name, as [`module_to_named`] gives it.
    pub name: &'a str,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Name of the struct that holds it, such as `Linear` or `Conv2d`.
    pub layer: &'a str,
}

/// The place of a tensor among the groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of its group.
    pub group: String,
    /// What the group's layer computes; the group's first tensor decides.
    pub kind: LayerKind,
    /// What the tensor is in its layer.
    pub role: TensorRole,
}

/// Any Burn module as a [`WeightSpace`]: its float tensors are visited in the order of its fields, and a
/// rule puts each into a group, or leaves it out.
///
/// [`ModuleSpace::new`] uses the rule [`by_layer`]. A zoo of your own module:
///
/// ```
/// use std::collections::BTreeMap;
/// use burn::module::Module;
/// use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
/// use burn::tensor::Device;
/// use weight_blocks::{
///     Checkpoint, ConceptRecord, GroupingRule, Layout, ModuleSpace, WeightSpace, Zoo, module::by_layer,
/// };
///
/// #[derive(Module, Debug)]
/// struct Mine {
///     encoder: Linear,
///     norm: BatchNorm,
///     head: Linear,
/// }
/// # fn mine(device: &Device) -> Mine {
/// #     Mine {
/// #         encoder: LinearConfig::new(4, 6).init(device),
/// #         norm: BatchNormConfig::new(6).init(device),
/// #         head: LinearConfig::new(6, 2).init(device),
/// #     }
/// # }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let device = Device::default();
/// // All layers but `encoder`, which stays frozen: (6 + 6) + (6·2 + 2) values.
/// let space = |module| ModuleSpace::with_rule(module, |tensor| {
///     by_layer(tensor).filter(|place| place.group != "encoder")
/// });
/// let first = space(mine(&device))?;
/// let names: Vec<String> = first.layer_groups().into_iter().map(|group| group.name).collect();
/// assert_eq!(names, ["norm", "head"]);
/// let layout = Layout::new("mine", first.layer_groups(), GroupingRule::Appended, 8)?;
/// assert_eq!((layout.values(), layout.blocks()), (26, 4));
///
/// let mut zoo = Zoo::create(dir.path(), &layout, "digest of the encoder")?;
/// for name in ["one", "two"] {
///     let trained = space(mine(&device))?; // … after its training
///     let record = ConceptRecord {
///         concept: name.into(),
///         prompt: format!("task {name}"),
///         seed: 0,
///         recipe: serde_json::Value::Null,
///         checkpoints: vec![Checkpoint { epoch: 0, metrics: BTreeMap::new() }],
///     };
///     zoo.append(&record, &[trained.read_weights()?])?;
/// }
///
/// // And back into a module.
/// let mut again = space(mine(&device))?;
/// again.load_weights(&zoo.load(&zoo.entries()[1])?)?;
/// let _module: Mine = again.into_module();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ModuleSpace<M> {
    module: M,
    groups: Vec<LayerGroup>,
}

impl<M: Module> ModuleSpace<M> {
    /// All float tensors of `module` except running statistics, one group per layer ([`by_layer`]).
    ///
    /// # Errors
    /// As [`ModuleSpace::with_rule`].
    pub fn new(module: M) -> Result<Self, Error> {
        Self::with_rule(module, by_layer)
    }

    /// The tensors of `module` for which `rule` returns a place. Groups are ordered by their first tensor, and the tensors
    /// of a group by [`TensorRole`].
    ///
    /// # Errors
    /// Returns [`Error::Layout`] if no tensor is left, or if two have the same name: rename one of the module's fields
    /// then.
    pub fn with_rule(
        module: M,
        rule: impl Fn(&ModuleTensor<'_>) -> Option<Place>,
    ) -> Result<Self, Error> {
        let mut lister = Lister::default();
        module.visit(&mut lister);
        let mut groups: Vec<LayerGroup> = Vec::new();
        let mut places = HashMap::new();
        let mut names = std::collections::HashSet::new();
        for found in lister.found {
            if !names.insert(found.name.clone()) {
                return Err(LayoutError::DuplicateTensor { name: found.name }.into());
            }
            let place = rule(&ModuleTensor {
                name: &found.name,
                shape: &found.shape,
                layer: &found.layer,
            });
            let Some(place) = place else { continue };
            let at = *places.entry(place.group.clone()).or_insert_with(|| {
                groups.push(LayerGroup {
                    name: place.group,
                    kind: place.kind,
                    tensors: Vec::new(),
                });
                groups.len() - 1
            });
            groups[at].tensors.push(TensorSpec {
                name: found.name,
                shape: found.shape,
                role: place.role,
            });
        }
        if groups.is_empty() {
            return Err(LayoutError::NoTensors.into());
        }
        for group in &mut groups {
            group.tensors.sort_by_key(|tensor| tensor.role);
        }
        Ok(Self { module, groups })
    }

    /// The module.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// The module, by value.
    pub fn into_module(self) -> M {
        self.module
    }
}

impl<M: Module> WeightSpace for ModuleSpace<M> {
    fn layer_groups(&self) -> Vec<LayerGroup> {
        self.groups.clone()
    }

    fn read_weights(&self) -> Result<NamedTensors, Error> {
        let mut all = module_to_named(&self.module)?;
        let mut weights = NamedTensors::new();
        for spec in self.groups.iter().flat_map(|group| &group.tensors) {
            let Some(tensor) = all.remove(&spec.name) else {
                let name = spec.name.clone();
                return Err(Error::MissingTensor { name });
            };
            weights.insert(spec.name.clone(), tensor);
        }
        Ok(weights)
    }

    fn load_weights(&mut self, weights: &NamedTensors) -> Result<(), Error> {
        check_tensors(&self.groups, weights)?;
        self.module = load_named(self.module.clone(), weights)?;
        Ok(())
    }
}

/// The default rule: one group per layer, that is per name without its last part (and without a `lora_A`, `lora_B`,
/// `lora_down` or `lora_up` before it). The role follows from the last part: LoRA factors are [`TensorRole::Down`] and
/// [`TensorRole::Up`]; `weight` and `bias` of a norm are [`TensorRole::NormWeight`] and [`TensorRole::NormBias`]; any
/// other `bias` is [`TensorRole::Bias`], and everything else [`TensorRole::Weight`]. The kind follows from the struct's
/// name. Running statistics are left out, because they are not trained.
pub fn by_layer(tensor: &ModuleTensor<'_>) -> Option<Place> {
    let (path, last) = tensor.name.rsplit_once('.').unwrap_or(("", tensor.name));
    if ["running_mean", "running_var"].contains(&last) {
        return None;
    }
    let kind = kind(tensor.layer);
    let (outer, inner) = path.rsplit_once('.').unwrap_or(("", path));
    let factor = match inner {
        "lora_A" | "lora_down" => Some(TensorRole::Down),
        "lora_B" | "lora_up" => Some(TensorRole::Up),
        _ => None,
    };
    let (group, role) = match (factor, last) {
        (Some(role), "weight") => (outer, role),
        (_, "weight") if kind == LayerKind::Norm => (path, TensorRole::NormWeight),
        (_, "bias") if kind == LayerKind::Norm => (path, TensorRole::NormBias),
        (_, "bias") => (path, TensorRole::Bias),
        _ => (path, TensorRole::Weight),
    };
    let group = if group.is_empty() { tensor.name } else { group };
    Some(Place {
        group: group.to_owned(),
        kind,
        role,
    })
}

/// Recognises Burn's layers by their names, and other structs whose names contain one of these.
fn kind(layer: &str) -> LayerKind {
    let is = |part: &str| layer.contains(part);
    if is("ConvTranspose") {
        LayerKind::ConvTranspose
    } else if is("Conv") {
        LayerKind::Conv
    } else if is("Attention") {
        LayerKind::Attention
    } else if is("Linear") {
        LayerKind::Linear
    } else if is("Norm") {
        LayerKind::Norm
    } else if is("Embedding") {
        LayerKind::Embedding
    } else {
        LayerKind::Other
    }
}

struct Found {
    name: String,
    shape: Vec<usize>,
    layer: String,
}

#[derive(Default)]
struct Lister {
    path: Vec<String>,
    /// The structs that hold each part of the path.
    layers: Vec<String>,
    found: Vec<Found>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        let layer = container
            .rsplit_once(':')
            .map_or(container, |(_, name)| name);
        self.layers.push(layer.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
        self.layers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push(Found {
            name: public_name(&self.path),
            shape: param.shape().to_vec(),
            layer: self.layers.last().cloned().unwrap_or_default(),
        });
    }
}
