//! LoRA files of PEFT, diffusers and kohya's sd-scripts, as zoos and back. `tools/lora_files_fixtures.py` made them with PEFT
//! and diffusers, which also computed the updates.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use denoised_weights::lora_files::{
    LoraCollecting, LoraWriter, collect_lora_files, list_lora_files,
};
use denoised_weights::weight_blocks::{Entry, LoraFile, NamedTensors, WeightSpace, Zoo};
use serde::Deserialize;
use tensor_file::TensorFile;

const ALIKE: [&str; 4] = ["peft", "peft-half", "diffusers", "kohya"];

fn fixtures(set: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/lora-files")
        .join(set)
}

fn collect(set: &Path, zoo: &Path, options: &LoraCollecting<'_>) -> Result<Zoo, String> {
    let files = list_lora_files(set).map_err(|error| error.to_string())?;
    collect_lora_files(&files, zoo, options, |_| ()).map_err(|error| error.to_string())
}

/// A layer's update as the reference library computes it.
#[derive(Deserialize)]
struct Update {
    shape: Vec<usize>,
    update: Vec<f32>,
}

fn expected(set: &str) -> BTreeMap<String, BTreeMap<String, Update>> {
    let text = fs::read_to_string(fixtures("expected.json")).unwrap();
    let mut all: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    serde_json::from_value(all.remove(set).unwrap()).unwrap()
}

/// The product of a layer's factors, row by row.
fn product(weights: &NamedTensors, layer: &str) -> Vec<f32> {
    let factor = |suffixes: [&str; 3]| {
        let name = suffixes.map(|suffix| format!("{layer}{suffix}"));
        name.iter().find_map(|name| weights.get(name)).unwrap()
    };
    let down = factor([".lora_A.weight", ".lora_down.weight", ".lora.down.weight"]);
    let up = factor([".lora_B.weight", ".lora_up.weight", ".lora.up.weight"]);
    let (rows, rank) = (up.shape[0], down.shape[0]);
    let columns = down.data.len() / rank;
    let at = |i: usize, j: usize| -> f32 {
        let pairs = (0..rank).map(|k| up.data[i * rank + k] * down.data[k * columns + j]);
        pairs.sum()
    };
    (0..rows * columns)
        .map(|n| at(n / columns, n % columns))
        .collect()
}

/// Compares the updates of a zoo's entries with the reference's.
fn check_updates(set: &str, zoo: &Zoo) {
    let mut compared = 0;
    for (name, layers) in expected(set) {
        let of_name = |entry: &&Entry| entry.concept == name;
        let weights = zoo
            .load(zoo.entries().iter().find(of_name).unwrap())
            .unwrap();
        for (layer, Update { shape, update }) in layers {
            let found = product(&weights, &layer);
            let values = shape.iter().product::<usize>();
            assert_eq!(
                [found.len(), update.len()],
                [values; 2],
                "{set}/{name} {layer}"
            );
            let largest = update.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            // The reference multiplies in the file's type, and is stored with four digits.
            let half = ["peft-half", "kohya"].contains(&set);
            let rounding = largest * if half { 2e-3 } else { 1e-6 };
            for (a, b) in found.iter().zip(&update) {
                let far = (a - b).abs() > rounding + 6e-4 * b.abs();
                assert!(!far, "{set}/{name} {layer}: {a} for {b}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 3, "{set}");
}

#[test]
fn updates_are_those_of_peft_and_diffusers() {
    let dir = tempfile::tempdir().unwrap();
    for set in ALIKE {
        for align in [false, true] {
            let options = LoraCollecting {
                align,
                block_size: 64,
                ..LoraCollecting::default()
            };
            let path = dir.path().join(format!("{set}-{align}"));
            check_updates(set, &collect(&fixtures(set), &path, &options).unwrap());
        }
    }
}

#[test]
fn smaller_ranks_and_missing_layers_are_filled_up_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = dir.path().join("zoo");
    let mut options = LoraCollecting::default();
    let error = collect(&fixtures("peft-mixed"), &zoo, &options).unwrap_err();
    assert!(
        error.contains("2 of the LoRA files") && error.contains("pad"),
        "{error}"
    );
    assert!(!zoo.exists());
    options.pad = true;
    check_updates(
        "peft-mixed",
        &collect(&fixtures("peft-mixed"), &zoo, &options).unwrap(),
    );
    // Nothing can be left out of a file.
    let small = fixtures("peft-mixed/pirate/adapter_model.safetensors");
    let options = LoraCollecting {
        like: Some(&small),
        pad: true,
        ..options
    };
    let error = collect(&fixtures("peft-mixed"), &dir.path().join("b"), &options).unwrap_err();
    assert!(
        error.contains("zeros only fill smaller files up"),
        "{error}"
    );
}

/// The tensors of two files that are not the same: in type, shape, or a value by more than `ulps` units in the last place.
fn differing(a: &Path, b: &Path, ulps: u32) -> Vec<String> {
    let [a, b] = [a, b].map(|path| TensorFile::open_safetensors(path).unwrap());
    let names =
        |file: &TensorFile<'_>| -> Vec<String> { file.tensors().map(|t| t.to_string()).collect() };
    assert_eq!(names(&a), names(&b));
    let near = |x: &f32, y: &f32| x.to_bits().abs_diff(y.to_bits()) <= ulps;
    let same = |name: &str| {
        let (x, y) = (a.read(name).unwrap(), b.read(name).unwrap());
        x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| near(x, y))
    };
    let unlike = a
        .tensors()
        .filter(|t| b.get(t.name) != Some(*t) || !same(t.name));
    unlike.map(|tensor| tensor.name.to_owned()).collect()
}

#[test]
fn every_value_comes_back_in_its_own_type() {
    let dir = tempfile::tempdir().unwrap();
    let as_they_are = LoraCollecting {
        align: false,
        ..LoraCollecting::default()
    };
    for set in ALIKE {
        let files = list_lora_files(&fixtures(set)).unwrap();
        let zoo = collect(&fixtures(set), &dir.path().join(set), &as_they_are).unwrap();
        let writer = LoraWriter::open(&zoo).unwrap();
        for file in files {
            let entry = zoo
                .entries()
                .iter()
                .find(|entry| entry.concept == file.name);
            let weights = zoo.load(entry.unwrap()).unwrap();
            let path = writer.path(&dir.path().join("out"), &format!("{set}-{}", file.name));
            writer.write(&path, &file.prompt, &weights).unwrap();
            let again = LoraFile::open(&path).unwrap();
            assert_eq!(
                again.read_weights().unwrap(),
                weights,
                "{set}/{}",
                file.name
            );
            // Scales that are no powers of two, those of rsLoRA, cost a rounding in 32 bits.
            let unlike = differing(&path, &file.path, u32::from(set == "peft"));
            // This file has another alpha, for which its up factors make up.
            let other_scale = (set, file.name.as_str()) == ("kohya", "mosaic");
            let rescaled =
                |name: &String| name.ends_with(".lora_up.weight") || name.ends_with(".alpha");
            match other_scale {
                true => assert!(
                    !unlike.is_empty() && unlike.iter().all(rescaled),
                    "{unlike:?}"
                ),
                false => assert!(unlike.is_empty(), "{set}/{}: {unlike:?}", file.name),
            }
            assert_eq!(again.metadata()["generated_for_prompt"], file.prompt);
            let of_bytes = |key: &String| key.starts_with("sshs_") || key.contains("tag_frequency");
            assert!(
                !again.metadata().keys().any(of_bytes),
                "{:?}",
                again.metadata()
            );
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_collection_goes_on_and_notices_what_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (set, zoo) = (dir.path().join("set"), dir.path().join("zoo"));
    copy(&fixtures("kohya"), &set);
    let later = ["mosaic.safetensors", "mosaic.txt"].map(|name| set.join(name));
    let held: Vec<_> = later.iter().map(|path| fs::read(path).unwrap()).collect();
    later.iter().for_each(|path| fs::remove_file(path).unwrap());
    let options = LoraCollecting::default();
    assert_eq!(collect(&set, &zoo, &options).unwrap().entries().len(), 2);
    for (path, bytes) in later.iter().zip(held) {
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(collect(&set, &zoo, &options).unwrap().entries().len(), 3);
    let as_they_are = LoraCollecting {
        align: false,
        ..options
    };
    let error = collect(&set, &zoo, &as_they_are).unwrap_err();
    assert!(error.contains("settings"), "{error}");
    let like = LoraCollecting {
        like: Some(&later[0]),
        ..options
    };
    let error = collect(&set, &zoo, &like).unwrap_err();
    assert!(error.contains("like another LoRA file"), "{error}");
    fs::write(&later[1], "something else").unwrap();
    let error = collect(&set, &zoo, &options).unwrap_err();
    assert!(
        error.contains("mosaic") && error.contains("another file, prompt"),
        "{error}"
    );
}

#[test]
fn a_corrected_configuration_of_peft_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let (set, zoo) = (dir.path().join("set"), dir.path().join("zoo"));
    copy(&fixtures("peft"), &set);
    let rhymes = set.join("rhymes");
    let options = LoraCollecting::default();
    let like = LoraCollecting {
        like: Some(&rhymes),
        ..options
    };
    for _ in 0..2 {
        collect(&set, &zoo, &like).unwrap();
    }
    let config = rhymes.join("adapter_config.json");
    let text = fs::read_to_string(&config).unwrap();
    let corrected = text.replace("\"lora_alpha\": 8", "\"lora_alpha\": 16");
    assert_ne!(text, corrected);
    fs::write(&config, corrected).unwrap();
    let error = collect(&set, &zoo, &options).unwrap_err();
    assert!(
        error.contains("rhymes") && error.contains("another file, prompt"),
        "{error}"
    );
    let error = collect(&set, &zoo, &like).unwrap_err();
    assert!(error.contains("like another LoRA file"), "{error}");
}

#[test]
fn a_zoo_of_something_else_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = collect(&fixtures("kohya"), dir.path(), &LoraCollecting::default()).unwrap();
    fs::remove_dir_all(dir.path().join("like")).unwrap();
    for (set, base) in [("peft", zoo.base_digest()), ("kohya", "another base")] {
        let options = LoraCollecting {
            base: Some(base),
            ..LoraCollecting::default()
        };
        collect(&fixtures(set), dir.path(), &options).unwrap_err();
        assert!(!dir.path().join("like").exists(), "{set}");
    }
}

#[test]
fn adapters_of_another_base_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (set, zoo) = (dir.path().join("set"), dir.path().join("zoo"));
    copy(&fixtures("peft"), &set);
    let config = set.join("rhymes/adapter_config.json");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("\"tiny-gpt2\""), "{text}");
    fs::write(&config, text.replace("\"tiny-gpt2\"", "\"other-gpt2\"")).unwrap();
    let error = collect(&set, &zoo, &LoraCollecting::default()).unwrap_err();
    assert!(!zoo.exists());
    assert!(
        error.contains("rhymes") && error.contains("\"other-gpt2\""),
        "{error}"
    );
    // The one that the others should be like names none.
    fs::write(&config, text.replace("\"tiny-gpt2\"", "null")).unwrap();
    let like = set.join("rhymes");
    let options = LoraCollecting {
        like: Some(&like),
        ..LoraCollecting::default()
    };
    let error = collect(&set, &zoo, &options).unwrap_err();
    assert!(!zoo.exists());
    for part in ["rhymes", "names no base", "haiku", "\"tiny-gpt2\""] {
        assert!(error.contains(part), "{error}");
    }
    // Said to be the same.
    let options = LoraCollecting {
        base: Some("gpt2"),
        ..LoraCollecting::default()
    };
    let zoo = collect(&set, &dir.path().join("named"), &options).unwrap();
    assert_eq!((zoo.base_digest(), zoo.entries().len()), ("gpt2", 4));
}

#[test]
fn only_zoos_of_lora_files_can_be_written_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let made = collect(&fixtures("kohya"), dir.path(), &LoraCollecting::default()).unwrap();
    fs::remove_dir_all(dir.path().join("like")).unwrap();
    let error = LoraWriter::open(&made).unwrap_err().to_string();
    assert!(error.contains("not collected from LoRA files"), "{error}");
    // A value past 16 bits.
    let again = collect(&fixtures("kohya"), dir.path(), &LoraCollecting::default()).unwrap();
    let mut weights = again.load(&again.entries()[0]).unwrap();
    weights.values_mut().for_each(|tensor| tensor.data[0] = 1e6);
    let writer = LoraWriter::open(&again).unwrap();
    let path = writer.path(dir.path(), "huge");
    let error = writer
        .write(&path, "huge", &weights)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("largest F16 number") && !path.exists(),
        "{error}"
    );
}
