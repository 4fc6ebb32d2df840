//! Fixtures that tools/text_encoder_fixtures.py made.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use tempfile::TempDir;

/// The project's bound for parity with `transformers`.
pub(crate) const TOLERANCE: f32 = 1e-4;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

pub(crate) fn prompts() -> Vec<String> {
    serde_json::from_slice(&fs::read(fixture("prompts.json")).unwrap()).unwrap()
}

/// A copy of a fixture folder to change.
pub(crate) fn copy(name: &str) -> TempDir {
    let target = TempDir::new().unwrap();
    copy_into(&fixture(name), target.path());
    target
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What `transformers` and `sentence-transformers` made of the prompts.
pub(crate) struct Reference {
    bytes: Vec<u8>,
    /// Token ids of each prompt.
    pub(crate) ids: Vec<Vec<u32>>,
    pub(crate) truncated: Vec<bool>,
}

impl Reference {
    pub(crate) fn load(name: &str) -> Self {
        let bytes = fs::read(fixture(name).join("reference.safetensors")).unwrap();
        let numbers = |name: &str| -> Vec<u32> {
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let data = tensors.tensor(name).unwrap().data().to_vec();
            data.chunks(4)
                .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
                .collect()
        };
        let flat = numbers("ids");
        let mut rest = flat.as_slice();
        let mut ids = Vec::new();
        for length in numbers("lengths") {
            let (head, tail) = rest.split_at(length as usize);
            ids.push(head.to_vec());
            rest = tail;
        }
        assert!(rest.is_empty());
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let truncated = tensors.tensor("truncated").unwrap().data().to_vec();
        Self {
            ids,
            truncated: truncated.into_iter().map(|b| b != 0).collect(),
            bytes,
        }
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let data = tensors.tensor(name).unwrap().data();
        data.chunks(4)
            .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
            .collect()
    }

    /// Token embeddings of the first prompts, one vector each.
    pub(crate) fn rows(&self, name: &str, width: usize) -> Vec<Vec<f32>> {
        let flat = self.floats(name);
        let mut rest = flat.as_slice();
        let mut rows = Vec::new();
        for ids in &self.ids {
            if rest.is_empty() {
                break;
            }
            let (head, tail) = rest.split_at(ids.len() * width);
            rows.push(head.to_vec());
            rest = tail;
        }
        assert!(rest.is_empty());
        rows
    }
}

pub(crate) fn difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().zip(theirs);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

pub(crate) fn assert_close(ours: &[f32], theirs: &[f32], what: &str) {
    let off = difference(ours, theirs);
    assert!(off <= TOLERANCE, "{what}: off by {off}");
}

/// A small generator for tests that alter files.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }
}
