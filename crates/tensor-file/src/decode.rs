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

pub(crate) fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub(crate) fn f16_bytes(values: &[f32]) -> Vec<u8> {
    let halves = values.iter().map(|v| f16::from_f32(*v));
    halves.flat_map(f16::to_le_bytes).collect()
}

/// Whether a 16-bit float holds the value, if only with less precision.
pub(crate) fn fits_f16(value: f32) -> bool {
    !value.is_finite() || f16::from_f32(value).is_finite()
}
