//! Which floats the network computes with.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Which floats a network computes with where it is not trained.
///
/// Weights, activations and matrix products are of this type; group norms take their statistics in
/// 32 bits, and what goes in and comes out is of 32 bits. Training is in 32 bits: Burn 0.22 has no
/// automatic mixed precision.
///
/// 16 bits halve the memory of the weights and are faster where the device has units for them. Burn's
/// CPU backend has not: it widens, computes and rounds again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputePrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Brain floats: 32-bit floats cut to 16 bits, about three decimal digits less one.
    Bf16,
}

impl ComputePrecision {
    pub(super) fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
        }
    }
}

/// The module with its weights of `precision`.
pub(super) fn cast<M: Module>(module: M, precision: ComputePrecision) -> M {
    module.map(&mut Caster(precision.dtype()))
}

struct Caster(FloatDType);

impl ModuleMapper for Caster {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.cast(self.0))
    }
}

/// `value` as floats of `dtype`; nothing happens where it is of that type.
pub(super) fn like<const D: usize>(value: Tensor<D>, dtype: DType) -> Tensor<D> {
    if value.dtype() == dtype {
        value
    } else {
        value.cast(FloatDType::from(dtype))
    }
}
