//! Values of tensors on the host.

use burn::tensor::Tensor;

use crate::Error;

/// The values of `tensor`, which the error calls `what`.
pub(crate) fn read<const D: usize>(
    what: &'static str,
    tensor: Tensor<D>,
) -> Result<Vec<f32>, Error> {
    (tensor.try_into_vec_as::<f32>()).map_err(|source| Error::Device { what, source })
}

/// The value of a tensor of one element.
pub(crate) fn scalar(what: &'static str, tensor: Tensor<1>) -> Result<f64, Error> {
    let values = read(what, tensor)?;
    Ok(f64::from(values.first().copied().unwrap_or(f32::NAN)))
}
