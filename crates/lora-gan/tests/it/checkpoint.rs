//! The base generator on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{bits, changed, is_lora, small, small_paper, tensor, trained};
use burn::module::Module;
use encoded_text::{EncodedPrompt, EncoderId, TextCondition};
use lora_gan::{BaseGenerator, Error, GeneratorConfig, HybridGenerator, Pass};
use tensor_file::digest::file_sha256;
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::{WeightSpace, module_to_named};

const WEIGHTS: &str = "generator.safetensors";
const CONFIG: &str = "generator.json";

#[test]
fn a_base_comes_back_to_the_bit() {
    let device = test_device::device();
    for config in [small(), small_paper()] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/base");
        let generator = trained(&config, 1, &device);
        let digest = BaseGenerator::save(&folder, &generator, None).unwrap();
        let base = BaseGenerator::load(&folder, &device).unwrap();
        assert_eq!(base.config, config);
        assert_eq!(base.digest, digest);
        assert_eq!(digest, file_sha256(folder.join(WEIGHTS)).unwrap());
        let photo = tensor([2, 3, 16, 16], 2, &device);
        let run = |g: &HybridGenerator| {
            let g = g.clone().valid();
            bits(g.forward_base(photo.clone(), None, Pass::Eval).unwrap())
        };
        assert_eq!(run(&generator), run(&base.generator));

        // Everything but LoRA comes from the file; LoRA starts where every concept starts.
        let named = module_to_named(&base.generator).unwrap();
        let moved = changed(&module_to_named(&generator).unwrap(), &named);
        assert!(moved.iter().all(|name| is_lora(name)), "{moved:?}");
        let fresh = HybridGenerator::new(&config, 77, &device).unwrap();
        let start = fresh.read_weights().unwrap();
        for (name, tensor) in base.generator.read_weights().unwrap() {
            assert!(!is_lora(&name) || tensor == start[&name], "{name}");
        }

        // The same again: the same files, nothing else beside them.
        let before = (
            fs::read(folder.join(WEIGHTS)).unwrap(),
            fs::read(folder.join(CONFIG)).unwrap(),
        );
        assert_eq!(
            BaseGenerator::save(&folder, &base.generator, None).unwrap(),
            digest
        );
        let after = (
            fs::read(folder.join(WEIGHTS)).unwrap(),
            fs::read(folder.join(CONFIG)).unwrap(),
        );
        assert_eq!(before, after);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }
}

#[test]
fn a_base_reads_the_prompts_of_the_encoder_that_it_records() {
    let device = test_device::device();
    let (dir, config) = (tempfile::tempdir().unwrap(), small());
    let encoder = |name: &str| EncoderId {
        name: name.into(),
        digest: "0123456789abcdef".into(),
        width: config.context_width,
    };
    let generator = trained(&config, 1, &device);
    let own = encoder("own");
    BaseGenerator::save(dir.path(), &generator, Some(&own)).unwrap();
    let base = BaseGenerator::load(dir.path(), &device).unwrap();
    assert_eq!((&base.encoder, &base.prompt), (&Some(own.clone()), &None));
    assert!(matches!(base.check_prompt(), Err(Error::NoPrompt)));

    let width = config.context_width;
    let values = |seed: f32| (0..2 * width).map(|i| (seed + i as f32).sin()).collect();
    let tokens = EncodedPrompt::new(values(1.0), 2);
    let prompted = base.with_prompt("two words", &tokens, &own).unwrap();
    prompted.check_prompt().unwrap();
    assert_eq!(prompted.prompt.as_deref(), Some("two words"));
    assert_eq!(prompted.digest, base.digest);
    assert_eq!(&prompted.config, prompted.generator.config());
    assert_eq!(prompted.config.null_tokens, 2);
    // Without a text it does what the base does with this one.
    let photo = tensor([2, 3, 16, 16], 2, &device);
    let text = TextCondition::from_host(&[&tokens], width, &device).unwrap();
    let run = |base: &BaseGenerator, text: Option<&TextCondition>| {
        let network = base.generator.clone().valid();
        bits(network.forward(photo.clone(), text, Pass::Eval).unwrap())
    };
    assert_eq!(run(&prompted, None), run(&base, Some(&text)));
    assert_ne!(run(&prompted, None), run(&base, None));
    let empty = base.with_prompt("", &EncodedPrompt::empty(), &own).unwrap();
    assert_eq!(run(&empty, None), run(&base, None));
    // The null tokens are gone by now, so nothing can stand for an empty prompt.
    match prompted.with_prompt("", &EncodedPrompt::empty(), &own) {
        Err(Error::EmptyPrompt { prompt }) => assert_eq!(prompt, "two words"),
        other => panic!("{:?}", other.map(drop)),
    }
    // Exported, it is the network for this prompt.
    let exported = tempfile::tempdir().unwrap();
    prompted.generator.export(exported.path()).unwrap();
    let read = HybridGenerator::import(exported.path(), &device).unwrap();
    assert_eq!(read.config().null_tokens, 2);
    let merged = prompted.generator.clone().merge_adapter().valid();
    let edit = |g: &HybridGenerator| bits(g.forward(photo.clone(), None, Pass::Eval).unwrap());
    assert_eq!(edit(&read.valid()), edit(&merged));
    // So it is if it is saved as a base.
    let saved = tempfile::tempdir().unwrap();
    BaseGenerator::save(saved.path(), &prompted.generator, Some(&own)).unwrap();
    let read = BaseGenerator::load(saved.path(), &device).unwrap();
    assert_eq!(&read.config, prompted.generator.config());
    assert_eq!(run(&read, None), run(&prompted, None));

    let error = base.with_prompt("x", &tokens, &encoder("other"));
    assert!(matches!(error, Err(Error::OtherEncoder { .. })));
    let narrow = EncodedPrompt::new(vec![0.0; 2], 2);
    let error = base.with_prompt("x", &narrow, &own).unwrap_err();
    assert!(error.to_string().contains("wide"), "{error}");
}

#[test]
fn another_base_has_another_digest() {
    let dir = tempfile::tempdir().unwrap();
    let save = |seed| {
        let generator = trained(&small(), seed, &test_device::device());
        BaseGenerator::save(dir.path(), &generator, None).unwrap()
    };
    assert_ne!(save(1), save(2));
    assert_eq!(save(1), save(1));
}

/// A saved base, and the text of the error on loading it after `edit`.
fn refused(edit: impl FnOnce(&Path)) -> Error {
    let dir = tempfile::tempdir().unwrap();
    let generator = trained(&small(), 1, &test_device::device());
    BaseGenerator::save(dir.path(), &generator, None).unwrap();
    BaseGenerator::load(dir.path(), &test_device::device()).unwrap();
    edit(dir.path());
    BaseGenerator::load(dir.path(), &test_device::device())
        .map(drop)
        .unwrap_err()
}

fn replace(dir: &Path, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(dir.join(name)).unwrap();
    edit(&mut bytes);
    fs::write(dir.join(name), bytes).unwrap();
}

#[test]
fn damaged_weights_are_refused_by_file() {
    let truncated = refused(|dir| replace(dir, WEIGHTS, |b| b.truncate(b.len() / 2)));
    let flipped = refused(|dir| replace(dir, WEIGHTS, |b| *b.last_mut().unwrap() ^= 1));
    let empty = refused(|dir| replace(dir, WEIGHTS, Vec::clear));
    for error in [truncated, flipped, empty] {
        assert!(
            matches!(&error, Error::Digest { path } if path.ends_with(WEIGHTS)),
            "{error}"
        );
        assert!(error.to_string().contains(WEIGHTS));
    }
    let missing = refused(|dir| fs::remove_file(dir.join(WEIGHTS)).unwrap());
    assert!(
        matches!(&missing, Error::File(tensor_file::Error::Io { path, .. }) if path.ends_with(WEIGHTS)),
        "{missing}"
    );
}

#[test]
fn damaged_configurations_are_refused_by_file() {
    let missing = refused(|dir| fs::remove_file(dir.join(CONFIG)).unwrap());
    assert!(
        matches!(&missing, Error::File(tensor_file::Error::Io { path, .. }) if path.ends_with(CONFIG)),
        "{missing}"
    );
    let cut = refused(|dir| replace(dir, CONFIG, |b| b.truncate(b.len() - 5)));
    assert!(
        matches!(&cut, Error::Json { path, .. } if path.ends_with(CONFIG)),
        "{cut}"
    );
    let text = |from: &'static str, to: &'static str| {
        move |dir: &Path| {
            replace(dir, CONFIG, |b| {
                let text = String::from_utf8(b.clone()).unwrap();
                assert!(text.contains(from), "{text}");
                *b = text.replacen(from, to, 1).into_bytes();
            });
        }
    };
    match refused(text("\"version\": 1", "\"version\": 9")) {
        Error::Version {
            path,
            found,
            expected,
        } => {
            assert!(path.ends_with(CONFIG));
            assert_eq!((found, expected), (9, 1));
        }
        other => panic!("{other}"),
    }
    // A configuration that other weights belong to, and one that nothing can be built from.
    let other = refused(text("\"edge_kernel\": 3", "\"edge_kernel\": 5"));
    assert!(
        matches!(
            other,
            Error::Weights(weight_blocks::Error::ShapeMismatch { .. })
        ),
        "{other}"
    );
    let heads = refused(text("\"heads\": 2", "\"heads\": 3"));
    assert!(
        matches!(heads, Error::Config { field: "heads", .. }),
        "{heads}"
    );
}

#[test]
fn a_later_format_is_told_by_its_version_whatever_else_it_holds() {
    let error = refused(|dir| {
        fs::write(dir.join(CONFIG), r#"{"version": 2, "base": "elsewhere"}"#).unwrap()
    });
    assert!(
        matches!(
            error,
            Error::Version {
                found: 2,
                expected: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn files_that_agree_but_do_not_fit_are_refused_by_tensor() {
    // Digest and file renewed together, as by hand.
    let rewrite = |edit: fn(&mut weight_blocks::NamedTensors)| {
        refused(|dir| {
            let path = dir.join(WEIGHTS);
            let old = file_sha256(&path).unwrap();
            let (mut weights, _) = load_safetensors(&path).unwrap();
            edit(&mut weights);
            save_safetensors(&path, &weights, &BTreeMap::new()).unwrap();
            let new = file_sha256(&path).unwrap();
            let text = fs::read_to_string(dir.join(CONFIG))
                .unwrap()
                .replace(&old, &new);
            fs::write(dir.join(CONFIG), text).unwrap();
        })
    };
    let missing = rewrite(|w| drop(w.remove("head.bias")));
    assert!(
        missing.to_string().contains("`head.bias` is missing"),
        "{missing}"
    );
    let extra = rewrite(|w| {
        let tensor = w["head.bias"].clone();
        w.insert("tail.bias".into(), tensor);
    });
    assert!(extra.to_string().contains("`tail.bias`"), "{extra}");
    let nan = rewrite(|w| w.get_mut("head.bias").unwrap().data[0] = f32::NAN);
    assert!(nan.to_string().contains("`head.bias` holds NaN"), "{nan}");
}

#[test]
fn a_configuration_of_the_first_release_is_compact() {
    let text = r#"{"image_size": 64, "widths": [16, 32, 64], "edge_kernel": 3, "up_kernel": 4, "heads": 4,
        "context_width": 128, "null_tokens": 4, "bottleneck_skip": true, "reflect_padding": false,
        "lora": {"rank": 2, "alpha": 2.0}, "lora_seed": 0}"#;
    let config: GeneratorConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config, GeneratorConfig::compact());
    // And it is written as it was, so that an older build reads it.
    let old: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&config).unwrap(), old);
}

#[test]
fn a_misspelt_field_is_named() {
    let error = refused(|dir| {
        replace(dir, CONFIG, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text
                .replace("\"heads\"", "\"head\": 1, \"heads\"")
                .into_bytes();
        });
    });
    assert!(
        matches!(&error, Error::Json { path, .. } if path.ends_with(CONFIG)),
        "{error}"
    );
    assert!(error.to_string().contains("`head`"), "{error}");
}

#[test]
fn a_configuration_larger_than_its_file_is_refused_before_anything_is_allocated() {
    for (field, value) in [
        ("widths", serde_json::json!([2048, 2048, 2048])),
        ("null_tokens", 8192.into()),
    ] {
        let error = refused(|dir| {
            replace(dir, CONFIG, |bytes| {
                let mut manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                let config = &mut manifest["config"];
                assert!(config[field] != value && config["context_width"] == 5);
                config[field] = value;
                config["context_width"] = 8192.into();
                *bytes = serde_json::to_vec(&manifest).unwrap();
            });
        });
        let text = error.to_string();
        assert!(
            text.contains(WEIGHTS) && text.contains("bytes for a generator"),
            "{text}"
        );
    }
}
