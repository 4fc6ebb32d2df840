//! The configuration of a sentence-transformers folder over a BERT encoder.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::modules::{Modules, Step};
use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::{read_json, read_optional, read_small};
use crate::layers::Activation;

/// `config.json`. Defaults are those of `transformers`' `BertConfig`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Fields {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    position_embedding_type: String,
    is_decoder: bool,
    add_cross_attention: bool,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            model_type: "bert".into(),
            vocab_size: 30522,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-12,
            position_embedding_type: "absolute".into(),
            is_decoder: false,
            add_cross_attention: false,
        }
    }
}

/// `sentence_bert_config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sentence {
    max_seq_length: Option<usize>,
    do_lower_case: bool,
    transformer_task: Option<String>,
    module_output_name: Option<String>,
}

/// `1_Pooling/config.json`, in the form of flags or the newer one of names: every mode but the mean must be off.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Pooling {
    pooling_mode: Value,
    pooling_mode_mean_tokens: bool,
    pooling_mode_cls_token: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

impl Default for Pooling {
    fn default() -> Self {
        Self {
            pooling_mode: Value::Null,
            pooling_mode_mean_tokens: true,
            pooling_mode_cls_token: false,
            pooling_mode_max_tokens: false,
            pooling_mode_mean_sqrt_len_tokens: false,
            pooling_mode_weightedmean_tokens: false,
            pooling_mode_lasttoken: false,
        }
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
    pub(super) positions: usize,
    pub(super) types: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f64,
    /// Most tokens of a prompt, `[CLS]` and `[SEP]` included.
    pub(crate) max_tokens: usize,
    /// Whether prompts are lower-cased before the tokenizer sees them.
    pub(super) lower_case: bool,
    /// What becomes of the mean of the tokens.
    pub(super) steps: Vec<Step>,
    /// P.
    pub(super) pooled: usize,
}

impl Config {
    /// Reads `config.json`; `modules.json`, the configuration of the pooling and `sentence_bert_config.json` if they are
    /// there; and the layers after the pooling.
    pub(crate) fn load(dir: &Path, digest: &mut CheckpointDigest) -> Result<Self, Error> {
        let path = dir.join("config.json");
        let bytes = read_small(&path)?;
        digest.bytes("config.json", &bytes);
        let fields: Fields = read_json(&bytes, &path)?;
        check(&fields, &path)?;

        let modules = Modules::load(dir, fields.hidden_size, digest)?;
        let pooling_path = dir.join(&modules.pooling).join("config.json");
        if let Some(bytes) = read_optional(&pooling_path)? {
            digest.bytes(&format!("{}/config.json", modules.pooling), &bytes);
            check_pooling(&read_json(&bytes, &pooling_path)?, &pooling_path)?;
        }
        let sentence_path = dir.join("sentence_bert_config.json");
        let sentence = match read_optional(&sentence_path)? {
            Some(bytes) => {
                digest.bytes("sentence_bert_config.json", &bytes);
                read_json(&bytes, &sentence_path)?
            }
            None => Sentence::default(),
        };
        check_sentence(&sentence, &sentence_path)?;
        let positions = fields.max_position_embeddings;
        let max_tokens = sentence.max_seq_length.unwrap_or(positions);
        if !(3..=positions).contains(&max_tokens) {
            return Err(wrong(
                &sentence_path,
                "max_seq_length",
                max_tokens.to_string(),
                format!("3 to {positions}, the positions of config.json"),
            ));
        }
        let Some(activation) = Activation::parse(&fields.hidden_act) else {
            let expected = Activation::NAMES.into();
            return Err(wrong(&path, "hidden_act", fields.hidden_act, expected));
        };
        Ok(Self {
            vocabulary: fields.vocab_size,
            width: fields.hidden_size,
            inner: fields.intermediate_size,
            blocks: fields.num_hidden_layers,
            heads: fields.num_attention_heads,
            positions,
            types: fields.type_vocab_size,
            activation,
            epsilon: fields.layer_norm_eps,
            max_tokens,
            lower_case: sentence.do_lower_case,
            pooled: modules.outs().unwrap_or(fields.hidden_size),
            steps: modules.steps,
        })
    }
}

pub(super) fn wrong(path: &Path, field: &'static str, found: String, expected: String) -> Error {
    Error::Config {
        file: path.display().to_string(),
        field,
        found,
        expected,
    }
}

fn check(fields: &Fields, path: &Path) -> Result<(), Error> {
    for (field, found, expected) in [
        ("model_type", &fields.model_type, "bert"),
        (
            "position_embedding_type",
            &fields.position_embedding_type,
            "absolute",
        ),
    ] {
        if found != expected {
            return Err(wrong(path, field, found.clone(), expected.into()));
        }
    }
    for (field, found) in [
        ("is_decoder", fields.is_decoder),
        ("add_cross_attention", fields.add_cross_attention),
    ] {
        if found {
            let expected = "false: only encoders are computed".into();
            return Err(wrong(path, field, "true".into(), expected));
        }
    }
    for (field, size, least) in [
        ("vocab_size", fields.vocab_size, 1),
        ("hidden_size", fields.hidden_size, 1),
        ("intermediate_size", fields.intermediate_size, 1),
        ("num_hidden_layers", fields.num_hidden_layers, 1),
        ("num_attention_heads", fields.num_attention_heads, 1),
        ("type_vocab_size", fields.type_vocab_size, 1),
        ("max_position_embeddings", fields.max_position_embeddings, 3),
    ] {
        if size < least {
            let expected = format!("at least {least}");
            return Err(wrong(path, field, size.to_string(), expected));
        }
    }
    if !fields
        .hidden_size
        .is_multiple_of(fields.num_attention_heads)
    {
        let found = fields.num_attention_heads.to_string();
        let expected = format!("a divisor of hidden_size {}", fields.hidden_size);
        return Err(wrong(path, "num_attention_heads", found, expected));
    }
    if !(fields.layer_norm_eps > 0.0 && fields.layer_norm_eps < 1.0) {
        let found = fields.layer_norm_eps.to_string();
        let expected = "between 0 and 1".into();
        return Err(wrong(path, "layer_norm_eps", found, expected));
    }
    Ok(())
}

/// The last hidden states are what is pooled.
fn check_sentence(sentence: &Sentence, path: &Path) -> Result<(), Error> {
    for (field, found, expected) in [
        (
            "transformer_task",
            &sentence.transformer_task,
            "feature-extraction",
        ),
        (
            "module_output_name",
            &sentence.module_output_name,
            "token_embeddings",
        ),
    ] {
        if let Some(found) = found
            && found != expected
        {
            return Err(wrong(path, field, found.clone(), expected.into()));
        }
    }
    Ok(())
}

fn check_pooling(pooling: &Pooling, path: &Path) -> Result<(), Error> {
    let mode = &pooling.pooling_mode;
    if !(mode.is_null() || *mode == json!("mean") || *mode == json!(["mean"])) {
        let expected = "\"mean\": only mean pooling is computed".into();
        return Err(wrong(path, "pooling_mode", mode.to_string(), expected));
    }
    for (field, found, expected) in [
        (
            "pooling_mode_mean_tokens",
            pooling.pooling_mode_mean_tokens,
            true,
        ),
        (
            "pooling_mode_cls_token",
            pooling.pooling_mode_cls_token,
            false,
        ),
        (
            "pooling_mode_max_tokens",
            pooling.pooling_mode_max_tokens,
            false,
        ),
        (
            "pooling_mode_mean_sqrt_len_tokens",
            pooling.pooling_mode_mean_sqrt_len_tokens,
            false,
        ),
        (
            "pooling_mode_weightedmean_tokens",
            pooling.pooling_mode_weightedmean_tokens,
            false,
        ),
        (
            "pooling_mode_lasttoken",
            pooling.pooling_mode_lasttoken,
            false,
        ),
    ] {
        if found != expected {
            let expected = format!("{expected}: only mean pooling is computed");
            return Err(wrong(path, field, found.to_string(), expected));
        }
    }
    Ok(())
}
