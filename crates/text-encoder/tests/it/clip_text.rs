//! `ClipText` against `transformers` on tiny random checkpoints of the real architecture.

use std::fs;
use std::path::Path;

use crate::common::{Reference, assert_close, copy, difference, fixture, prompts};
use serde_json::{Value, json};
use text_encoder::{ClipLayer, ClipText, ClipTextOptions, Error, Projection, TextEncoder};

fn load(path: impl AsRef<Path>, options: ClipTextOptions) -> Result<ClipText, Error> {
    ClipText::from_dir(path, &options, &test_device::device())
}

fn clip(name: &str) -> ClipText {
    load(fixture(name), ClipTextOptions::default()).unwrap()
}

/// Start and end token of a reference: those around any prompt.
fn is_nothing(ids: &[u32]) -> bool {
    let (start, end) = (ids[0], ids[ids.len() - 1]);
    ids.iter().all(|&id| id == start || id == end)
}

/// Prompts that hold something, with their place in the reference.
fn accepted(reference: &Reference) -> Vec<(usize, String)> {
    let prompts = prompts().into_iter().enumerate();
    prompts
        .filter(|(i, _)| !is_nothing(&reference.ids[*i]))
        .collect()
}

fn texts(prompts: &[(usize, String)]) -> Vec<&str> {
    prompts.iter().map(|(_, text)| text.as_str()).collect()
}

/// Changes `config.json` of a folder.
fn configure(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
}

#[test]
fn tokens_are_those_of_hugging_face() {
    for name in ["clip-legacy", "clip-sd2"] {
        let (encoder, reference) = (clip(name), Reference::load(name));
        let (mut same, mut cut, mut refused) = (0, 0, 0);
        for (i, prompt) in prompts().iter().enumerate() {
            match encoder.token_ids(&[prompt.as_str()]) {
                Ok(ours) => {
                    assert_eq!(ours[0].ids, reference.ids[i], "{name}: {prompt:?}");
                    assert_eq!(ours[0].truncated, reference.truncated[i], "{prompt:?}");
                    assert!(ours[0].ids.len() <= 77);
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
            same >= 190 && cut >= 5 && refused >= 4,
            "{same} {cut} {refused}"
        );
    }
}

#[test]
fn embeddings_are_those_of_transformers() {
    for name in ["clip-legacy", "clip-sd2"] {
        let (encoder, reference) = (clip(name), Reference::load(name));
        let (c, p) = (encoder.width(), encoder.pooled_width());
        let accepted = accepted(&reference);
        let ours = encoder.encode(&texts(&accepted)).unwrap();
        let (tokens, pooled) = (reference.rows("tokens", c), reference.floats("pooled"));
        let mut compared = 0;
        for ((i, prompt), ours) in accepted.iter().zip(&ours) {
            let what = format!("{name}: {prompt:?}");
            assert_close(&ours.pooled, &pooled[i * p..(i + 1) * p], &what);
            assert_eq!(ours.truncated, reference.truncated[*i]);
            if let Some(theirs) = tokens.get(*i) {
                assert_close(&ours.tokens, theirs, &what);
                compared += 1;
            }
        }
        assert!(compared >= 38, "{compared}");
        let alone = encoder.encode_pooled(&texts(&accepted)).unwrap();
        assert!(alone.iter().zip(&ours).all(|(a, b)| *a == b.pooled));
    }
}

#[test]
fn a_batch_is_padded_with_zeros_and_masked() {
    let encoder = clip("clip-legacy");
    let device = test_device::device();
    let prompts = ["charcoal sketch", "x", "a teal oil painting"];
    let text = encoder.condition(&prompts, &device).unwrap();
    let ids = encoder.token_ids(&prompts).unwrap();
    let [b, l, c] = text.tokens.dims();
    assert_eq!((b, c), (3, 32));
    assert_eq!(l, ids.iter().map(|i| i.ids.len()).max().unwrap());
    assert_eq!(text.mask.dims(), [3, l]);
    let mask: Vec<bool> = text.mask.into_data().iter::<bool>().collect();
    let tokens: Vec<f32> = text.tokens.into_data().try_to_vec().unwrap();
    let host = encoder.encode(&prompts).unwrap();
    assert!(host.iter().all(|prompt| prompt.pooled.len() == 24));
    for i in 0..b {
        let n = ids[i].ids.len();
        for j in 0..l {
            assert_eq!(mask[i * l + j], j < n);
        }
        let row = &tokens[i * l * c..(i + 1) * l * c];
        assert_eq!(row[..n * c], host[i].tokens);
        assert!(row[n * c..].iter().all(|&v| v == 0.0));
    }
}

#[test]
fn the_batch_around_a_prompt_does_not_matter() {
    let reference = Reference::load("clip-legacy");
    let accepted = accepted(&reference);
    let together = clip("clip-legacy").encode(&texts(&accepted)).unwrap();
    let alone = clip("clip-legacy").with_batch(1).unwrap();
    let alone = alone.encode(&texts(&accepted)).unwrap();
    for (a, b) in together.iter().zip(&alone) {
        assert!(difference(&a.tokens, &b.tokens) < 1e-5);
        assert!(difference(&a.pooled, &b.pooled) < 1e-5);
    }
    assert!(matches!(
        clip("clip-legacy").with_batch(0),
        Err(Error::ZeroBatch)
    ));
}

#[test]
fn the_penultimate_layer_with_and_without_its_norm() {
    for name in ["clip-legacy", "clip-sd2"] {
        let reference = Reference::load(name);
        for (layer, tensor) in [
            (ClipLayer::Penultimate, "penultimate"),
            (ClipLayer::PenultimateNormed, "penultimate_normed"),
        ] {
            let options = ClipTextOptions {
                layer,
                ..Default::default()
            };
            let encoder = load(fixture(name), options).unwrap();
            let theirs = reference.rows(tensor, encoder.width());
            assert_eq!(theirs.len(), 10);
            for (prompt, theirs) in prompts().iter().zip(&theirs) {
                let ours = encoder.encode(&[prompt]).unwrap();
                assert_close(
                    &ours[0].tokens,
                    theirs,
                    &format!("{name} {layer:?} {prompt:?}"),
                );
                let last = clip(name).encode_pooled(&[prompt]).unwrap();
                assert_eq!(ours[0].pooled, last[0], "pooled is of the last layer");
            }
        }
    }
}

#[test]
fn options_that_change_the_output_change_the_digest() {
    let with = |layer, projection| {
        let options = ClipTextOptions {
            layer,
            projection,
            tokenizer: None,
        };
        load(fixture("clip-legacy"), options).unwrap()
    };
    let base = with(ClipLayer::Last, Projection::IfPresent);
    assert_eq!(base.digest().len(), 64);
    assert_eq!((base.width(), base.pooled_width()), (32, 24));
    assert_eq!(
        base.digest(),
        with(ClipLayer::Last, Projection::Always).digest()
    );
    let raw = with(ClipLayer::Last, Projection::Never);
    assert_eq!(raw.pooled_width(), 32);
    let layer = with(ClipLayer::Penultimate, Projection::IfPresent);
    assert_ne!(base.digest(), raw.digest());
    assert_ne!(base.digest(), layer.digest());
    assert_ne!(base.digest(), clip("clip-sd2").digest());
    // The unprojected pooled vector is the last token's.
    let encoded = raw.encode(&["charcoal sketch"]).unwrap();
    let last: Vec<f32> = encoded[0].tokens[encoded[0].tokens.len() - 32..].to_vec();
    let norm = last.iter().map(|v| v * v).sum::<f32>().sqrt();
    let unit: Vec<f32> = last.iter().map(|v| v / norm).collect();
    assert!(difference(&unit, &encoded[0].pooled) < 1e-6);
}

#[test]
fn a_projection_that_is_not_there_is_refused_when_asked_for() {
    let options = ClipTextOptions {
        projection: Projection::Always,
        ..Default::default()
    };
    match load(fixture("clip-sd2"), options) {
        Err(Error::Tensor { tensor, found, .. }) => {
            assert_eq!(
                (tensor.as_str(), found.as_str()),
                ("text_projection.weight", "missing")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn legacy_configurations_pool_at_the_largest_id() {
    let legacy = clip("clip-legacy");
    let dir = copy("clip-legacy");
    let ids = legacy
        .token_ids(&["a <style> portrait", "red fog"])
        .unwrap();
    let end = *ids[0].ids.last().unwrap();
    assert!(
        ids[0].ids.iter().any(|&id| id > end),
        "<style> is above the end token"
    );
    configure(dir.path(), |config| config["eos_token_id"] = json!(end));
    let modern = load(dir.path(), ClipTextOptions::default()).unwrap();
    let prompts = ["a <style> portrait", "red fog"];
    let (a, b) = (
        legacy.encode(&prompts).unwrap(),
        modern.encode(&prompts).unwrap(),
    );
    assert!(difference(&a[0].pooled, &b[0].pooled) > 1e-2);
    assert_eq!(a[0].tokens, b[0].tokens);
    assert_eq!(a[1].pooled, b[1].pooled);
}

#[test]
fn a_whole_clip_model_gives_its_text_part() {
    let dir = copy("clip-legacy");
    configure(dir.path(), |config| {
        *config = json!({"model_type": "clip", "projection_dim": 24, "text_config": config.take()});
        config["text_config"]
            .as_object_mut()
            .unwrap()
            .remove("model_type");
    });
    let whole = load(dir.path(), ClipTextOptions::default()).unwrap();
    let ours = whole.encode(&["charcoal sketch"]).unwrap();
    assert_eq!(
        ours,
        clip("clip-legacy").encode(&["charcoal sketch"]).unwrap()
    );
}

#[test]
fn the_tokenizer_may_be_in_another_folder() {
    let (dir, tokenizer) = (copy("clip-sd2"), tempfile::tempdir().unwrap());
    for name in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
        fs::rename(dir.path().join(name), tokenizer.path().join(name)).unwrap();
    }
    match load(dir.path(), ClipTextOptions::default()) {
        Err(Error::NoTokenizer { dir: named, .. }) => assert_eq!(named, dir.path()),
        other => panic!("{other:?}"),
    }
    let options = ClipTextOptions {
        tokenizer: Some(tokenizer.path().into()),
        ..Default::default()
    };
    let apart = load(dir.path(), options).unwrap();
    assert_eq!(apart.digest(), clip("clip-sd2").digest());
}

#[test]
fn the_output_has_no_graph_on_an_autodiff_device() {
    let device = test_device::device().autodiff();
    let options = ClipTextOptions::default();
    let encoder = ClipText::from_dir(fixture("clip-legacy"), &options, &device).unwrap();
    let text = encoder.condition(&["charcoal sketch"], &device).unwrap();
    assert!(text.tokens.device().is_autodiff());
    assert!(!text.tokens.is_require_grad());
    let tokens: Vec<f32> = text.tokens.into_data().try_to_vec().unwrap();
    let host = clip("clip-legacy").encode(&["charcoal sketch"]).unwrap();
    assert_eq!(tokens, host[0].tokens);
}

#[test]
fn batches_without_a_prompt_or_with_an_empty_one_are_refused() {
    let encoder = clip("clip-legacy");
    assert!(matches!(encoder.encode(&[]), Err(Error::NoPrompts)));
    assert!(matches!(
        encoder.condition(&["x", " "], &test_device::device()),
        Err(Error::EmptyPrompt { index: 1, .. })
    ));
}

#[test]
fn files_that_contradict_each_other_are_named() {
    let failure = |change: fn(&mut Value)| {
        let dir = copy("clip-sd2");
        configure(dir.path(), change);
        load(dir.path(), ClipTextOptions::default()).unwrap_err()
    };
    match failure(|c| c["eos_token_id"] = json!(5)) {
        Error::Config { field, found, .. } => {
            assert_eq!((field, found.as_str()), ("eos_token_id", "5"));
        }
        other => panic!("{other:?}"),
    }
    match failure(|c| c["vocab_size"] = json!(100)) {
        Error::VocabularyMismatch {
            rows, vocabulary, ..
        } => assert!(rows == 100 && vocabulary > 100),
        other => panic!("{other:?}"),
    }
    match failure(|c| c["vocab_size"] = json!(1u64 << 40)) {
        Error::Tensor { tensor, .. } => assert_eq!(tensor, "embeddings.token_embedding.weight"),
        other => panic!("{other:?}"),
    }
    match failure(|c| c["num_hidden_layers"] = json!(1u64 << 40)) {
        Error::Tensor { tensor, found, .. } => {
            assert_eq!(tensor, "encoder.layers.3.layer_norm1.weight");
            assert_eq!(found, "missing");
        }
        other => panic!("{other:?}"),
    }
    match failure(|c| c["intermediate_size"] = json!(41)) {
        Error::Tensor { tensor, file, .. } => {
            assert_eq!(tensor, "encoder.layers.0.mlp.fc1.weight");
            assert!(file.ends_with("model.safetensors"));
        }
        other => panic!("{other:?}"),
    }
}
