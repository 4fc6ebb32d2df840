//! Reading tensors back to the host.

use burn::tensor::Tensor;

use crate::Error;

/// Row-major values of a tensor in 32-bit floats.
pub(crate) fn to_f32<const D: usize>(
    tensor: Tensor<D>,
    what: &'static str,
) -> Result<Vec<f32>, Error> {
    let failed = |message: String| Error::Readback { what, message };
    tensor
        .inner()
        .try_into_data_as::<f32>()
        .map_err(|e| failed(e.to_string()))?
        .try_into_vec::<f32>()
        .map_err(|e| failed(e.to_string()))
}
