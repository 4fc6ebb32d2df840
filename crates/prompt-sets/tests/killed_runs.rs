//! A generation in a child process that is killed (SIGKILL) again and again: nothing is lost and nothing is asked twice.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model_server_client::{Credentials, HttpSettings};
use prompt_sets::chat::{ChatClient, ChatSettings};
use prompt_sets::generate::{Budget, Generator, GeneratorSettings, Journal, Templates};
use prompt_sets::{Category, PromptSet};
use test_server::kill::{self, Gate, kill_until_done};
use test_server::{Server, hasty};

fn patient() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(10),
        ..hasty()
    }
}

fn generate(address: &str, out: &Path) -> PromptSet {
    let base = format!("{address}/v1");
    let client = ChatClient::new(
        &base,
        ChatSettings::new("tiny"),
        patient(),
        Credentials::none(),
    )
    .unwrap();
    let journal = Journal::open(&out.join("answers.jsonl")).unwrap();
    let templates = Templates::default();
    let settings = GeneratorSettings {
        per_request: 10,
        ..GeneratorSettings::default()
    };
    let generator = Generator::new(&client, &templates, &journal, Budget::default(), settings);
    let mut set = PromptSet::default();
    let wanted = [(Category::Art, 15), (Category::Character, 15)];
    generator.concepts(&mut set, &wanted, &|_| {}).unwrap();
    generator
        .paraphrases(&mut set, &[(Category::Art, 2)], &|_| {})
        .unwrap();
    set.write(&out.join("set.json")).unwrap();
    set
}

/// Not a test by itself: what the child processes do.
#[test]
fn child() {
    kill::child(|address, out| {
        generate(address, out);
    });
}

#[test]
fn generation_survives_kills() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let gated = gate.clone();
    let server = Server::start(move |_, request| gated.serve(|| test_server::chat::serve(request)));
    let (killed_out, whole_out) = (dir.path().join("killed"), dir.path().join("whole"));
    std::fs::create_dir(&killed_out).unwrap();
    std::fs::create_dir(&whole_out).unwrap();
    let killed = kill_until_done(&server, &gate, 5, &killed_out);
    assert!(killed >= 2, "{killed}");

    let whole = generate(&server.address, &whole_out);
    assert_eq!(
        PromptSet::read(&killed_out.join("set.json")).unwrap(),
        whole
    );
    let keys = |out: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(out.join("answers.jsonl")).unwrap();
        let mut keys: Vec<String> = text
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                value["key"].as_str().unwrap().to_owned()
            })
            .collect();
        keys.sort();
        keys
    };
    // The same questions, each answered once.
    assert_eq!(keys(&killed_out), keys(&whole_out));
}
