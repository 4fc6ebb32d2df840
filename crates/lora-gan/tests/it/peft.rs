//! PEFT folders: what is written comes back, and what does not fit is refused by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{bits, distance, small, small_paper, tensor, trained};
use lora_gan::{Error, GeneratorConfig, HybridGenerator, LayerSet, LoraConfig, Pass, RankRule};
use safetensors::tensor::TensorView;
use tensor_file::{Dtype, HostTensor, NamedTensors, load_safetensors, save_safetensors};
use weight_blocks::WeightSpace;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const TRANSPOSED: &str = "lora_transposed.safetensors";

fn varied() -> LoraConfig {
    LoraConfig {
        rank: RankRule::Share { share: 0.5 },
        alpha: Some(3.0),
        use_rslora: true,
        dropout: 0.1,
        layers: LayerSet::AllButResBlocks,
        ranks: [("up2".into(), 2), ("transformer.attn1".into(), 1)].into(),
        alphas: [("head".into(), 0.5)].into(),
    }
}

/// A base, and the same with a trained adapter of `lora`.
fn pair(lora: LoraConfig) -> (HybridGenerator, HybridGenerator) {
    let config = GeneratorConfig { lora, ..small() };
    let adapted = trained(&config, 1, &test_device::device());
    (adapted.clone(), adapted)
}

#[test]
fn a_folder_comes_back_to_the_bit() {
    let configs = [
        small(),
        small_paper(),
        GeneratorConfig {
            lora: varied(),
            ..small()
        },
    ];
    for config in configs {
        let adapted = trained(&config, 2, &test_device::device());
        let dir = tempfile::tempdir().unwrap();
        adapted.save_peft(dir.path(), Some("abc")).unwrap();
        // A base with another LoRA configuration: the folder's own counts.
        let base = adapted.clone().with_lora(&LoraConfig::rank(1), 5).unwrap();
        let back = base.load_peft(dir.path(), Some("abc")).unwrap();
        assert_eq!(
            back.read_weights().unwrap(),
            adapted.read_weights().unwrap()
        );
        let photo = tensor([2, 3, 16, 16], 3, &test_device::device());
        let run = |g: &HybridGenerator| bits(g.forward(photo.clone(), None, Pass::Eval).unwrap());
        assert_eq!(run(&back), run(&adapted));
        let (ours, theirs) = (&back.config().lora, &adapted.config().lora);
        assert_eq!(ours.use_rslora, theirs.use_rslora);
        assert_eq!(ours.dropout, theirs.dropout);
        // And the same folder again from what was read.
        let again = tempfile::tempdir().unwrap();
        back.save_peft(again.path(), Some("abc")).unwrap();
        for name in [CONFIG, WEIGHTS, TRANSPOSED] {
            let read = |dir: &Path| fs::read(dir.join(name)).unwrap();
            assert_eq!(read(dir.path()), read(again.path()), "{name}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}

#[test]
fn names_and_fields_are_pefts() {
    let (_, adapted) = pair(LoraConfig {
        ranks: [("transformer.attn2".into(), 4)].into(),
        ..LoraConfig::rank(2)
    });
    let dir = tempfile::tempdir().unwrap();
    adapted.save_peft(dir.path(), None).unwrap();
    let text = fs::read_to_string(dir.path().join(CONFIG)).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(config["peft_type"], "LORA");
    assert_eq!(
        (&config["r"], &config["lora_alpha"]),
        (&2.into(), &2.0.into())
    );
    assert_eq!(config["rank_pattern"]["transformer.attn2.to_q"], 4);
    assert_eq!(config["alpha_pattern"]["transformer.attn2.to_q"], 4.0);
    let list = |key: &str| config[key].as_array().unwrap().clone();
    assert!(list("target_modules").contains(&"stem.conv".into()));
    assert!(!list("target_modules").contains(&"up1.conv".into()));
    for module in ["up1.conv", "up1.norm", "transformer.norm1"] {
        assert!(list("modules_to_save").contains(&module.into()), "{module}");
    }
    let tensors = load_floats(&dir.path().join(WEIGHTS));
    for (name, shape) in [
        ("base_model.model.stem.conv.lora_A.weight", vec![2, 3, 3, 3]),
        ("base_model.model.stem.conv.lora_B.weight", vec![4, 2, 1, 1]),
        (
            "base_model.model.transformer.ff_out.lora_A.weight",
            vec![2, 32],
        ),
        ("base_model.model.stem.norm.weight", vec![4]),
        ("base_model.model.stem.norm.running_mean", vec![4]),
        // PEFT has no LoRA for it: whole, and merged.
        ("base_model.model.up1.conv.weight", vec![6, 4, 4, 4]),
    ] {
        assert_eq!(tensors[name].shape, shape, "{name}");
    }
}

/// The error on loading after `edit`.
fn refused(edit: impl FnOnce(&Path)) -> Error {
    let (base, adapted) = pair(LoraConfig::rank(2));
    let dir = tempfile::tempdir().unwrap();
    adapted.save_peft(dir.path(), Some("abc")).unwrap();
    base.load_peft(dir.path(), Some("abc")).unwrap();
    edit(dir.path());
    base.load_peft(dir.path(), Some("abc"))
        .map(drop)
        .unwrap_err()
}

fn edit_tensors(dir: &Path, edit: impl FnOnce(&mut NamedTensors)) {
    let path = dir.join(WEIGHTS);
    let mut tensors = load_floats(&path);
    edit(&mut tensors);
    save_safetensors(&path, &tensors, &BTreeMap::new()).unwrap();
}

/// Without the integer counters.
fn load_floats(path: &Path) -> NamedTensors {
    load_safetensors(path).unwrap().0
}

fn edit_config(dir: &Path, key: &str, value: serde_json::Value) {
    let path = dir.join(CONFIG);
    let mut config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let name = "base_model.model.stem.conv.lora_A.weight";
    let zeros = |shape: &[usize]| {
        HostTensor::new(shape.to_vec(), vec![0.0; shape.iter().product()]).unwrap()
    };
    let cases: Vec<(&str, Error)> = vec![
        (
            "another base",
            refused(|d| edit_config(d, "base_model_name_or_path", "sha256:xyz".into())),
        ),
        (
            "holds NaN",
            refused(|d| edit_tensors(d, |t| t.get_mut(name).unwrap().data[3] = f32::NAN)),
        ),
        (
            "`stem.lora_B.weight`",
            refused(|d| edit_tensors(d, |t| drop(t.remove(name)))),
        ),
        (
            "stem2.conv.lora_A",
            refused(|d| {
                edit_tensors(d, |t| {
                    let tensor = t[name].clone();
                    t.insert(name.replace("stem", "stem2"), tensor);
                })
            }),
        ),
        (
            "`stem.lora_A.weight` has rank 3",
            refused(|d| edit_tensors(d, |t| drop(t.insert(name.into(), zeros(&[3, 3, 3, 3]))))),
        ),
        (
            "has shape [2, 3, 9, 1]",
            refused(|d| edit_tensors(d, |t| drop(t.insert(name.into(), zeros(&[2, 3, 9, 1]))))),
        ),
        (
            "running_mean",
            refused(|d| {
                edit_tensors(d, |t| {
                    let mean = "base_model.model.stem.norm.running_mean";
                    t.insert(mean.into(), zeros(&[4]));
                })
            }),
        ),
        (
            "up1.weight",
            refused(|d| fs::remove_file(d.join(TRANSPOSED)).unwrap()),
        ),
        ("DoRA", refused(|d| edit_config(d, "use_dora", true.into()))),
        ("bias", refused(|d| edit_config(d, "bias", "all".into()))),
        (
            "pissa_niter_4",
            refused(|d| edit_config(d, "init_lora_weights", "pissa_niter_4".into())),
        ),
        (
            "`kasa_config`",
            refused(|d| edit_config(d, "kasa_config", serde_json::json!({"beta": 0.1}))),
        ),
        (
            "rank 2, but r and rank_pattern say 3",
            refused(|d| edit_config(d, "r", 3.into())),
        ),
        (
            "is there twice",
            refused(|d| {
                edit_tensors(d, |t| {
                    let tensor = t[name].clone();
                    t.insert("stem.conv.lora_A.weight".into(), tensor);
                })
            }),
        ),
        (
            "LOHA",
            refused(|d| edit_config(d, "peft_type", "LOHA".into())),
        ),
        (
            "regular expression",
            refused(|d| edit_config(d, "alpha_pattern", serde_json::json!({"stem.*": 1}))),
        ),
        (
            "adapter_model.safetensors: not a complete safetensors file",
            refused(|d| fs::write(d.join(WEIGHTS), b"PK nothing").unwrap()),
        ),
        (
            CONFIG,
            refused(|d| fs::remove_file(d.join(CONFIG)).unwrap()),
        ),
        (
            WEIGHTS,
            refused(|d| fs::remove_file(d.join(WEIGHTS)).unwrap()),
        ),
    ];
    for (part, error) in cases {
        let text = error.to_string();
        let found = text.contains(part)
            || (part == "another base" && matches!(error, Error::OtherBase { .. }));
        assert!(found, "{part}: {text}");
    }
}

#[test]
fn a_folder_says_nothing_of_frozen_layers() {
    let (base, adapted) = pair(LoraConfig {
        layers: LayerSet::Named(vec!["transformer".into()]),
        ..LoraConfig::rank(2)
    });
    let dir = tempfile::tempdir().unwrap();
    adapted.save_peft(dir.path(), None).unwrap();
    let full = base.with_lora(&LoraConfig::rank(3), 0).unwrap();
    let back = full.load_peft(dir.path(), None).unwrap();
    assert!(back.stem.lora.is_none());
    let photo = tensor([1, 3, 16, 16], 4, &test_device::device());
    let run = |g: &HybridGenerator| g.forward(photo.clone(), None, Pass::Eval).unwrap();
    assert!(distance(run(&back), run(&adapted)) < 1e-6);
    // PEFT has nothing that it could adapt here.
    let (_, only) = pair(LoraConfig {
        layers: LayerSet::Named(vec!["up1".into()]),
        ..LoraConfig::rank(2)
    });
    let error = only.save_peft(dir.path(), None).unwrap_err();
    assert!(error.to_string().contains("PEFT needs"), "{error}");
}

/// PEFT subtracts such an initialisation from the base, so its factors are wrong on the base itself.
#[test]
fn a_folder_that_changed_its_base_is_refused() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peft-pissa");
    let base =
        HybridGenerator::new(&GeneratorConfig::compact(), 0, &test_device::device()).unwrap();
    let text = base.load_peft(&fixture, None).unwrap_err().to_string();
    assert!(
        text.contains("adapter_config.json: init_lora_weights is \"pissa\""),
        "{text}"
    );
    // The same with PEFT's default initialisation is a plain LoRA.
    let dir = tempfile::tempdir().unwrap();
    for name in [CONFIG, WEIGHTS] {
        fs::copy(fixture.join(name), dir.path().join(name)).unwrap();
    }
    edit_config(dir.path(), "init_lora_weights", true.into());
    base.load_peft(dir.path(), None).unwrap();
}

#[test]
fn a_configuration_may_have_a_byte_order_mark_but_not_be_in_utf_16() {
    let (base, adapted) = pair(LoraConfig::rank(2));
    let dir = tempfile::tempdir().unwrap();
    adapted.save_peft(dir.path(), None).unwrap();
    let path = dir.path().join(CONFIG);
    let marked = format!("\u{feff}{}", fs::read_to_string(&path).unwrap());
    fs::write(&path, &marked).unwrap();
    base.load_peft(dir.path(), None).unwrap();
    let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&path, wide).unwrap();
    let text = base.load_peft(dir.path(), None).unwrap_err().to_string();
    assert!(
        text.contains("adapter_config.json: the text is in UTF-16"),
        "{text}"
    );
}

/// Writes the folder's tensors again in a narrower type.
fn narrow(dir: &Path, dtype: Dtype) {
    for name in [WEIGHTS, TRANSPOSED] {
        let path = dir.join(name);
        let tensors = load_floats(&path);
        let bytes = |values: &[f32]| -> Vec<u8> {
            let value = |v: &f32| match dtype {
                Dtype::F16 => half::f16::from_f32(*v).to_le_bytes(),
                _ => half::bf16::from_f32(*v).to_le_bytes(),
            };
            values.iter().flat_map(value).collect()
        };
        let stored: BTreeMap<String, (Vec<usize>, Vec<u8>)> = (tensors.into_iter())
            .map(|(name, t)| (name, (t.shape, bytes(&t.data))))
            .collect();
        let views = stored.iter().map(|(name, (shape, bytes))| {
            let view = TensorView::new(dtype, shape.clone(), bytes).unwrap();
            (name.clone(), view)
        });
        let file = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
        fs::write(path, file).unwrap();
    }
}

#[test]
fn a_folder_of_half_precision_is_compared_with_the_base_in_half_precision() {
    let (base, adapted) = pair(LoraConfig::rank(2));
    for dtype in [Dtype::F16, Dtype::BF16] {
        let dir = tempfile::tempdir().unwrap();
        adapted.save_peft(dir.path(), None).unwrap();
        narrow(dir.path(), dtype);
        let back = base.load_peft(dir.path(), None).unwrap();
        let photo = tensor([1, 3, 16, 16], 4, &test_device::device());
        let run = |g: &HybridGenerator| g.forward(photo.clone(), None, Pass::Eval).unwrap();
        let apart = distance(run(&back), run(&adapted));
        assert!(apart > 0.0 && apart < 0.1, "{dtype:?}: {apart}");
        // Statistics that were trained are still refused.
        let path = dir.path().join(WEIGHTS);
        let mut tensors = load_floats(&path);
        let mean = "base_model.model.stem.norm.running_mean";
        tensors.get_mut(mean).unwrap().data[0] += 0.5;
        save_safetensors(&path, &tensors, &BTreeMap::new()).unwrap();
        narrow(dir.path(), dtype);
        let text = base.load_peft(dir.path(), None).unwrap_err().to_string();
        assert!(text.contains("running_mean"), "{text}");
    }
}

/// Each file of the folder, cut at every length: an error, or the same adapter.
#[test]
fn a_folder_that_is_cut_off_is_refused() {
    let (base, adapted) = pair(LoraConfig {
        layers: LayerSet::Named(vec!["transformer.attn1.to_q".into(), "up3".into()]),
        ..LoraConfig::rank(1)
    });
    let dir = tempfile::tempdir().unwrap();
    adapted.save_peft(dir.path(), None).unwrap();
    let expected = adapted.read_weights().unwrap();
    for name in [CONFIG, WEIGHTS, TRANSPOSED] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        // Every length in the text; of the weights, the header, and some lengths beyond it.
        let step = if name == CONFIG { 1 } else { 7 };
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for length in (0..whole.len()).rev().step_by(step) {
            file.set_len(length as u64).unwrap();
            if let Ok(back) = base.load_peft(dir.path(), None) {
                assert_eq!(back.read_weights().unwrap(), expected, "{name} {length}");
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}
