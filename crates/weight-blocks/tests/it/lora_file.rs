//! LoRA files of PEFT, diffusers and kohya's sd-scripts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::{
    Error, GroupingRule, HostTensor, LayerKind, Layout, LoraFile, NamedTensors, TensorRole,
    WeightSpace,
};

fn tensor(shape: &[usize], first: f32) -> HostTensor {
    let len: usize = shape.iter().product();
    let data = (0..len).map(|i| first + i as f32).collect();
    HostTensor::new(shape.to_vec(), data).unwrap()
}

fn write(dir: &Path, tensors: &[(&str, &[usize])]) -> PathBuf {
    let tensors: NamedTensors = (tensors.iter().enumerate())
        .map(|(i, (name, shape))| ((*name).to_owned(), tensor(shape, 100.0 * i as f32)))
        .collect();
    let path = dir.join("lora.safetensors");
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    save_safetensors(&path, &tensors, &metadata).unwrap();
    path
}

#[test]
fn peft_files_group_by_layer_in_natural_order() {
    let dir = tempfile::tempdir().unwrap();
    let config = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 2}"#;
    std::fs::write(dir.path().join("adapter_config.json"), config).unwrap();
    let path = write(
        dir.path(),
        &[
            ("base_model.model.h.10.mlp.lora_A.weight", &[2, 5]),
            ("base_model.model.h.10.mlp.lora_B.weight", &[7, 2]),
            ("base_model.model.h.2.attn.c_attn.lora_A.weight", &[2, 5]),
            ("base_model.model.h.2.attn.c_attn.lora_B.weight", &[6, 2]),
        ],
    );
    let file = LoraFile::open(path).unwrap();
    let groups = file.layer_groups();
    let names: Vec<_> = groups.iter().map(|g| (g.name.as_str(), g.kind)).collect();
    assert_eq!(
        names,
        [
            ("base_model.model.h.2.attn.c_attn", LayerKind::Attention),
            ("base_model.model.h.10.mlp", LayerKind::Linear),
        ]
    );
    let roles: Vec<_> = groups[0].tensors.iter().map(|t| t.role).collect();
    assert_eq!(roles, [TensorRole::Down, TensorRole::Up]);
    let layout = Layout::new("m", groups, GroupingRule::Concatenated, 16).unwrap();
    assert_eq!(layout.values(), 10 + 14 + 10 + 12);
    let blocks = layout.encode(&file.read_weights().unwrap()).unwrap();
    assert_eq!(
        layout.decode(&blocks).unwrap(),
        file.read_weights().unwrap()
    );
}

#[test]
fn kohya_files_keep_alpha_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(
        dir.path(),
        &[
            ("lora_unet_mid_attn1_to_q.lora_down.weight", &[4, 6]),
            ("lora_unet_mid_attn1_to_q.lora_up.weight", &[8, 4]),
            ("lora_unet_mid_attn1_to_q.alpha", &[]),
            ("lora_unet_mid_conv1.lora_down.weight", &[4, 3, 3, 3]),
            ("lora_unet_mid_conv1.lora_up.weight", &[5, 4, 1, 1]),
        ],
    );
    let mut file = LoraFile::open(&path).unwrap();
    let kinds: Vec<_> = file.layer_groups().iter().map(|g| g.kind).collect();
    assert_eq!(kinds, [LayerKind::Attention, LayerKind::Conv]);
    let mut weights = file.read_weights().unwrap();
    assert_eq!(weights.len(), 4);
    weights
        .get_mut("lora_unet_mid_conv1.lora_up.weight")
        .unwrap()
        .data[0] = -1.0;
    file.load_weights(&weights).unwrap();
    let copy = dir.path().join("copy.safetensors");
    file.save(&copy).unwrap();
    assert_eq!(LoraFile::open(&copy).unwrap(), file);
    let (before, header) = load_safetensors(&path).unwrap();
    let (after, same) = load_safetensors(&copy).unwrap();
    assert_eq!(header, same);
    let changed: Vec<_> = before.keys().filter(|k| before[*k] != after[*k]).collect();
    assert_eq!(changed, ["lora_unet_mid_conv1.lora_up.weight"]);
    weights.clear();
    assert!(matches!(
        file.load_weights(&weights),
        Err(Error::MissingTensor { .. })
    ));
}

#[test]
fn tensors_that_are_not_lora_factors_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let why = |tensors: &[(&str, &[usize])]| {
        let path = write(dir.path(), tensors);
        let error = LoraFile::open(path).unwrap_err();
        assert!(matches!(error, Error::LoraFile { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("lora.safetensors"), "{text}");
        text
    };
    let text = why(&[("x.lora_A.weight", &[2, 5])]);
    assert!(
        text.contains("`x.lora_A.weight`") && text.contains("no partner"),
        "{text}"
    );
    let text = why(&[("x.lora_A.weight", &[2, 5]), ("x.lora_B.weight", &[5, 3])]);
    assert!(text.contains("does not fit"), "{text}");
    let text = why(&[("x.lora_A.weight", &[2]), ("x.lora_B.weight", &[2])]);
    assert!(text.contains("does not fit"), "{text}");
    let text = why(&[("model.embed.weight", &[2, 5])]);
    assert!(text.contains("`model.embed.weight`"), "{text}");
    let text = why(&[
        ("x.lora_A.weight", &[2, 5]),
        ("x.lora_down.weight", &[2, 5]),
    ]);
    assert!(text.contains("same factor"), "{text}");
    let text = why(&[("x.alpha", &[])]);
    assert!(text.contains("no LoRA factors"), "{text}");
    let text = why(&[("x.lora_A.weight", &[0, 5]), ("x.lora_B.weight", &[5, 0])]);
    assert!(
        text.contains("`x.lora_A.weight`") && text.contains("no values"),
        "{text}"
    );
}
