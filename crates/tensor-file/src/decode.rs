//! Little-endian floats of any width as f32, and back.

use half::{bf16, f16};
use safetensors::Dtype;

/// Bytes of a value, if it is a float that can be read.
pub(crate) fn float_size(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F64 => Some(8),
        Dtype::F32 => Some(4),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

/// The values of little-endian `bytes`; `None` for a type that is not a float.
pub(crate) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks().0.iter();
    Some(match dtype {
        Dtype::F64 => {
            let values = bytes.as_chunks().0.iter();
            values.map(|&b| f64::from_le_bytes(b) as f32).collect()
        }
        Dtype::F32 => {
            let values = bytes.as_chunks().0.iter();
            values.map(|&b| f32::from_le_bytes(b)).collect()
        }
        Dtype::F16 => pairs().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}

/// The little-endian bytes of `values` as floats of type `dtype`; `None` for a type that is not a float.
pub(crate) fn float_bytes(dtype: Dtype, values: &[f32]) -> Option<Vec<u8>> {
    let values = values.iter().copied();
    Some(match dtype {
        Dtype::F64 => values.flat_map(|v| f64::from(v).to_le_bytes()).collect(),
        Dtype::F32 => values.flat_map(f32::to_le_bytes).collect(),
        Dtype::F16 => values
            .flat_map(|v| f16::from_f32(v).to_le_bytes())
            .collect(),
        Dtype::BF16 => values
            .flat_map(|v| bf16::from_f32(v).to_le_bytes())
            .collect(),
        _ => return None,
    })
}

/// Whether a float of type `dtype` holds the value, if only with less precision.
pub(crate) fn fits(dtype: Dtype, value: f32) -> bool {
    !value.is_finite()
        || match dtype {
            Dtype::F16 => f16::from_f32(value).is_finite(),
            Dtype::BF16 => bf16::from_f32(value).is_finite(),
            _ => true,
        }
}
