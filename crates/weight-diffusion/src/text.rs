//! Encoded prompts on the host, and which encoder made them.

use serde::{Deserialize, Serialize};

use crate::Error;

/// One encoded prompt on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostText {
    /// Token features, `len × C` values, token after token.
    pub tokens: Vec<f32>,
    /// Number of real tokens.
    pub len: usize,
}

impl HostText {
    /// No text: what a dropped prompt becomes, and the unconditional half of guidance.
    pub(crate) fn empty() -> Self {
        Self {
            tokens: Vec::new(),
            len: 0,
        }
    }

    /// Checks that the values are `len × width`.
    pub(crate) fn check(&self, width: usize) -> Result<(), Error> {
        if Some(self.tokens.len()) == self.len.checked_mul(width) {
            return Ok(());
        }
        Err(Error::shape(
            "text tokens",
            format!("{} × {width} values", self.len),
            self.tokens.len(),
        ))
    }
}

/// Which text encoder a weight generator was trained with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSpec {
    /// The encoder's name.
    pub encoder: String,
    /// Digest of its weights, so that another model under the same name is noticed.
    pub digest: String,
    /// Width C of its tokens.
    pub width: usize,
}

impl std::fmt::Display for TextSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digest = self.digest.get(..12).unwrap_or(&self.digest);
        write!(f, "{} ({} wide, {digest})", self.encoder, self.width)
    }
}
