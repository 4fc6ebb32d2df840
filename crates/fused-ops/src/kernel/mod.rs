//! Running a kernel on Burn's CPU backend, in an autodiff graph or out of it.

mod gemm;
mod math;

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, GradientCheckpointingStrategy, TensorMetadata};
use burn::tensor::{Bytes, DType, Shape, Tensor};

pub(crate) use self::gemm::{
    Accumulate, Matrix, MatrixMut, column_sums, multiply, preset, transposed_product,
};
pub(crate) use self::math::{exp, gelu, gelu_slope, sigmoid, vectorized};

/// A layer that reads contiguous 32-bit floats and writes them.
///
/// A kernel names its inputs in a struct of its own, generic in what it holds of each: `Inputs<Dense>` has their values,
/// `Inputs<bool>` says whose gradients are wanted, and `Inputs<Option<Dense>>` has the gradients. An input that a layer
/// may lack is a field of `Option<T>`, in all of them alike.
pub(crate) trait Kernel: Clone + Debug + Send + 'static {
    /// The inputs by name.
    type Inputs<T: Slot>: Slot;

    /// What the forward pass keeps for the backward pass.
    type Kept: Slot;

    /// Puts every input that is there through `f`, always in the same order, and keeps its name.
    fn map<T: Slot, U: Slot>(inputs: Self::Inputs<T>, f: impl FnMut(T) -> U) -> Self::Inputs<U>;

    /// The output, and what [`Kernel::backward`] needs of the forward pass beside the inputs.
    fn forward(&self, inputs: &Self::Inputs<Dense>) -> (Dense, Self::Kept);

    /// The output alone, if there will be no backward pass.
    fn infer(&self, inputs: &Self::Inputs<Dense>) -> Dense {
        self.forward(inputs).0
    }

    /// Gradients of the inputs that are `wanted`; those of others may be none.
    fn backward(
        &self,
        inputs: &Self::Inputs<Dense>,
        kept: &Self::Kept,
        gradient: &Dense,
        wanted: &Self::Inputs<bool>,
    ) -> Self::Inputs<Option<Dense>>;
}

/// What a field of [`Kernel::Inputs`] may hold: an autodiff graph keeps it and clones it.
pub(crate) trait Slot: Clone + Debug + Send + 'static {}

impl<T: Clone + Debug + Send + 'static> Slot for T {}

/// The input of a kernel that has one.
#[derive(Clone, Debug)]
pub(crate) struct Unary<T> {
    pub(crate) x: T,
}

impl<T> Unary<T> {
    pub(crate) fn map<U>(self, mut f: impl FnMut(T) -> U) -> Unary<U> {
        Unary { x: f(self.x) }
    }
}

/// A contiguous tensor of 32-bit floats.
#[derive(Clone, Debug)]
pub(crate) struct Dense(FlexTensor);

impl Dense {
    pub(crate) fn new(values: Vec<f32>, dims: &[usize]) -> Self {
        debug_assert_eq!(values.len(), dims.iter().product::<usize>());
        Self(FlexTensor::new(
            Bytes::from_elems(values),
            Layout::contiguous(Shape::from(dims.to_vec())),
            DType::F32,
        ))
    }

    pub(crate) fn values(&self) -> &[f32] {
        // Contiguous floats by construction, so there is a slice.
        self.0.as_slice::<f32>().unwrap_or(&[])
    }

    pub(crate) fn dims<const D: usize>(&self) -> [usize; D] {
        self.0.shape().dims()
    }

    pub(crate) fn into_tensor<const D: usize>(self) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(self.0)
    }

    pub(crate) fn of(tensor: FlexTensor) -> Self {
        if tensor.is_contiguous() {
            Self(tensor)
        } else {
            Self(tensor.to_contiguous())
        }
    }
}

/// A tensor of an autodiff graph.
type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

/// A tensor on its way into a kernel.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Plain(FlexTensor),
    Tracked(AutodiffTensor),
}

impl Input {
    /// None if kernels do not compute with this tensor: it is not of 32-bit floats, not on the CPU backend, or under
    /// gradient checkpointing.
    pub(crate) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if tensor.dtype() != DType::F32 {
            return None;
        }
        match tensor.gradient_checkpointing_strategy() {
            None => (tensor.clone().try_into_primitive::<Flex>().ok()).map(Self::Plain),
            Some(GradientCheckpointingStrategy::Disabled) => {
                (tensor.clone().try_into_primitive::<Autodiff<Flex>>().ok()).map(Self::Tracked)
            }
            Some(_) => None,
        }
    }
}

/// Runs `kernel`; none if one of `inputs` is.
pub(crate) fn apply<K: Kernel, const D: usize>(
    kernel: K,
    inputs: K::Inputs<Option<Input>>,
) -> Option<Tensor<D>> {
    let mut tensors = Vec::new();
    let places = K::map(inputs, |tensor| {
        tensors.push(tensor);
        tensors.len() - 1
    });
    let tensors = tensors.into_iter().collect::<Option<Vec<Input>>>()?;
    if tensors
        .iter()
        .all(|tensor| matches!(tensor, Input::Plain(_)))
    {
        let tensors: Vec<Dense> = (tensors.into_iter())
            .filter_map(|tensor| match tensor {
                Input::Plain(tensor) => Some(Dense::of(tensor)),
                Input::Tracked(_) => None,
            })
            .collect();
        let inputs = K::map(places, |at| tensors[at].clone());
        return Some(Tensor::from_primitive::<Flex>(kernel.infer(&inputs).0));
    }
    let tensors: Vec<AutodiffTensor> = (tensors.into_iter())
        .map(|tensor| match tensor {
            Input::Plain(tensor) => AutodiffTensor::new(tensor),
            Input::Tracked(tensor) => tensor,
        })
        .collect();
    // Burn records an operation with the number of its inputs in its type.
    let output = match tensors.len() {
        1 => record::<K, 1>(kernel, places, tensors),
        2 => record::<K, 2>(kernel, places, tensors),
        3 => record::<K, 3>(kernel, places, tensors),
        4 => record::<K, 4>(kernel, places, tensors),
        5 => record::<K, 5>(kernel, places, tensors),
        6 => record::<K, 6>(kernel, places, tensors),
        7 => record::<K, 7>(kernel, places, tensors),
        8 => record::<K, 8>(kernel, places, tensors),
        _ => None,
    };
    output.map(Tensor::from_primitive::<Autodiff<Flex>>)
}

/// The operation in Burn's graph.
#[derive(Debug)]
struct Step<K>(PhantomData<K>);

/// What the graph keeps of it until the backward pass.
#[derive(Debug, Clone)]
struct Saved<K: Kernel> {
    kernel: K,
    inputs: K::Inputs<Dense>,
    kept: K::Kept,
}

impl<K: Kernel, const N: usize> Backward<Flex, N> for Step<K> {
    type State = Saved<K>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = Dense::of(grads.consume::<Flex>(&ops.node));
        let Saved {
            kernel,
            inputs,
            kept,
        } = ops.state;
        let mut parents = ops.parents.iter();
        let wanted = K::map(inputs.clone(), |_| {
            parents.next().is_some_and(Option::is_some)
        });
        let gradients = kernel.backward(&inputs, &kept, &gradient, &wanted);
        let mut parents = ops.parents.into_iter();
        K::map(gradients, |gradient| {
            if let (Some(parent), Some(gradient)) = (parents.next().flatten(), gradient) {
                grads.register::<Flex>(parent.id, gradient.0);
            }
        });
    }
}

/// Runs `kernel` as an operation of the autodiff graph of `tensors`, at whose `places` its inputs are.
fn record<K: Kernel, const N: usize>(
    kernel: K,
    places: K::Inputs<usize>,
    tensors: Vec<AutodiffTensor>,
) -> Option<AutodiffTensor> {
    let nodes: Vec<_> = tensors.iter().map(AutodiffTensor::node).collect();
    let nodes: [_; N] = nodes.try_into().ok()?;
    let tensors: Vec<Dense> = (tensors.into_iter())
        .map(|tensor| Dense::of(tensor.into_primitive()))
        .collect();
    let inputs = K::map(places, |at| tensors[at].clone());
    let output = match Step::<K>(PhantomData)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let (output, kept) = kernel.forward(&inputs);
            let saved = Saved {
                kernel,
                inputs,
                kept,
            };
            prep.finish(saved, output.0)
        }
        OpsKind::UnTracked(prep) => prep.finish(kernel.infer(&inputs).0),
    };
    Some(output)
}
