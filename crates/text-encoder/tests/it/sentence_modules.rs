//! The modules of sentence-transformers after the transformer: applied, or refused by name.

use std::fs;
use std::path::Path;

use crate::common::{Reference, assert_close, copy, fixture, prompts};
use serde_json::{Value, json};
use tempfile::TempDir;
use tensor_file::load_safetensors;
use text_encoder::{Error, MiniLm, TextEncoder, open_encoder};

fn open(dir: &Path) -> Result<MiniLm, Error> {
    MiniLm::from_dir(dir, &test_device::device())
}

/// `bert` with a `Dense` before the normalisation.
fn with_dense() -> TempDir {
    let dir = copy("bert");
    let dense = fixture("sentence-dense");
    fs::create_dir(dir.path().join("2_Dense")).unwrap();
    for file in [
        "modules.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
    ] {
        fs::copy(dense.join(file), dir.path().join(file)).unwrap();
    }
    dir
}

/// The mean of rows of 32 values, then tanh(Wx + b), of norm 1.
fn dense_of(rows: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let count = rows.len() as f64 / 32.0;
    let column = |i: usize| rows.iter().skip(i).step_by(32).map(|v| f64::from(*v));
    let mean: Vec<f64> = (0..32).map(|i| column(i).sum::<f64>() / count).collect();
    let out: Vec<f64> = (weight.chunks(32).zip(bias))
        .map(|(row, b)| {
            let products = row.iter().zip(&mean).map(|(w, x)| f64::from(*w) * x);
            (products.sum::<f64>() + f64::from(*b)).tanh()
        })
        .collect();
    let norm = out.iter().map(|v| v * v).sum::<f64>().sqrt();
    out.iter().map(|v| (v / norm) as f32).collect()
}

#[test]
fn a_dense_layer_is_applied_and_part_of_the_digest() {
    let (plain, dir) = (open(&fixture("bert")).unwrap(), with_dense());
    let encoder = open_encoder(dir.path(), &test_device::device()).unwrap();
    assert_ne!(encoder.digest(), plain.digest());
    assert_eq!((encoder.width(), encoder.pooled_width()), (32, 32));
    assert_eq!(encoder.name(), "bert-mean-32-dense-32");
    let layer = load_safetensors(dir.path().join("2_Dense/model.safetensors"))
        .unwrap()
        .0;
    let (weight, bias) = (&layer["linear.weight"].data, &layer["linear.bias"].data);
    let reference = Reference::load("bert");
    let mut compared = 0;
    for (prompt, rows) in prompts().iter().zip(reference.rows("tokens", 32)) {
        let Ok(ours) = encoder.encode(&[prompt]) else {
            continue;
        };
        assert_close(&ours[0].tokens, &rows, prompt);
        assert_close(&ours[0].pooled, &dense_of(&rows, weight, bias), prompt);
        compared += 1;
    }
    assert!(compared >= 20, "{compared}");
    // The layer's own files count.
    let path = dir.path().join("2_Dense/model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_ne!(open(dir.path()).unwrap().digest(), encoder.digest());
}

#[test]
fn a_layer_may_change_the_width() {
    let dir = with_dense();
    let config = json!({
        "in_features": 32, "out_features": 8, "bias": false,
        "activation_function": "torch.nn.modules.linear.Identity",
    });
    fs::write(dir.path().join("2_Dense/config.json"), config.to_string()).unwrap();
    let text = open(dir.path()).unwrap_err().to_string();
    assert!(text.contains("\"linear.weight\" is F32 [32, 32]"), "{text}");
    let path = dir.path().join("2_Dense/model.safetensors");
    let mut layer = load_safetensors(&path).unwrap().0;
    let weight = layer.get_mut("linear.weight").unwrap();
    weight.shape = vec![8, 32];
    weight.data.truncate(8 * 32);
    tensor_file::save_safetensors(&path, &layer, &Default::default()).unwrap();
    let encoder = open(dir.path()).unwrap();
    assert_eq!((encoder.width(), encoder.pooled_width()), (32, 8));
    let pooled = encoder.encode_pooled(&["a portrait in charcoal"]).unwrap();
    let norm: f32 = pooled[0].iter().map(|v| v * v).sum::<f32>().sqrt();
    assert_eq!(pooled[0].len(), 8);
    assert!((norm - 1.0).abs() < 1e-5, "{norm}");
}

#[test]
fn a_folder_of_mean_and_norm_has_the_digest_that_it_had() {
    let dir = copy("bert");
    let before = open(dir.path()).unwrap().digest().to_owned();
    fs::remove_file(dir.path().join("modules.json")).unwrap();
    assert_eq!(open(dir.path()).unwrap().digest(), before);
}

/// The field and the message of the refusal of a changed file.
fn refused(file: &str, content: &Value) -> (&'static str, String) {
    let dir = with_dense();
    fs::write(dir.path().join(file), content.to_string()).unwrap();
    match open(dir.path()) {
        Err(error @ Error::Config { .. }) => {
            let text = error.to_string();
            let Error::Config { field, .. } = error else {
                unreachable!()
            };
            assert!(text.contains(file), "{text}");
            (field, text)
        }
        other => panic!("{content}: {other:?}"),
    }
}

#[test]
fn modules_that_are_not_computed_are_refused_by_name() {
    let entry = |kind: &str, path: &str| json!({"idx": 0, "name": "0", "path": path, "type": format!("sentence_transformers.models.{kind}")});
    let start = || vec![entry("Transformer", ""), entry("Pooling", "1_Pooling")];
    for kind in [
        "LayerNorm",
        "CNN",
        "LSTM",
        "WordWeights",
        "WeightedLayerPooling",
        "Pooling",
        "BoW",
    ] {
        let mut modules = start();
        modules.push(entry(kind, "2_X"));
        let (field, text) = refused("modules.json", &json!(modules));
        assert_eq!(field, "type");
        assert!(text.contains(kind), "{text}");
    }
    // The newer names of the same modules.
    let dir = with_dense();
    let newer = json!([
        {"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
        {"path": "2_Dense", "type": "sentence_transformers.base.modules.dense.Dense"},
    ]);
    fs::write(dir.path().join("modules.json"), newer.to_string()).unwrap();
    open(dir.path()).unwrap();
    for modules in [
        json!([]),
        json!([entry("Transformer", "")]),
        json!([entry("StaticEmbedding", ""), entry("Pooling", "1_Pooling")]),
        json!([entry("Transformer", ""), entry("Dense", "2_Dense")]),
        json!([entry("Transformer", ""), {"path": "1", "type": "custom.Pooling"}]),
    ] {
        assert_eq!(refused("modules.json", &modules).0, "type", "{modules}");
    }
    let modules = json!([
        entry("Transformer", "0_Transformer"),
        entry("Pooling", "1_Pooling")
    ]);
    assert_eq!(refused("modules.json", &modules).0, "path");
}

#[test]
fn layers_that_are_not_computed_are_refused_by_name() {
    for (name, value) in [
        (
            "activation_function",
            json!("torch.nn.modules.activation.GELU"),
        ),
        ("activation_function", json!("my_code.Tanh")),
        ("use_residual", json!(true)),
        ("module_input_name", json!("token_embeddings")),
        ("module_output_name", json!("other")),
        ("in_features", json!(16)),
        ("out_features", json!(0)),
    ] {
        let mut config = json!({"in_features": 32, "out_features": 32, "bias": true});
        config[name] = value;
        assert_eq!(refused("2_Dense/config.json", &config).0, name);
    }
    let prompts = json!({"prompts": {"query": "query: "}, "default_prompt_name": "query"});
    let file = "config_sentence_transformers.json";
    assert_eq!(refused(file, &prompts).0, "default_prompt_name");
    let sparse = json!({"model_type": "SparseEncoder"});
    assert_eq!(refused(file, &sparse).0, "model_type");
    let task = json!({"transformer_task": "fill-mask"});
    assert_eq!(
        refused("sentence_bert_config.json", &task).0,
        "transformer_task"
    );
    let decoder = json!({"is_decoder": true});
    assert_eq!(refused("config.json", &decoder).0, "is_decoder");
    // What sentence-transformers writes for a plain model.
    let dir = with_dense();
    let plain = json!({
        "model_type": "SentenceTransformer", "prompts": {"query": "", "document": ""},
        "default_prompt_name": null, "similarity_fn_name": "cosine",
    });
    fs::write(dir.path().join(file), plain.to_string()).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn a_folder_is_read_whole_or_not_at_all() {
    let dir = with_dense();
    let prompt = ["a portrait in charcoal"];
    let read = || {
        let encoder = open(dir.path())?;
        let digest = encoder.digest().to_owned();
        Ok::<_, Error>((digest, encoder.encode(&prompt)?))
    };
    let (_, expected) = read().unwrap();
    for (file, step) in [
        ("modules.json", 1),
        ("2_Dense/config.json", 1),
        ("2_Dense/model.safetensors", 97),
        ("1_Pooling/config.json", 1),
        ("sentence_bert_config.json", 1),
        ("tokenizer_config.json", 1),
    ] {
        let path = dir.path().join(file);
        let whole = fs::read(&path).unwrap();
        let cut = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for length in (0..whole.len()).rev().step_by(step) {
            cut.set_len(length as u64).unwrap();
            if let Ok((_, found)) = read() {
                assert_eq!(found, expected, "{file} {length}");
            }
        }
        fs::write(&path, whole).unwrap();
    }
}
