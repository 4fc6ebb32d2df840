//! The embedding cache: what it keeps, when it must not answer, and how it mends itself.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::fixture;
use log::{Level, Log, Metadata, Record};
use tempfile::tempdir;
use tensor_file::Error as FileError;
use text_encoder::{CachedEncoder, EncodedPrompt, Error, MiniLm, TextEncoder};

/// Two tokens of width 3 and a pooled vector of width 2 from a prompt's bytes; counts what it computes.
struct Counting {
    digest: &'static str,
    max_tokens: usize,
    computed: AtomicUsize,
}

impl Counting {
    fn new(digest: &'static str) -> Self {
        Self {
            digest,
            max_tokens: 8,
            computed: AtomicUsize::new(0),
        }
    }
}

fn value(prompt: &str) -> EncodedPrompt {
    let sum: f32 = prompt.bytes().map(f32::from).sum();
    let length = 1 + prompt.len() % 3;
    EncodedPrompt {
        tokens: (0..length * 3).map(|i| (sum + i as f32).sin()).collect(),
        len: length,
        pooled: vec![sum.cos(), sum.sin()],
        truncated: prompt.len() > 8,
    }
}

impl TextEncoder for Counting {
    fn name(&self) -> &str {
        "counting-3"
    }
    fn digest(&self) -> &str {
        self.digest
    }
    fn width(&self) -> usize {
        3
    }
    fn pooled_width(&self) -> usize {
        2
    }
    fn max_tokens(&self) -> usize {
        self.max_tokens
    }
    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, Error> {
        if let Some(index) = prompts.iter().position(|p| p.is_empty()) {
            let prompt = String::new();
            return Err(Error::EmptyPrompt { index, prompt });
        }
        self.computed.fetch_add(prompts.len(), Ordering::SeqCst);
        Ok(prompts.iter().map(|p| value(p)).collect())
    }
}

fn cached(dir: &Path) -> CachedEncoder<Counting> {
    CachedEncoder::new(Counting::new("aa"), dir).unwrap()
}

fn count(encoder: CachedEncoder<Counting>) -> usize {
    encoder.into_inner().computed.into_inner()
}

#[test]
fn cached_results_equal_computed_ones_bit_for_bit() {
    let dir = tempdir().unwrap();
    let prompts = ["red", "a longer prompt", "浮世絵 🎨\0\n\"", "red"];
    let expected: Vec<EncodedPrompt> = prompts.iter().map(|p| value(p)).collect();
    let first = cached(dir.path());
    assert_eq!(first.encode(&prompts).unwrap(), expected);
    assert_eq!(first.encode(&prompts).unwrap(), expected);
    assert_eq!(count(first), 3, "each prompt once");
    let second = cached(dir.path());
    assert_eq!(second.encode(&prompts[1..]).unwrap(), expected[1..]);
    assert_eq!(
        second.encode_pooled(&["red"]).unwrap(),
        [expected[0].pooled.clone()]
    );
    assert_eq!(count(second), 0);
}

#[test]
fn only_missing_prompts_are_computed() {
    let dir = tempdir().unwrap();
    let encoder = cached(dir.path());
    encoder.encode(&["a", "b"]).unwrap();
    let text = ["c", "a", "d", "b", "c"];
    let all = encoder.encode(&text).unwrap();
    assert_eq!(all, text.iter().map(|p| value(p)).collect::<Vec<_>>());
    assert_eq!(count(encoder), 4);
}

#[test]
fn padding_and_mask_on_the_device() {
    let dir = tempdir().unwrap();
    let encoder = cached(dir.path());
    for _ in 0..2 {
        let text = encoder
            .condition(&["aa", "bbb"], &test_device::device())
            .unwrap(); // 3 tokens and 1
        assert_eq!(text.tokens.dims(), [2, 3, 3]);
        let mask: Vec<bool> = text.mask.into_data().iter::<bool>().collect();
        assert_eq!(mask, [true, true, true, true, false, false]);
        let tokens: Vec<f32> = text.tokens.into_data().try_to_vec().unwrap();
        assert_eq!(tokens[..9], value("aa").tokens);
        assert_eq!(tokens[9..12], value("bbb").tokens);
        assert_eq!(tokens[12..], [0.0; 6]);
    }
}

#[test]
fn entries_of_another_encoder_or_limit_are_not_used() {
    let dir = tempdir().unwrap();
    cached(dir.path()).encode(&["a"]).unwrap();
    let other = CachedEncoder::new(Counting::new("bb"), dir.path()).unwrap();
    other.encode(&["a"]).unwrap();
    assert_eq!(count(other), 1);
    let mut longer = Counting::new("aa");
    longer.max_tokens = 9;
    let longer = CachedEncoder::new(longer, dir.path()).unwrap();
    longer.encode(&["a"]).unwrap();
    assert_eq!(count(longer), 1);
}

struct Collect(Mutex<Vec<String>>);

impl Log for Collect {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        if record.level() == Level::Warn {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }
    fn flush(&self) {}
}

static WARNINGS: Collect = Collect(Mutex::new(Vec::new()));

#[test]
fn a_damaged_entry_is_computed_again_with_a_warning() {
    // One logger a process: other tests may warn too, so look for the path.
    log::set_logger(&WARNINGS).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let dir = tempdir().unwrap();
    let encoder = cached(dir.path());
    encoder.encode(&["a", "b"]).unwrap();
    let path = encoder.entry_path("a");
    let good = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"not a safetensors file".to_vec(),
        fs::read(encoder.entry_path("b")).unwrap(),
        vec![b' '; 1 << 20],
    ];
    damaged.extend((1..10).map(|i| good[..good.len() * i / 10].to_vec()));
    // Every byte of the values.
    damaged.extend((good.len() - 4 * 8..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    }));
    let rounds = damaged.len();
    for bytes in damaged {
        fs::write(&path, bytes).unwrap();
        assert_eq!(encoder.encode(&["a"]).unwrap(), [value("a")]);
        // Mended: the next call does not compute.
        assert_eq!(encoder.encode(&["a"]).unwrap(), [value("a")]);
    }
    assert_eq!(count(encoder), 2 + rounds);
    let warnings = WARNINGS.0.lock().unwrap();
    let named = warnings
        .iter()
        .filter(|w| w.contains(path.to_str().unwrap()));
    assert_eq!(named.count(), rounds);
}

#[test]
fn nothing_but_entries_is_left_behind() {
    let dir = tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let encoder = cached(dir.path());
                for i in 0..50 {
                    let prompt = format!("prompt {i}");
                    let ours = encoder.encode(&[&prompt]).unwrap();
                    assert_eq!(ours, [value(&prompt)]);
                }
            });
        }
    });
    let mut entries = 0;
    for folder in fs::read_dir(dir.path()).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(
                name.ends_with(".safetensors") && name.len() == 64 + 12,
                "{name}"
            );
            entries += 1;
        }
    }
    assert_eq!(entries, 50);
}

#[test]
fn errors_name_the_callers_prompt_index() {
    let dir = tempdir().unwrap();
    let encoder = cached(dir.path());
    encoder.encode(&["a", "b"]).unwrap();
    assert!(matches!(
        encoder.encode(&["a", "b", "a", "c", ""]),
        Err(Error::EmptyPrompt { index: 4, .. })
    ));
    assert!(matches!(encoder.encode(&[]), Err(Error::NoPrompts)));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    match CachedEncoder::new(Counting::new("aa"), file.join("cache")) {
        Err(Error::File(FileError::Io { path, .. })) => assert_eq!(path, file.join("cache")),
        other => panic!("{:?}", other.map(count)),
    }
    // A folder where the entry should be.
    let encoder = cached(dir.path());
    fs::create_dir_all(encoder.entry_path("a").join("x")).unwrap();
    let error = encoder.encode(&["a"]).unwrap_err();
    assert!(
        matches!(error, Error::File(FileError::Io { .. })),
        "{error}"
    );
}

#[test]
fn a_real_encoder_behind_a_box() {
    let dir = tempdir().unwrap();
    let minilm = || MiniLm::from_dir(fixture("bert"), &test_device::device()).unwrap();
    let boxed: Box<dyn TextEncoder> = Box::new(minilm());
    let encoder = CachedEncoder::new(boxed, dir.path()).unwrap();
    let prompts = ["a portrait in charcoal", "fog"];
    let computed = encoder.encode(&prompts).unwrap();
    assert_eq!(computed, minilm().encode(&prompts).unwrap());
    assert!(encoder.entry_path("fog").is_file());
    assert_eq!(encoder.encode(&prompts).unwrap(), computed);
    assert_eq!(encoder.digest(), minilm().digest());
}
