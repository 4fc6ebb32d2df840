//! Weights of a Burn module as one vector, in the order in which the module lists them (feature `burn`).
//!
//! An optimizer, a moving average and the norm of a gradient then take a handful of large operations
//! instead of a handful per tensor, and a training state is a handful of vectors.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use crate::module::module_shapes;

/// All float tensors `[n]`, running statistics included, without autodiff.
///
/// # Panics
/// Panics if the module has none.
pub fn parameters<M: Module>(module: &M) -> Tensor<1> {
    Tensor::cat(read(module, false), 0)
}

/// The tensors that train, `[n]`, without autodiff; `None` if all are frozen.
pub fn trained<M: Module>(module: &M) -> Option<Tensor<1>> {
    let parts = read(module, true);
    (!parts.is_empty()).then(|| Tensor::cat(parts, 0))
}

/// The gradients `[n]` of the tensors that train, removed from `gradients`; zero for those that the loss does not depend
/// on.
///
/// # Panics
/// Panics if no tensor trains.
pub fn gradients<M: Module>(module: &M, gradients: &mut Gradients) -> Tensor<1> {
    let mut reader = GradientReader {
        parts: Vec::new(),
        gradients,
    };
    module.visit(&mut reader);
    Tensor::cat(reader.parts, 0)
}

/// The module with its tensors taken from `values`, of the length of [`parameters`].
///
/// # Panics
/// Panics if `values` is shorter, as the tensor operations do.
pub fn with_parameters<M: Module>(module: M, values: &Tensor<1>) -> M {
    write(module, values, false)
}

/// The module with the tensors that train taken from `values`, of the length of [`trained`]. They share its storage if the
/// backend has views.
///
/// # Panics
/// Panics if `values` is shorter, as the tensor operations do.
pub fn with_trained<M: Module>(module: M, values: &Tensor<1>) -> M {
    write(module, values, true)
}

/// Name of the tensor that holds value number `index` of [`parameters`].
pub fn name_at<M: Module>(module: &M, index: usize) -> String {
    let mut end = 0;
    let holds = |(_, shape): &(String, Vec<usize>)| {
        end += shape.iter().product::<usize>();
        index < end
    };
    let found = module_shapes(module).into_iter().find(holds);
    found.map_or_else(|| format!("value {index}"), |(name, _)| name)
}

fn read<M: Module>(module: &M, trained: bool) -> Vec<Tensor<1>> {
    let mut reader = Reader {
        parts: Vec::new(),
        trained,
    };
    module.visit(&mut reader);
    reader.parts
}

fn write<M: Module>(module: M, values: &Tensor<1>, trained: bool) -> M {
    let at = 0;
    module.map(&mut Writer {
        values,
        at,
        trained,
    })
}

struct Reader {
    parts: Vec<Tensor<1>>,
    /// Only what trains.
    trained: bool,
}

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !self.trained || value.is_require_grad() {
            self.parts.push(flatten(value.without_autodiff()));
        }
    }
}

struct GradientReader<'a> {
    parts: Vec<Tensor<1>>,
    gradients: &'a mut Gradients,
}

impl ModuleVisitor for GradientReader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if value.is_require_grad() {
            let gradient = value.grad_remove(self.gradients);
            let none = || value.without_autodiff().zeros_like();
            self.parts.push(flatten(gradient.unwrap_or_else(none)));
        }
    }
}

fn flatten<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let len = tensor.shape().num_elements();
    tensor.reshape([len])
}

struct Writer<'a> {
    values: &'a Tensor<1>,
    at: usize,
    /// Only what trains.
    trained: bool,
}

impl ModuleMapper for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.trained && !param.val().is_require_grad() {
            return param;
        }
        param.map(|old| {
            let shape = old.shape();
            let len = shape.num_elements();
            let value = self.values.clone().narrow(0, self.at, len).reshape(shape);
            self.at += len;
            let Some(strategy) = old.gradient_checkpointing_strategy() else {
                return value;
            };
            let value = value
                .autodiff()
                .with_gradient_checkpointing_strategy(strategy);
            value.set_require_grad(old.is_require_grad())
        })
    }
}
