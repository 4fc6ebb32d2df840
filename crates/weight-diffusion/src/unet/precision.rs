//! The float type that a network computes in.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// The float type that a network computes in when it is not trained.
///
/// Weights, activations and matrix products have this type; group norms compute their statistics in 32 bits,
/// and inputs and outputs have 32 bits. Training always uses 32 bits: Burn 0.22 has no automatic mixed
/// precision.
///
/// 16 bits halve the memory of the weights, and are faster if the device has units for them. Burn's CPU
/// backend has none: it widens, computes and rounds again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputePrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Brain floats: the upper 16 bits of 32-bit floats, between two and three decimal digits.
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

/// The module with its weights in `precision`.
pub(super) fn cast<M: Module>(module: M, precision: ComputePrecision) -> M {
    module.map(&mut Caster(precision.dtype()))
}

struct Caster(FloatDType);

impl ModuleMapper for Caster {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.cast(self.0))
    }
}

/// `value` as floats of `dtype`; unchanged if it already has that type.
pub(super) fn like<const D: usize>(value: Tensor<D>, dtype: DType) -> Tensor<D> {
    if value.dtype() == dtype {
        value
    } else {
        value.cast(FloatDType::from(dtype))
    }
}
