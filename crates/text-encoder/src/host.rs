//! Embeddings on the host, one prompt at a time: what encoders compute and caches store.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{Error, TextEncoding};

/// One prompt's embeddings on the host, without padding.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptEncoding {
    /// Token embeddings, row after row: L · C values for L tokens of width C.
    pub tokens: Vec<f32>,
    /// The pooled vector, of Euclidean norm 1.
    pub pooled: Vec<f32>,
    /// Whether the prompt had more tokens than the encoder keeps.
    pub truncated: bool,
}

/// Pads to the longest prompt and puts everything onto `device`. `width` is C.
///
/// The mask is built here, on the host: `select` on boolean tensors changes their element type on burn-flex 0.22.1.
pub(crate) fn to_device(prompts: &[PromptEncoding], width: usize, device: &Device) -> TextEncoding {
    let b = prompts.len();
    let lengths: Vec<usize> = prompts
        .iter()
        .map(|p| p.tokens.len() / width.max(1))
        .collect();
    let l = lengths.iter().copied().max().unwrap_or(1);
    let mut tokens = vec![0f32; b * l * width];
    let mut mask = vec![false; b * l];
    let mut pooled = Vec::new();
    for (i, prompt) in prompts.iter().enumerate() {
        let start = i * l * width;
        tokens[start..start + prompt.tokens.len()].copy_from_slice(&prompt.tokens);
        mask[i * l..i * l + lengths[i]].fill(true);
        pooled.extend_from_slice(&prompt.pooled);
    }
    let pooled_width = pooled.len() / b.max(1);
    TextEncoding {
        tokens: Tensor::from_data(TensorData::new(tokens, [b, l, width]), device),
        mask: Tensor::from_data(TensorData::new(mask, [b, l]), device),
        pooled: Tensor::from_data(TensorData::new(pooled, [b, pooled_width]), device),
        truncated: prompts.iter().map(|p| p.truncated).collect(),
    }
}

/// The reverse of [`to_device`].
pub(crate) fn from_device(encoding: TextEncoding) -> Result<Vec<PromptEncoding>, Error> {
    let [b, l, width] = encoding.tokens.dims();
    let mask = encoding.mask.int().try_into_data().map_err(readback)?;
    let mask: Vec<i64> = mask.convert::<i64>().try_to_vec().map_err(readback)?;
    let tokens = read_back(encoding.tokens)?;
    let pooled = read_back(encoding.pooled)?;
    let pooled_width = pooled.len() / b.max(1);
    Ok((0..b)
        .map(|i| {
            let length = mask[i * l..(i + 1) * l].iter().filter(|&&m| m != 0).count();
            let start = i * l * width;
            PromptEncoding {
                tokens: tokens[start..start + length * width].to_vec(),
                pooled: pooled[i * pooled_width..(i + 1) * pooled_width].to_vec(),
                truncated: encoding.truncated.get(i).copied().unwrap_or(false),
            }
        })
        .collect())
}

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
