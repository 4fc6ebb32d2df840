//! One prompt on the host.

use serde::{Deserialize, Serialize};

/// The values of a prompt's tokens do not fit the encoder's width.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a prompt of {len} tokens that are {width} wide cannot hold {values} values; was it made by another text encoder?"
)]
#[non_exhaustive]
pub struct Error {
    /// The prompt's tokens.
    pub len: usize,
    /// Width C that was expected.
    pub width: usize,
    /// The prompt's values.
    pub values: usize,
}

/// One encoded prompt on the host, without padding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EncodedPrompt {
    /// Token embeddings, row after row: `len` × C values.
    pub tokens: Vec<f32>,
    /// Number of tokens.
    pub len: usize,
    /// One vector for the whole prompt, of Euclidean norm 1; empty if nobody asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pooled: Vec<f32>,
    /// Whether the prompt had more tokens than the encoder keeps.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

impl EncodedPrompt {
    /// A complete prompt of `len` tokens, without a pooled vector.
    pub fn new(tokens: Vec<f32>, len: usize) -> Self {
        Self {
            tokens,
            len,
            ..Self::default()
        }
    }

    /// No text: what a dropped prompt becomes in training, and the unconditional half of classifier-free guidance.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Checks that the tokens are `width` wide.
    ///
    /// # Errors
    /// Returns [`Error`] if there are not `len` × `width` values.
    pub fn check_width(&self, width: usize) -> Result<(), Error> {
        if self.len.checked_mul(width) == Some(self.tokens.len()) {
            return Ok(());
        }
        Err(Error {
            len: self.len,
            width,
            values: self.tokens.len(),
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_without_a_pooled_vector_keep_their_older_form() {
        let prompt = EncodedPrompt::new(vec![0.5, 1.0], 1);
        let json = r#"{"tokens":[0.5,1.0],"len":1}"#;
        assert_eq!(serde_json::to_string(&prompt).unwrap(), json);
        assert_eq!(serde_json::from_str::<EncodedPrompt>(json).unwrap(), prompt);
        let whole = EncodedPrompt {
            pooled: vec![1.0],
            truncated: true,
            ..prompt
        };
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<EncodedPrompt>(&json).unwrap(), whole);
    }

    #[test]
    fn widths_are_checked() {
        EncodedPrompt::empty().check_width(7).unwrap();
        EncodedPrompt::new(vec![0.0; 6], 2).check_width(3).unwrap();
        let error = EncodedPrompt::new(vec![0.0; 6], 3).check_width(3);
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("3 tokens") && text.contains("6 values"),
            "{text}"
        );
        EncodedPrompt::new(vec![0.0; 6], usize::MAX)
            .check_width(3)
            .unwrap_err();
    }
}
