//! CLIP's `config.json`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::files::read_json;
use crate::layers::Activation;

/// What the text tower needs; defaults are those of `transformers`' `CLIPTextConfig`, which published files leave out.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Fields {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    eos_token_id: u32,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
            eos_token_id: 49407,
        }
    }
}

/// Where the pooled vector is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// At the first of the largest ids: files whose `eos_token_id` is 2, which is wrong in all of them.
    LargestId,
    /// At the first token with this id; at the first token if there is none.
    FirstOf(u32),
}

impl Pooling {
    /// Position of the token to pool at, as `transformers`' `CLIPTextModel` chooses it.
    pub(super) fn position(self, ids: &[u32]) -> usize {
        let target = match self {
            Self::LargestId => ids.iter().copied().max(),
            Self::FirstOf(id) => Some(id),
        };
        let found = ids.iter().position(|&id| Some(id) == target);
        found.unwrap_or(0)
    }
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) vocabulary: usize,
    pub(super) width: usize,
    pub(super) inner: usize,
    pub(super) blocks: usize,
    pub(super) heads: usize,
    pub(crate) positions: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f64,
    pub(super) pooling: Pooling,
}

impl Config {
    /// Parses a text tower's configuration, or a whole CLIP model's with its `text_config`.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let mut value: Value = read_json(bytes, path)?;
        let file = path.display().to_string();
        let wrong = |field, found: String, expected: &str| Error::Config {
            file: file.clone(),
            field,
            found,
            expected: expected.into(),
        };
        match value.get("model_type").map(Value::as_str) {
            None | Some(Some("clip" | "clip_text_model")) => {}
            Some(other) => {
                let found = other.unwrap_or("not a string").into();
                return Err(wrong("model_type", found, "clip or clip_text_model"));
            }
        }
        // `transformers` puts the older name before the newer one.
        for name in ["text_config_dict", "text_config"] {
            if let Some(text) = value.get_mut(name).filter(|t| t.is_object()) {
                value = text.take();
                break;
            }
        }
        let json = |source| Error::Json {
            file: file.clone(),
            source,
        };
        let fields: Fields = serde_json::from_value(value).map_err(json)?;
        check(&fields, &wrong)?;
        let Some(activation) = Activation::parse(&fields.hidden_act) else {
            return Err(wrong("hidden_act", fields.hidden_act, Activation::NAMES));
        };
        Ok(Self {
            vocabulary: fields.vocab_size,
            width: fields.hidden_size,
            inner: fields.intermediate_size,
            blocks: fields.num_hidden_layers,
            heads: fields.num_attention_heads,
            positions: fields.max_position_embeddings,
            activation,
            epsilon: fields.layer_norm_eps,
            pooling: match fields.eos_token_id {
                2 => Pooling::LargestId,
                id => Pooling::FirstOf(id),
            },
        })
    }
}

/// Refuses sizes that no text tower can have.
fn check(
    fields: &Fields,
    wrong: &impl Fn(&'static str, String, &str) -> Error,
) -> Result<(), Error> {
    for (field, size) in [
        ("vocab_size", fields.vocab_size),
        ("hidden_size", fields.hidden_size),
        ("intermediate_size", fields.intermediate_size),
        ("num_hidden_layers", fields.num_hidden_layers),
        ("num_attention_heads", fields.num_attention_heads),
    ] {
        if size == 0 {
            return Err(wrong(field, "0".into(), "at least 1"));
        }
    }
    if fields.max_position_embeddings < 3 {
        let found = fields.max_position_embeddings.to_string();
        return Err(wrong("max_position_embeddings", found, "at least 3"));
    }
    if !fields
        .hidden_size
        .is_multiple_of(fields.num_attention_heads)
    {
        let found = fields.num_attention_heads.to_string();
        let expected = format!("a divisor of hidden_size {}", fields.hidden_size);
        return Err(wrong("num_attention_heads", found, &expected));
    }
    if !(fields.layer_norm_eps > 0.0 && fields.layer_norm_eps < 1.0) {
        let found = fields.layer_norm_eps.to_string();
        return Err(wrong("layer_norm_eps", found, "between 0 and 1"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Config, Error> {
        Config::parse(json.as_bytes(), Path::new("config.json"))
    }

    #[test]
    fn a_whole_model_gives_its_text_part_and_the_defaults() {
        let config = parse(
            r#"{"model_type":"clip","hidden_size":9,
                "text_config":{"hidden_size":768,"num_attention_heads":12,"eos_token_id":2}}"#,
        )
        .unwrap();
        assert_eq!((config.width, config.heads, config.blocks), (768, 12, 12));
        assert_eq!((config.positions, config.pooling), (77, Pooling::LargestId));
    }

    #[test]
    fn the_older_name_of_the_text_part_comes_first() {
        let config = parse(
            r#"{"text_config":{"hidden_size":768,"num_attention_heads":12},
                "text_config_dict":{"hidden_size":24,"num_attention_heads":2}}"#,
        )
        .unwrap();
        assert_eq!((config.width, config.heads), (24, 2));
        let config = parse(r#"{"text_config":{"hidden_size":48},"text_config_dict":null}"#);
        assert_eq!(config.unwrap().width, 48);
    }

    #[test]
    fn what_cannot_be_computed_is_named() {
        let field = |json: &str| match parse(json) {
            Err(Error::Config { field, .. }) => field,
            other => panic!("{json}: {other:?}"),
        };
        assert_eq!(field(r#"{"model_type":"siglip"}"#), "model_type");
        assert_eq!(field(r#"{"hidden_act":"relu"}"#), "hidden_act");
        assert_eq!(field(r#"{"num_attention_heads":7}"#), "num_attention_heads");
        assert_eq!(field(r#"{"num_hidden_layers":0}"#), "num_hidden_layers");
        assert_eq!(
            field(r#"{"max_position_embeddings":2}"#),
            "max_position_embeddings"
        );
        assert_eq!(field(r#"{"layer_norm_eps":-1.0}"#), "layer_norm_eps");
        for json in ["", "[1]", r#"{"hidden_size":-3}"#, r#"{"hidden_size":"#] {
            assert!(matches!(parse(json), Err(Error::Json { .. })), "{json}");
        }
    }

    #[test]
    fn both_pooling_rules_take_the_first_match() {
        assert_eq!(Pooling::LargestId.position(&[3, 9, 5, 9]), 1);
        assert_eq!(Pooling::FirstOf(5).position(&[3, 9, 5, 5]), 2);
        assert_eq!(Pooling::FirstOf(7).position(&[3, 9, 5]), 0);
    }
}
