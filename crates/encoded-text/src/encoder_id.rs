//! Which encoder made a prompt's tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The identity of a text encoder: tokens of encoders with different identities cannot be exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderId {
    /// The encoder's name, such as `static-minilm-128`.
    #[serde(rename = "encoder")]
    pub name: String,
    /// SHA-256 over its weights and tokenizer, lower-case hex, so that another model of the same name is noticed.
    pub digest: String,
    /// Width C of its tokens.
    pub width: usize,
}

/// Name, width, and the first twelve digits of the digest.
impl fmt::Display for EncoderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.digest.get(..12).unwrap_or(&self.digest);
        write!(f, "{} ({} wide, {digest})", self.name, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_is_that_of_shipped_weight_generators() {
        let id = EncoderId {
            name: "static-minilm-128".into(),
            digest: "0123456789abcdef".into(),
            width: 128,
        };
        let json = r#"{"encoder":"static-minilm-128","digest":"0123456789abcdef","width":128}"#;
        assert_eq!(serde_json::to_string(&id).unwrap(), json);
        assert_eq!(serde_json::from_str::<EncoderId>(json).unwrap(), id);
        assert_eq!(id.to_string(), "static-minilm-128 (128 wide, 0123456789ab)");
    }
}
