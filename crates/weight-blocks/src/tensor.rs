//! Named tensors on the host.

use std::collections::BTreeMap;

use crate::Error;

/// 32-bit values of one tensor on the host, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// As many values as the dimensions' product.
    pub data: Vec<f32>,
}

/// The tensors of a network or adapter by name.
pub type NamedTensors = BTreeMap<String, HostTensor>;

impl HostTensor {
    /// A tensor whose number of values fits its shape.
    ///
    /// # Errors
    /// [`Error::ValueCount`] where it does not (or where the product overflows).
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, Error> {
        if num_elements(&shape) == Some(data.len()) {
            Ok(Self { shape, data })
        } else {
            Err(Error::ValueCount {
                shape,
                values: data.len(),
            })
        }
    }
}

/// Product of the dimensions; none if it overflows.
pub(crate) fn num_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}
