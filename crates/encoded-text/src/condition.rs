//! A batch of prompts on a device.

use std::borrow::Borrow;

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::{EncodedPrompt, Error};

/// A batch of encoded prompts on a device, as cross-attention reads it.
#[derive(Debug, Clone)]
pub struct TextCondition {
    /// Token embeddings `[B or 1, L, C]`; a single prompt serves a whole batch without a copy.
    pub tokens: Tensor<3>,
    /// `[B or 1, L]`, true if a token is real and false if it is padding.
    pub mask: Tensor<2, Bool>,
}

impl TextCondition {
    /// Pads prompts to the longest, of at least one token, and puts them on `device`. `width` is C.
    ///
    /// The mask is made on the host: `select` on boolean tensors changes their element type on burn-flex 0.22.1.
    ///
    /// # Errors
    /// Returns [`Error`] for a prompt whose tokens are not `width` wide.
    pub fn from_host<P: Borrow<EncodedPrompt>>(
        prompts: &[P],
        width: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        let lengths = prompts.iter().map(|prompt| prompt.borrow().len);
        let longest = lengths.max().unwrap_or(0).max(1);
        let batch = prompts.len();
        let mut tokens = vec![0.0f32; batch * longest * width];
        let mut mask = vec![false; batch * longest];
        for (i, prompt) in prompts.iter().enumerate() {
            let prompt = prompt.borrow();
            prompt.check_width(width)?;
            let start = i * longest * width;
            tokens[start..start + prompt.tokens.len()].copy_from_slice(&prompt.tokens);
            mask[i * longest..i * longest + prompt.len].fill(true);
        }
        Ok(Self {
            tokens: Tensor::from_data(TensorData::new(tokens, [batch, longest, width]), device),
            mask: Tensor::from_data(TensorData::new(mask, [batch, longest]), device),
        })
    }

    /// One prompt of the batch, `[1, L, C]`, with the batch's padding.
    ///
    /// # Panics
    /// Panics if the batch has no prompt `index`.
    #[must_use]
    pub fn row(&self, index: usize) -> Self {
        Self {
            tokens: self.tokens.clone().narrow(0, index, 1),
            mask: self.mask.clone().narrow(0, index, 1),
        }
    }

    /// Width C of the tokens.
    pub fn width(&self) -> usize {
        self.tokens.dims()[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &TextCondition) -> (Vec<f32>, Vec<bool>) {
        let tokens = text.tokens.clone().into_data().iter::<f32>().collect();
        (
            tokens,
            text.mask.clone().int().into_data().iter::<bool>().collect(),
        )
    }

    #[test]
    fn prompts_are_padded_to_the_longest() {
        let device = test_device::device();
        let prompts = [
            EncodedPrompt::new(vec![1.0, 2.0], 1),
            EncodedPrompt::new(vec![3.0, 4.0, 5.0, 6.0], 2),
            EncodedPrompt::empty(),
        ];
        let text = TextCondition::from_host(&prompts, 2, &device).unwrap();
        assert_eq!((text.tokens.dims(), text.mask.dims()), ([3, 2, 2], [3, 2]));
        assert_eq!(text.width(), 2);
        let (tokens, mask) = values(&text);
        assert_eq!(tokens, [1., 2., 0., 0., 3., 4., 5., 6., 0., 0., 0., 0.]);
        assert_eq!(mask, [true, false, true, true, false, false]);
        let (tokens, mask) = values(&text.row(0));
        assert_eq!((tokens, mask), (vec![1., 2., 0., 0.], vec![true, false]));
    }

    #[test]
    fn a_prompt_of_another_width_is_refused() {
        let prompts = [EncodedPrompt::new(vec![1.0, 2.0], 1)];
        let error = TextCondition::from_host(&prompts, 3, &test_device::device()).unwrap_err();
        assert_eq!((error.len, error.width, error.values), (1, 3, 2));
    }

    #[test]
    fn no_text_has_one_token_of_padding() {
        let device = test_device::device();
        let text = TextCondition::from_host(&[&EncodedPrompt::empty()], 2, &device).unwrap();
        assert_eq!(values(&text), (vec![0.0; 2], vec![false]));
    }
}
