//! All weights of a network as one vector, in the order in which the module lists them.
//!
//! The optimizer, the moving average and the norm of the gradient then take a handful of large operations
//! instead of a handful per tensor, and a training state is four tensors.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use weight_blocks::module::module_shapes;

/// The weights, without autodiff.
pub(crate) fn parameters<M: Module>(module: &M) -> Tensor<1> {
    let mut reader = Reader(Vec::new());
    module.visit(&mut reader);
    Tensor::cat(reader.0, 0)
}

/// The gradients; zero for tensors that the loss does not depend on.
pub(crate) fn gradients<M: Module>(module: &M, gradients: &mut Gradients) -> Tensor<1> {
    let mut reader = GradientReader {
        parts: Vec::new(),
        gradients,
    };
    module.visit(&mut reader);
    Tensor::cat(reader.parts, 0)
}

/// The module with its weights taken from `values`, which holds as many as the module has.
pub(crate) fn with_parameters<M: Module>(module: M, values: &Tensor<1>) -> M {
    module.map(&mut Writer { values, at: 0 })
}

/// Name of the parameter that holds value number `index` of the vector.
pub(crate) fn name_at<M: Module>(module: &M, index: usize) -> String {
    let mut end = 0;
    let holds = |(_, shape): &(String, Vec<usize>)| {
        end += shape.iter().product::<usize>();
        index < end
    };
    let found = module_shapes(module).into_iter().find(holds);
    found.map_or_else(|| format!("value {index}"), |(name, _)| name)
}

struct Reader(Vec<Tensor<1>>);

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(flatten(param.val().without_autodiff()));
    }
}

struct GradientReader<'a> {
    parts: Vec<Tensor<1>>,
    gradients: &'a mut Gradients,
}

impl ModuleVisitor for GradientReader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let gradient = value.grad_remove(self.gradients);
        self.parts.push(flatten(
            gradient.unwrap_or_else(|| value.without_autodiff().zeros_like()),
        ));
    }
}

fn flatten<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let len = tensor.shape().num_elements();
    tensor.reshape([len])
}

struct Writer<'a> {
    values: &'a Tensor<1>,
    at: usize,
}

impl ModuleMapper for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
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
