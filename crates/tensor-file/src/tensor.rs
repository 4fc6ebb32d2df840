//! Named tensors on the host.

use std::collections::BTreeMap;

use crate::Error;

/// 32-bit values of one tensor on the host, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// As many values as the product of the dimensions.
    pub data: Vec<f32>,
}

/// The tensors of a network or adapter by name.
pub type NamedTensors = BTreeMap<String, HostTensor>;

impl HostTensor {
    /// A tensor whose values fill its shape.
    ///
    /// # Errors
    /// Returns [`Error::ValueCount`] if they do not, or if the product of the dimensions overflows.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, Error> {
        check_count(&shape, data.len())?;
        Ok(Self { shape, data })
    }
}

pub(crate) fn check_count(shape: &[usize], values: usize) -> Result<(), Error> {
    if num_elements(shape) == Some(values) {
        return Ok(());
    }
    Err(Error::ValueCount {
        shape: shape.to_vec(),
        values,
    })
}

/// Product of the dimensions; `None` if it overflows.
pub(crate) fn num_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}
