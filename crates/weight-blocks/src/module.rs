//! Burn modules as named tensors (feature `burn`), and the parts of [`ModuleSpace`]'s rule.
//!
//! [`ModuleSpace`]: crate::ModuleSpace

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

pub use crate::module_space::{ModuleTensor, Place, by_layer};
use crate::space::num_elements;
use crate::{Error, HostTensor, NamedTensors};

/// Names as PyTorch and PEFT print them: a norm's `gamma`/`beta` become `weight`/`bias`, a LoRA
/// pair's `lora.down`/`lora.up` become `lora_A.weight`/`lora_B.weight`.
pub(crate) fn public_name(path: &[String]) -> String {
    let mut parts: Vec<&str> = path.iter().map(String::as_str).collect();
    if let [.., lora @ "lora", factor @ ("down" | "up")] = parts.as_mut_slice() {
        *lora = if *factor == "down" {
            "lora_A"
        } else {
            "lora_B"
        };
        *factor = "weight";
    }
    match parts.last_mut() {
        Some(last) if *last == "gamma" => *last = "weight",
        Some(last) if *last == "beta" => *last = "bias",
        _ => {}
    }
    parts.join(".")
}

/// All float tensors of a module by name, running statistics included, copied to the host.
///
/// Reads without recording a graph, so it may be called on a training module.
///
/// # Errors
/// Returns [`Error::Device`] if the values cannot be read back from the device.
pub fn module_to_named<M: Module>(module: &M) -> Result<NamedTensors, Error> {
    let mut reader = Reader::default();
    // `valid` also applies pending updates of running statistics; a plain visit misses the last one.
    module.valid().visit(&mut reader);
    match reader.error {
        Some(error) => Err(error),
        None => Ok(reader.tensors),
    }
}

/// Name and shape of each float tensor of a module, in the order of its fields and named as by [`module_to_named`];
/// nothing is copied.
pub fn module_shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut reader = ShapeReader::default();
    module.visit(&mut reader);
    reader.shapes
}

/// The gradients of a training module's float tensors by name, removed from `gradients`. Tensors that the loss does not
/// depend on, or that are frozen, are left out.
///
/// # Errors
/// Returns [`Error::Device`] if the values cannot be read back from the device.
pub fn gradients_to_named<M: Module>(
    module: &M,
    gradients: &mut Gradients,
) -> Result<NamedTensors, Error> {
    let mut reader = GradientReader {
        gradients,
        path: Vec::new(),
        tensors: NamedTensors::new(),
        error: None,
    };
    module.visit(&mut reader);
    match reader.error {
        Some(error) => Err(error),
        None => Ok(reader.tensors),
    }
}

/// Loads the values of `weights` into a module. Every name in `weights` must be one of the module's; parameters that
/// `weights` does not name keep their values. A tensor must have its parameter's shape, but may have several last dimensions
/// where the parameter has one: a LoRA factor is `[r, c, kh, kw]` in PEFT's files and may be `[r, c·kh·kw]` in a module.
///
/// # Errors
/// Returns [`Error::UnexpectedTensor`] for a name that the module lacks, and [`Error::ShapeMismatch`] for another shape or
/// values that do not fill it. The module is consumed in any case, so pass a clone to keep it. A clone shares the running
/// statistics of batch norms with the original; modules from `valid()` and `train()` do not.
pub fn load_named<M: Module>(module: M, weights: &NamedTensors) -> Result<M, Error> {
    let mut writer = Writer {
        path: Vec::new(),
        weights,
        used: BTreeSet::new(),
        error: None,
    };
    let module = module.map(&mut writer);
    if let Some(error) = writer.error {
        return Err(error);
    }
    let unknown = |name: &&String| !writer.used.contains(name.as_str());
    match weights.keys().find(unknown) {
        Some(name) => Err(Error::UnexpectedTensor { name: name.clone() }),
        None => Ok(module),
    }
}

/// Whether `tensor` holds the values of a parameter of `shape` in their order.
fn fits(tensor: &HostTensor, shape: &[usize]) -> bool {
    let own = tensor.shape.as_slice();
    let rest =
        (shape.split_last()).and_then(|(last, first)| Some((own.strip_prefix(first)?, last)));
    rest.is_some_and(|(rest, &last)| !rest.is_empty() && num_elements(rest) == Some(last))
        && num_elements(own) == Some(tensor.data.len())
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    tensors: NamedTensors,
    error: Option<Error>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = public_name(&self.path);
        match to_host(&name, param.base().without_autodiff()) {
            Ok(tensor) => {
                self.tensors.insert(name, tensor);
            }
            Err(error) => self.error = Some(error),
        }
    }
}

#[derive(Default)]
struct ShapeReader {
    path: Vec<String>,
    shapes: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for ShapeReader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        (self.shapes).push((public_name(&self.path), param.shape().to_vec()));
    }
}

struct GradientReader<'a> {
    gradients: &'a mut Gradients,
    path: Vec<String>,
    tensors: NamedTensors,
    error: Option<Error>,
}

impl ModuleVisitor for GradientReader<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.val().grad_remove(self.gradients) else {
            return;
        };
        let name = public_name(&self.path);
        match to_host(&name, gradient) {
            Ok(tensor) => {
                self.tensors.insert(name, tensor);
            }
            Err(error) => self.error = Some(error),
        }
    }
}

fn to_host<const D: usize>(name: &str, tensor: Tensor<D>) -> Result<HostTensor, Error> {
    let shape = tensor.dims().to_vec();
    match tensor.into_data().convert::<f32>().try_into_vec::<f32>() {
        Ok(data) => Ok(HostTensor { shape, data }),
        Err(source) => Err(Error::Device {
            name: name.to_owned(),
            source,
        }),
    }
}

struct Writer<'a> {
    path: Vec<String>,
    weights: &'a NamedTensors,
    used: BTreeSet<&'a str>,
    error: Option<Error>,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = public_name(&self.path);
        let Some((known, value)) = self.weights.get_key_value(&name) else {
            return param;
        };
        self.used.insert(known);
        let shape = param.shape();
        if !fits(value, &shape) {
            self.error = Some(Error::ShapeMismatch {
                name,
                expected: shape.to_vec(),
                found: value.shape.clone(),
            });
            return param;
        }
        param.map(|old| {
            let tracked = old.is_require_grad();
            Tensor::from_data(TensorData::new(value.data.clone(), shape), &old.device())
                .set_require_grad(tracked)
        })
    }
}
