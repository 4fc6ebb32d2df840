//! The scales of LoRA files: folded into the factors, written back, or refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tensor_file::{Dtype, SafetensorsWriter, TensorFile, load_safetensors};
use weight_blocks::{
    Checkpoint, ConceptRecord, Error, GroupingRule, HostTensor, Layout, LoraFile, NamedTensors,
    WeightSpace, Zoo,
};

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/lora-scales").join(name)
}

/// The largest singular value is not needed: the Frobenius norm of `up · down` stands for the update.
fn norm(down: &HostTensor, up: &HostTensor) -> f64 {
    let (rank, ins) = (down.shape[0], down.data.len() / down.shape[0]);
    let value = |row: usize, column: usize| -> f64 {
        let terms = (0..rank)
            .map(|r| f64::from(up.data[row * rank + r]) * f64::from(down.data[r * ins + column]));
        terms.sum()
    };
    let all = (0..up.shape[0]).flat_map(|row| (0..ins).map(move |column| (row, column)));
    all.map(|(r, c)| value(r, c).powi(2)).sum::<f64>().sqrt()
}

/// Norm of the update of the layer whose factors end so, in tensors of scale 1.
fn norm_of(weights: &NamedTensors, layer: &str, [down, up]: [&str; 2]) -> f64 {
    norm(
        &weights[&format!("{layer}.{down}.weight")],
        &weights[&format!("{layer}.{up}.weight")],
    )
}

const KOHYA: [&str; 2] = ["lora_down", "lora_up"];
const PEFT: [&str; 2] = ["lora_A", "lora_B"];
const LAYER: &str = "lora_unet_down_blocks_0_attentions_0_proj_in";

fn concept(name: &str) -> ConceptRecord {
    ConceptRecord {
        concept: name.into(),
        prompt: name.into(),
        seed: 0,
        recipe: serde_json::Value::Null,
        checkpoints: vec![Checkpoint {
            epoch: 1,
            metrics: BTreeMap::new(),
        }],
    }
}

#[test]
fn a_zoo_of_files_with_different_alphas_keeps_their_updates() {
    let dir = tempfile::tempdir().unwrap();
    // alpha / rank of the three files, by sd-scripts.
    let files = [("k_alpha16", 2.0), ("k_alpha4", 0.5), ("k_noalpha", 1.0)];
    let open = |name: &str| LoraFile::open(fixture(&format!("{name}.safetensors"))).unwrap();
    let first = open("k_alpha16");
    let layout = Layout::new("sd", first.layer_groups(), GroupingRule::Appended, 64).unwrap();
    let mut zoo = Zoo::create(dir.path().join("zoo"), &layout, "sd-1.5").unwrap();
    for (name, _) in files {
        let weights = open(name).read_weights().unwrap();
        zoo.append(&concept(name), &[weights]).unwrap();
    }
    let zoo = Zoo::open(dir.path().join("zoo")).unwrap();
    for (name, scale) in files {
        let raw = load_safetensors(fixture(&format!("{name}.safetensors")))
            .unwrap()
            .0;
        let expected = scale * norm_of(&raw, LAYER, KOHYA);
        let entry = zoo.entries().iter().find(|e| e.concept == name).unwrap();
        let weights = zoo.load(entry).unwrap();
        let folded = norm_of(&weights, LAYER, KOHYA);
        assert!(
            (folded / expected - 1.0).abs() < 1e-6,
            "{name}: {folded}, not {expected}"
        );
        // Saved with the first file's alphas, as sd-scripts will read it.
        let mut template = first.clone();
        template.load_weights(&weights).unwrap();
        let copy = dir.path().join(format!("{name}.safetensors"));
        template.save(&copy).unwrap();
        let saved = load_safetensors(&copy).unwrap().0;
        let alpha = f64::from(saved[&format!("{LAYER}.alpha")].data[0]);
        let rank = saved[&format!("{LAYER}.lora_down.weight")].shape[0] as f64;
        let read = alpha / rank * norm_of(&saved, LAYER, KOHYA);
        assert!(
            (read / expected - 1.0).abs() < 1e-6,
            "{name}: {read}, not {expected}"
        );
    }
}

/// A PEFT folder with one layer of ones, of rank 4.
fn peft(dir: &Path, fields: &str) -> PathBuf {
    let config = format!(r#"{{"peft_type": "LORA", "r": 4, "lora_alpha": 8{fields}}}"#);
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("adapter_config.json"), config).unwrap();
    let path = dir.join("adapter_model.safetensors");
    write(
        &path,
        &[
            ("base_model.model.h.0.q.lora_A.weight", &[4, 4], 0.5),
            ("base_model.model.h.0.q.lora_B.weight", &[2, 4], 1.0),
        ],
        &[],
    );
    path
}

fn write(path: &Path, tensors: &[(&str, &[usize], f32)], metadata: &[(&str, &str)]) {
    let mut file = SafetensorsWriter::new();
    for (name, shape, value) in tensors {
        let values = vec![*value; shape.iter().product()];
        file.f32(name, shape, &values).unwrap();
    }
    for (key, value) in metadata {
        file.metadata(key, value);
    }
    file.write(path).unwrap();
}

/// The first value of the up factor, or the refusal.
fn up(path: &Path, name: &str) -> Result<f32, String> {
    let file = LoraFile::open(path).map_err(|error| error.to_string())?;
    Ok(file.read_weights().unwrap()[name].data[0])
}

#[test]
fn scales_of_peft_folders_are_those_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let name = "base_model.model.h.0.q.lora_B.weight";
    for (fields, scale) in [
        ("", 2.0),
        (r#", "use_rslora": true"#, 4.0),
        (r#", "alpha_pattern": {"h.0.q": 1}"#, 0.25),
        (r#", "alpha_pattern": {"k": 1}"#, 2.0),
        (r#", "alpha_pattern": {"q": 2}, "use_rslora": true"#, 1.0),
    ] {
        let path = peft(dir.path(), fields);
        assert_eq!(up(&path, name).unwrap(), scale, "{fields}");
    }
    // The rank is that of the pattern.
    let path = peft(dir.path(), r#", "rank_pattern": {"q": 2}"#);
    let text = up(&path, name).unwrap_err();
    assert!(
        text.contains("`h.0.q`") && text.contains("rank 4"),
        "{text}"
    );
    for (fields, part) in [
        (r#", "init_lora_weights": "pissa_niter_4""#, "pissa_niter_4"),
        (r#", "use_dora": true"#, "DoRA"),
        (r#", "alpha_pattern": {"h\\..*": 2}"#, "regular expression"),
        (r#", "alpha_pattern": {"q": 0}"#, "scale 0"),
        (r#", "use_bdlora": {"nblocks": 2}"#, "`use_bdlora`"),
    ] {
        let path = peft(dir.path(), fields);
        let text = up(&path, name).unwrap_err();
        assert!(text.contains(part), "{text}");
    }
    fs::remove_file(dir.path().join("adapter_config.json")).unwrap();
    let text = up(&dir.path().join("adapter_model.safetensors"), name).unwrap_err();
    assert!(
        text.contains("adapter_config.json: there is no such file"),
        "{text}"
    );
    // alpha 4, rank 4.
    let path = fixture("pf_alpha4/adapter_model.safetensors");
    let raw = load_safetensors(&path).unwrap().0;
    let file = LoraFile::open(&path).unwrap();
    assert_eq!(file.read_weights().unwrap(), raw);
}

#[test]
fn a_peft_file_is_saved_with_its_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = peft(&dir.path().join("a"), r#", "use_rslora": true"#);
    let file = LoraFile::open(&path).unwrap();
    let copy = dir.path().join("b/adapter_model.safetensors");
    file.save(&copy).unwrap();
    file.save(&copy).unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let read = |folder: &str| fs::read(dir.path().join(folder).join(name)).unwrap();
        let same = read("a") == read("b");
        assert!(same || name.ends_with("safetensors"), "{name}");
    }
    assert_eq!(LoraFile::open(&copy).unwrap(), file);
    let layer = "base_model.model.h.0.q";
    let raw = load_safetensors(&copy).unwrap().0;
    assert_eq!(
        4.0 * norm_of(&raw, layer, PEFT),
        norm_of(&file.read_weights().unwrap(), layer, PEFT)
    );
    // A folder whose adapter has another scale is left as it is.
    let other = peft(&dir.path().join("c"), "");
    let before = fs::read(&other).unwrap();
    let text = file.save(&other).unwrap_err().to_string();
    assert!(text.contains("other scales"), "{text}");
    assert_eq!(fs::read(&other).unwrap(), before);
}

const DOWN: (&str, &[usize], f32) = ("x.lora_down.weight", &[4, 3], 1.0);
const UP: (&str, &[usize], f32) = ("x.lora_up.weight", &[2, 4], 1.0);

#[test]
fn alphas_that_say_nothing_clear_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.safetensors");
    let why = |tensors: &[(&str, &[usize], f32)], metadata: &[(&str, &str)]| {
        write(&path, tensors, metadata);
        let error = LoraFile::open(&path).unwrap_err();
        let known = matches!(error, Error::LoraFile { .. } | Error::File(_));
        assert!(known, "{error}");
        error.to_string()
    };
    let text = why(&[DOWN, UP, ("x.alpha", &[], 0.0)], &[]);
    assert!(text.contains("`x.alpha` is 0"), "{text}");
    let text = why(&[DOWN, UP, ("x.alpha", &[2], 1.0)], &[]);
    assert!(text.contains("holds 2 values"), "{text}");
    let text = why(&[DOWN, UP, ("y.alpha", &[], 1.0)], &[]);
    assert!(
        text.contains("`y.alpha`") && text.contains("missing"),
        "{text}"
    );
    let text = why(&[DOWN, UP, ("x.alpha", &[], f32::NAN)], &[]);
    assert!(text.contains("`x.alpha` holds NaN"), "{text}");
    let text = why(&[DOWN, ("x.lora_up.weight", &[2, 4], f32::INFINITY)], &[]);
    assert!(text.contains("holds inf"), "{text}");
    // The header states what the tensors should say.
    let header = [("ss_network_alpha", "2.0"), ("ss_network_dim", "4")];
    let text = why(&[DOWN, UP], &header);
    assert!(text.contains("ss_network_alpha 2"), "{text}");
    let header = [("ss_network_alpha", "2"), ("ss_network_dim", "None")];
    let text = why(&[DOWN, UP], &header);
    assert!(text.contains("dimension of 4"), "{text}");
}

#[test]
fn alphas_are_per_layer_and_may_be_left_out_or_integers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.safetensors");
    let second = [
        ("y.lora_down.weight", &[4, 3][..], 1.0),
        ("y.lora_up.weight", &[2, 4][..], 1.0),
    ];
    let tensors = [&[DOWN, UP, ("x.alpha", &[][..], 3.0)], &second[..]].concat();
    write(&path, &tensors, &[]);
    assert_eq!(up(&path, "x.lora_up.weight").unwrap(), 0.75);
    assert_eq!(up(&path, "y.lora_up.weight").unwrap(), 1.0);
    // The header of sd-scripts where it says the same as no alpha, or nothing.
    for alpha in ["4", "4.0", "0", "None"] {
        write(
            &path,
            &[DOWN, UP],
            &[("ss_network_alpha", alpha), ("ss_network_dim", "4")],
        );
        assert_eq!(up(&path, "x.lora_up.weight").unwrap(), 1.0);
    }
    // The tensors count where there are both: sd-scripts' conv_alpha, and resized files.
    write(
        &path,
        &[DOWN, UP, ("x.alpha", &[1], 2.0)],
        &[("ss_network_alpha", "16"), ("ss_network_dim", "32")],
    );
    assert_eq!(up(&path, "x.lora_up.weight").unwrap(), 0.5);
    let mut file = SafetensorsWriter::new();
    file.f32("x.lora_down.weight", &[4, 3], &[1.0; 12]).unwrap();
    file.f32("x.lora_up.weight", &[2, 4], &[1.0; 8]).unwrap();
    file.i64("x.alpha", &[], &[8]).unwrap();
    file.write(&path).unwrap();
    assert_eq!(up(&path, "x.lora_up.weight").unwrap(), 2.0);
}

#[test]
fn configurations_in_the_header_of_diffusers_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pytorch_lora_weights.safetensors");
    let tensors: [(&str, &[usize], f32); 4] = [
        ("unet.a.q.lora_A.weight", &[4, 3], 1.0),
        ("unet.a.q.lora_B.weight", &[2, 4], 1.0),
        ("text_encoder.k.lora_A.weight", &[4, 3], 1.0),
        ("text_encoder.k.lora_B.weight", &[2, 4], 1.0),
    ];
    let unet = |fields: &str| format!(r#"{{"unet.r": 4, "unet.lora_alpha": 8{fields}}}"#);
    let read = |fields: &str, name: &str| {
        write(&path, &tensors, &[("lora_adapter_metadata", &unet(fields))]);
        up(&path, name)
    };
    assert_eq!(read("", "unet.a.q.lora_B.weight").unwrap(), 2.0);
    assert_eq!(read("", "text_encoder.k.lora_B.weight").unwrap(), 1.0);
    let pattern = r#", "unet.alpha_pattern": {"a.q": 2}"#;
    assert_eq!(read(pattern, "unet.a.q.lora_B.weight").unwrap(), 0.5);
    let text = read(r#", "unet.use_dora": true"#, "").unwrap_err();
    assert!(text.contains("DoRA"), "{text}");
}

#[test]
fn a_file_that_is_saved_again_is_the_same_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.safetensors");
    // 1/3 has no exact value.
    let values: Vec<f32> = (0..3000).map(|i| (i as f32 * 0.37).sin() / 7.0).collect();
    let mut file = SafetensorsWriter::new();
    file.f32("x.lora_down.weight", &[3, 4], &values[..12])
        .unwrap();
    file.f32("x.lora_up.weight", &[1000, 3], &values).unwrap();
    file.f32("x.alpha", &[], &[1.0]).unwrap();
    file.write(&path).unwrap();
    let mut file = LoraFile::open(&path).unwrap();
    let copy = dir.path().join("copy.safetensors");
    file.save(&copy).unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(&copy).unwrap());
    let weights = file.read_weights().unwrap();
    file.load_weights(&weights).unwrap();
    assert_eq!(file.read_weights().unwrap(), weights);
    file.save(&copy).unwrap();
    assert_eq!(
        LoraFile::open(&copy).unwrap().read_weights().unwrap(),
        weights
    );
}

#[test]
fn every_tensor_is_saved_in_its_own_type() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.safetensors");
    let mut file = SafetensorsWriter::new();
    let values: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
    file.f16("x.lora_down.weight", &[4, 3], &values).unwrap();
    let up = "x.lora_up.weight";
    file.floats(up, Dtype::BF16, &[2, 4], &values[..8]).unwrap();
    file.i64("x.alpha", &[], &[8]).unwrap();
    file.write(&path).unwrap();
    let mut lora = LoraFile::open(&path).unwrap();
    let copy = dir.path().join("copy.safetensors");
    lora.save(&copy).unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(&copy).unwrap());
    // Other weights are rounded to the file's type.
    let mut weights = lora.read_weights().unwrap();
    weights.get_mut(up).unwrap().data[0] = 1.0 / 3.0;
    lora.load_weights(&weights).unwrap();
    lora.save(&copy).unwrap();
    let saved = TensorFile::open_safetensors(&copy).unwrap();
    assert_eq!(saved.get(up).unwrap().dtype, Dtype::BF16);
    // The scale is 2: a sixth, in 8 bits of precision.
    assert_eq!(saved.read(up).unwrap()[0], 0.16699219);
}

#[test]
fn values_that_could_not_be_read_again_are_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let (down, up) = (DOWN.0, UP.0);
    let cases = [
        // A scale of 2.5e-39: the quotient is past every 32-bit float.
        (1e-38, Dtype::F32, up, 1.0),
        // Half of the largest 32-bit float becomes 2^127 in 8 bits of precision, and twice that is infinite.
        (8.0, Dtype::BF16, up, f32::MAX),
        (8.0, Dtype::F16, down, f32::NAN),
        (8.0, Dtype::F16, up, f32::NEG_INFINITY),
    ];
    for (alpha, dtype, name, value) in cases {
        let path = dir.path().join("k.safetensors");
        let mut file = SafetensorsWriter::new();
        file.floats(down, dtype, &[4, 3], &[1.0; 12]).unwrap();
        file.floats(up, dtype, &[2, 4], &[1.0; 8]).unwrap();
        file.f32("x.alpha", &[], &[alpha]).unwrap();
        file.write(&path).unwrap();
        let before = fs::read(&path).unwrap();
        let mut lora = LoraFile::open(&path).unwrap();
        let mut weights = lora.read_weights().unwrap();
        weights.get_mut(name).unwrap().data[2] = value;
        lora.load_weights(&weights).unwrap();
        let error = lora.save(&path).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(&error, Error::LoraValue { name: n, index: 2, .. } if n == name),
            "{text}"
        );
        assert!(
            text.contains("nothing was written") && text.contains("k.safetensors"),
            "{text}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    // Nor is the configuration of PEFT.
    let mut lora = LoraFile::open(peft(&dir.path().join("a"), "")).unwrap();
    let mut weights = lora.read_weights().unwrap();
    let name = "base_model.model.h.0.q.lora_A.weight";
    weights.get_mut(name).unwrap().data[0] = f32::NAN;
    lora.load_weights(&weights).unwrap();
    let copy = dir.path().join("b/adapter_model.safetensors");
    assert!(matches!(lora.save(copy), Err(Error::LoraValue { .. })));
    assert!(!dir.path().join("b").exists());
}

#[test]
fn a_configuration_may_have_a_byte_order_mark_but_not_be_in_utf_16() {
    let dir = tempfile::tempdir().unwrap();
    let name = "base_model.model.h.0.q.lora_B.weight";
    let path = peft(&dir.path().join("a"), "");
    let config = path.with_file_name("adapter_config.json");
    let plain = fs::read_to_string(&config).unwrap();
    let marked = format!("\u{feff}{plain}");
    fs::write(&config, &marked).unwrap();
    assert_eq!(up(&path, name).unwrap(), 2.0);
    // It is written as it was, and beside an adapter of the same scales.
    let file = LoraFile::open(&path).unwrap();
    let copy = dir.path().join("b/adapter_model.safetensors");
    file.save(&copy).unwrap();
    let copied = copy.with_file_name("adapter_config.json");
    assert_eq!(fs::read_to_string(&copied).unwrap(), marked);
    fs::write(&copied, &plain).unwrap();
    file.save(&copy).unwrap();
    let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&config, wide).unwrap();
    let text = up(&path, name).unwrap_err();
    assert!(
        text.contains("adapter_config.json: the text is in UTF-16"),
        "{text}"
    );
}
