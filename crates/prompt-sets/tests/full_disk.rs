//! A journal on a disk that is full: what was answered is kept and not asked again.
//!
//! The limit on file sizes stands for the disk: a write past it stops in the middle of a line, as on a full disk.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use prompt_sets::chat::{ChatModel, ChatReply, ChatRequest};
use prompt_sets::generate::{Budget, Generator, GeneratorSettings, Journal, Templates};
use prompt_sets::{Category, Error, PromptSet};

const CHILD: &str = "PROMPT_SETS_FULL_DISK";

/// Answers from the question alone, and counts.
#[derive(Default)]
struct Model {
    asked: AtomicUsize,
}

impl ChatModel for Model {
    fn name(&self) -> &str {
        "counting"
    }

    fn complete(&self, request: &ChatRequest) -> Result<ChatReply, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut hash = (request.user.bytes()).fold(request.seed, |hash, byte| {
            hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
        });
        let mut text = String::new();
        for number in 1..=8 {
            hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(&format!("{number}. style {:06}\n", hash >> 44));
        }
        Ok(ChatReply {
            text,
            ..ChatReply::default()
        })
    }
}

fn generate(model: &Model, out: &Path) -> Result<PromptSet, Error> {
    let journal = Journal::open(&out.join("answers.jsonl"))?;
    let templates = Templates::default();
    let settings = GeneratorSettings {
        per_request: 8,
        ..GeneratorSettings::default()
    };
    let generator = Generator::new(model, &templates, &journal, Budget::default(), settings);
    let mut set = PromptSet::default();
    generator.concepts(&mut set, &[(Category::Art, 60)], &|_| {})?;
    Ok(set)
}

/// Not a test by itself: what the child process does.
#[test]
fn child() {
    if let Ok(out) = std::env::var(CHILD) {
        let error = generate(&Model::default(), Path::new(&out)).unwrap_err();
        println!("ended with: {error}");
    }
}

#[test]
fn a_full_disk_costs_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (cut, whole) = (dir.path().join("cut"), dir.path().join("whole"));
    std::fs::create_dir(&cut).unwrap();
    std::fs::create_dir(&whole).unwrap();
    let child = Command::new("sh")
        // Without the signal the write fails, as it does on a full disk.
        .args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, &cut)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("cannot write"), "{child:?}");
    assert!(said.contains("answers.jsonl"), "{child:?}");

    let text = std::fs::read_to_string(cut.join("answers.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "{text}");
    let kept = text.lines().count();
    assert!(kept > 0);
    let (second, fresh) = (Model::default(), Model::default());
    let resumed = generate(&second, &cut).unwrap();
    assert_eq!(resumed, generate(&fresh, &whole).unwrap());
    let asked = |model: &Model| model.asked.load(Ordering::SeqCst);
    assert!(kept < asked(&fresh), "{kept} of {}", asked(&fresh));
    assert_eq!(kept + asked(&second), asked(&fresh));
}
