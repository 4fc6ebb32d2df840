//! Values back on the host.

use burn::tensor::Tensor;

use crate::Error;

/// A float tensor's values on the host.
pub(crate) fn read_back<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    let data = tensor.try_into_data().map_err(readback)?;
    data.convert::<f32>().try_to_vec().map_err(readback)
}

fn readback(error: impl std::fmt::Debug) -> Error {
    Error::Readback {
        message: format!("{error:?}"),
    }
}

/// Divides by the Euclidean norm, summed in f64; a zero vector stays zero.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    let norm = norm.sqrt();
    if norm > 0.0 {
        for value in vector {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
}
