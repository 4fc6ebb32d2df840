//! Every file of a zoo and every LoRA file, cut at every length: the same content or an error, never other content.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{layout, weights};
use weight_blocks::{BlockReader, Checkpoint, ConceptRecord, LoraFile, Zoo};

/// Calls `read` with the file at `path` cut to every length, and restores it. `read` gives what it found.
fn cut<T: PartialEq + std::fmt::Debug>(path: &Path, read: impl Fn() -> Result<T, String>) {
    let whole = fs::read(path).unwrap();
    let expected = read().unwrap();
    // Shortened in place: file systems write a file to the disk when it is emptied first.
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    for length in (0..whole.len()).rev() {
        file.set_len(length as u64).unwrap();
        if let Ok(found) = read() {
            assert_eq!(found, expected, "{} cut to {length}", path.display());
        }
    }
    fs::write(path, whole).unwrap();
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[test]
fn a_zoo_is_read_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = Zoo::create(dir.path(), &layout(), "base").unwrap();
    let record = ConceptRecord {
        concept: "ink".into(),
        prompt: "ink".into(),
        seed: 1,
        recipe: serde_json::json!({"epochs": 2}),
        checkpoints: vec![Checkpoint {
            epoch: 2,
            metrics: BTreeMap::from([("l1".into(), 0.25)]),
        }],
    };
    zoo.append(&record, &[weights(1)]).unwrap();
    let all = || {
        let zoo = Zoo::open(dir.path()).map_err(text)?;
        let entry = &zoo.entries()[0];
        let mut block = vec![0.0; zoo.layout().block_size()];
        let mut blocks = BlockReader::new(&zoo, 1);
        blocks.read(entry, 1, &mut block).map_err(text)?;
        let loaded = zoo.load(entry).map_err(text)?;
        Ok((zoo.layout().digest(), entry.clone(), loaded, block))
    };
    for name in ["zoo.json", "concepts/ink.json", "concepts/ink.safetensors"] {
        cut(&dir.path().join(name), all);
    }
}

#[test]
fn a_lora_file_is_read_whole_or_not_at_all() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lora-scales");
    let dir = tempfile::tempdir().unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(fixtures.join("pf_alpha4").join(name), dir.path().join(name)).unwrap();
    }
    let weights = dir.path().join("adapter_model.safetensors");
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        cut(&dir.path().join(name), || {
            LoraFile::open(&weights).map_err(text)
        });
    }
    let kohya = dir.path().join("kohya.safetensors");
    fs::copy(fixtures.join("k_alpha4.safetensors"), &kohya).unwrap();
    cut(&kohya, || LoraFile::open(&kohya).map_err(text));
}
