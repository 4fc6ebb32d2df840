//! Running a kernel on Burn's CPU backend, in an autodiff graph or out of it.

mod gemm;
mod math;

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
pub(crate) trait Kernel: Clone + std::fmt::Debug + Send + 'static {
    /// The output, and where `keep` is set what [`Kernel::backward`] needs of the forward pass beside
    /// the inputs.
    fn forward(&self, inputs: &[Dense], keep: bool) -> (Dense, Vec<Dense>);

    /// Gradients of the inputs that are `wanted`; others may be none.
    fn backward(
        &self,
        inputs: &[Dense],
        kept: &[Dense],
        gradient: &Dense,
        wanted: &[bool],
    ) -> Vec<Option<Dense>>;
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
        // Made contiguous where it came in.
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
pub(crate) enum Input {
    Plain(FlexTensor),
    Tracked(AutodiffTensor),
}

impl Input {
    /// None where the tensor is not one that kernels compute with.
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

/// Runs `kernel`; none where one of `inputs` is.
pub(crate) fn apply<K: Kernel, const D: usize>(
    kernel: K,
    inputs: Vec<Option<Input>>,
) -> Option<Tensor<D>> {
    let inputs = inputs.into_iter().collect::<Option<Vec<Input>>>()?;
    if inputs.iter().all(|input| matches!(input, Input::Plain(_))) {
        let inputs: Vec<Dense> = (inputs.into_iter())
            .filter_map(|input| match input {
                Input::Plain(tensor) => Some(Dense::of(tensor)),
                Input::Tracked(_) => None,
            })
            .collect();
        let (output, _) = kernel.forward(&inputs, false);
        return Some(Tensor::from_primitive::<Flex>(output.0));
    }
    let inputs: Vec<AutodiffTensor> = (inputs.into_iter())
        .map(|input| match input {
            Input::Plain(tensor) => AutodiffTensor::new(tensor),
            Input::Tracked(tensor) => tensor,
        })
        .collect();
    let output = match inputs.len() {
        1 => record::<K, 1>(kernel, inputs),
        2 => record::<K, 2>(kernel, inputs),
        3 => record::<K, 3>(kernel, inputs),
        4 => record::<K, 4>(kernel, inputs),
        5 => record::<K, 5>(kernel, inputs),
        6 => record::<K, 6>(kernel, inputs),
        7 => record::<K, 7>(kernel, inputs),
        8 => record::<K, 8>(kernel, inputs),
        _ => None,
    };
    output.map(Tensor::from_primitive::<Autodiff<Flex>>)
}

#[derive(Debug)]
struct Step<K>(std::marker::PhantomData<K>);

#[derive(Debug, Clone)]
struct Saved<K> {
    kernel: K,
    inputs: Vec<Dense>,
    kept: Vec<Dense>,
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
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let Saved {
            kernel,
            inputs,
            kept,
        } = ops.state;
        let gradients = kernel.backward(&inputs, &kept, &gradient, &wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient.0);
            }
        }
    }
}

fn record<K: Kernel, const N: usize>(
    kernel: K,
    inputs: Vec<AutodiffTensor>,
) -> Option<AutodiffTensor> {
    let nodes: Vec<_> = inputs.iter().map(AutodiffTensor::node).collect();
    let nodes: [_; N] = nodes.try_into().ok()?;
    let inputs: Vec<Dense> = (inputs.into_iter())
        .map(|input| Dense::of(input.into_primitive()))
        .collect();
    let step = Step::<K>(std::marker::PhantomData);
    let output = match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let (output, kept) = kernel.forward(&inputs, true);
            let saved = Saved {
                kernel,
                inputs,
                kept,
            };
            prep.finish(saved, output.0)
        }
        OpsKind::UnTracked(prep) => prep.finish(kernel.forward(&inputs, false).0.0),
    };
    Some(output)
}
