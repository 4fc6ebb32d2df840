//! Text encoders and their cache.

use std::path::Path;

use burn::tensor::Device;
use fuzz_harness::Folder;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use text_encoder::{
    CachedEncoder, MiniLm, TOKENIZER_FILE, TextEncoder, WEIGHTS_FILE, open_encoder,
};

use super::{of_crate, target, text, tokenizers, written};
use crate::run::{Target, folder_of};

const PROMPTS: [&str; 2] = ["charcoal sketch, 12.5% wow!", "x"];

fn fixture(name: &str) -> std::path::PathBuf {
    of_crate("text-encoder", "tests/fixtures").join(name)
}

fn folder(name: &str) -> Folder {
    let mut folder = folder_of(&fixture(name));
    folder.remove("reference.safetensors");
    folder
}

fn older(name: &str) -> Folder {
    let mut folder = folder(name);
    folder.remove("model.safetensors");
    let weights = std::fs::read(fixture("older").join(format!("{name}.bin"))).unwrap();
    folder.insert("pytorch_model.bin".into(), weights);
    folder
}

fn with_vocabulary() -> Folder {
    let mut folder = folder("bert");
    folder.remove("tokenizer.json");
    let words = std::fs::read(fixture("older/vocab.txt")).unwrap();
    folder.insert("vocab.txt".into(), words);
    folder
}

/// A static encoder with the vocabulary of `bert`.
fn table() -> Folder {
    let tokenizer = std::fs::read(fixture("bert/tokenizer.json")).unwrap();
    let parsed: serde_json::Value = serde_json::from_slice(&tokenizer).unwrap();
    let ids = parsed["model"]["vocab"].as_object().unwrap().values();
    let count = ids.map(|id| id.as_u64().unwrap()).max().unwrap() as usize + 1;
    let rows: Vec<u8> = (0..count * 4).map(|i| (1 + i % 100) as u8).collect();
    let ones: Vec<u8> = [0.5f32; 1]
        .repeat(count)
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
    let views = [
        ("rows", view(Dtype::I8, &[count, 4], &rows)),
        ("scale", view(Dtype::F32, &[count], &ones)),
        ("weight", view(Dtype::F32, &[count], &ones)),
    ];
    let metadata = [
        ("format", "static-text-encoder"),
        ("format_version", "1"),
        ("name", "tiny"),
    ];
    let metadata = metadata
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let weights = safetensors::serialize(views, Some(metadata)).unwrap();
    Folder::from([
        (WEIGHTS_FILE.to_owned(), weights),
        (TOKENIZER_FILE.to_owned(), tokenizer),
    ])
}

fn open(dir: &Path) -> Result<(), String> {
    let encoder = open_encoder(dir, &Device::flex()).map_err(text)?;
    encoder.encode(&PROMPTS).map(drop).map_err(text)
}

pub(super) fn targets() -> Vec<Target> {
    let encoder = || MiniLm::from_dir(fixture("bert"), &Device::flex()).unwrap();
    let cached = written(|dir| {
        let cache = CachedEncoder::new(encoder(), dir).unwrap();
        cache.encode(&PROMPTS).unwrap();
    });
    let encoder = encoder();
    let shared = std::sync::Arc::new(encoder);
    let cache = target("embedding_cache", vec![cached], move |dir| {
        let cache = CachedEncoder::new(Shared(shared.clone()), dir).map_err(text)?;
        cache.encode(&PROMPTS).map(drop).map_err(text)
    });
    vec![
        tokenizers("mini_lm", vec![folder("bert")], open),
        tokenizers(
            "clip_text",
            vec![folder("clip-legacy"), folder("clip-sd2")],
            open,
        ),
        tokenizers(
            "older_encoders",
            vec![older("bert"), older("clip-sd2"), with_vocabulary()],
            open,
        ),
        tokenizers("static_encoder", vec![table()], open),
        cache,
    ]
}

/// One encoder for all cases.
struct Shared(std::sync::Arc<MiniLm>);

impl TextEncoder for Shared {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn digest(&self) -> &str {
        self.0.digest()
    }
    fn width(&self) -> usize {
        self.0.width()
    }
    fn pooled_width(&self) -> usize {
        self.0.pooled_width()
    }
    fn max_tokens(&self) -> usize {
        self.0.max_tokens()
    }
    fn encode(
        &self,
        prompts: &[&str],
    ) -> Result<Vec<text_encoder::EncodedPrompt>, text_encoder::Error> {
        self.0.encode(prompts)
    }
}
