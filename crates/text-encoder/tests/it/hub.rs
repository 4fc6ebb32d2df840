//! Fetching by name, from a small server in this process.

use std::fs;
use std::path::Path;

use crate::common::{copy, fixture};
use crate::hub_server::{COMMIT, Server};
use tempfile::TempDir;
use text_encoder::{Error, HubError, HuggingFaceHub, MiniLm, TextEncoder, open_encoder};

const NAME: &str = "someone/tiny-bert";

fn hub(endpoint: &str, cache: &Path) -> HuggingFaceHub {
    HuggingFaceHub::from_env()
        .with_endpoint(endpoint)
        .with_cache(cache.join("hub"))
        .with_offline(false)
}

fn cache() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_model_is_fetched_once_and_then_found_offline() {
    let (server, cache) = (Server::of(&fixture("bert"), NAME), cache());
    let hub = hub(&server.endpoint, cache.path());
    let device = test_device::device();
    match hub.clone().with_offline(true).fetch(NAME) {
        Err(HubError::NotCached { name, .. }) => assert_eq!(name, NAME),
        other => panic!("{other:?}"),
    }
    let encoder = hub.open(NAME, &device).unwrap();
    let local = MiniLm::from_dir(fixture("bert"), &device).unwrap();
    assert_eq!(encoder.digest(), local.digest());
    let prompts = ["a portrait in charcoal"];
    assert_eq!(
        encoder.encode(&prompts).unwrap(),
        local.encode(&prompts).unwrap()
    );
    let fetched = server.downloads();
    assert!(fetched.contains(&"model.safetensors".to_owned()));
    assert!(fetched.contains(&"1_Pooling/config.json".to_owned()));
    assert!(
        !fetched.contains(&"reference.safetensors".to_owned()),
        "nothing reads it"
    );
    // Once more: the hub is asked for its commit, and no file comes over.
    let folder = hub.fetch(NAME).unwrap();
    assert_eq!(server.downloads(), fetched);
    assert!(folder.ends_with(format!("snapshots/{COMMIT}")));
    // Offline, by branch and by commit.
    drop(server);
    let offline = hub.with_offline(true);
    assert_eq!(offline.fetch(NAME).unwrap(), folder);
    let by_commit = offline.clone().with_revision(COMMIT);
    assert_eq!(by_commit.fetch(NAME).unwrap(), folder);
    let encoder = offline.open(NAME, &device).unwrap();
    assert_eq!(encoder.digest(), local.digest());
}

#[test]
fn clip_with_its_older_tokenizer_files() {
    let (server, cache) = (Server::of(&fixture("clip-sd2"), "clip"), cache());
    let hub = hub(&server.endpoint, cache.path());
    let encoder = hub.open("clip", &test_device::device()).unwrap();
    let local = open_encoder(fixture("clip-sd2"), &test_device::device()).unwrap();
    assert_eq!(encoder.digest(), local.digest());
}

#[test]
fn unknown_models_and_revisions_are_refused() {
    let (server, cache) = (Server::of(&fixture("bert"), NAME), cache());
    let hub = hub(&server.endpoint, cache.path());
    let unknown = [
        hub.fetch("someone/else"),
        hub.clone().with_revision("v9").fetch(NAME),
    ];
    for result in unknown {
        let error = result.unwrap_err();
        assert!(matches!(error, HubError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("HF_TOKEN"), "{error}");
    }
    for name in ["", "../bert", "a/b/c", "a b"] {
        assert!(
            matches!(hub.fetch(name), Err(HubError::Name { .. })),
            "{name}"
        );
    }
    assert!(server.downloads().is_empty());
}

#[test]
fn a_model_without_weights_is_refused_before_anything_is_fetched() {
    let dir = copy("bert");
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    let (server, cache) = (Server::of(dir.path(), NAME), cache());
    match hub(&server.endpoint, cache.path()).fetch(NAME) {
        Err(HubError::Missing { file, .. }) => assert!(file.contains("pytorch_model.bin")),
        other => panic!("{other:?}"),
    }
    assert!(server.downloads().is_empty());
}

#[test]
fn a_body_that_is_cut_off_is_noticed_and_fetched_again() {
    // One that promises more than it sends; one that looks whole; one altered on the way.
    for fault in ["cut", "short", "altered"] {
        let (server, cache) = (Server::of(&fixture("bert"), NAME), cache());
        let hub = hub(&server.endpoint, cache.path());
        server.fault("model.safetensors", fault);
        let error = hub.fetch(NAME).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("model.safetensors"), "{fault}: {text}");
        match fault {
            "cut" => assert!(matches!(error, HubError::Request { .. }), "{text}"),
            _ => assert!(matches!(error, HubError::Damaged { .. }), "{text}"),
        }
        let offline = hub.clone().with_offline(true).fetch(NAME);
        assert!(
            matches!(offline, Err(HubError::NotCached { .. })),
            "{fault}: half a model is none"
        );
        server.fault("", "");
        assert!(hub.open(NAME, &test_device::device()).is_ok(), "{fault}");
    }
}

#[test]
fn without_network_the_error_says_what_to_do() {
    let (server, cache) = (Server::of(&fixture("bert"), NAME), cache());
    let endpoint = server.endpoint.clone();
    drop(server); // its port refuses connections now
    let hub = hub(&endpoint, cache.path());
    let error = hub.fetch(NAME).unwrap_err();
    assert!(matches!(error, HubError::Request { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&endpoint) && text.contains("check the network"),
        "{text}"
    );
    // With a copy of an earlier time the way to it is named.
    let server = Server::of(&fixture("bert"), NAME);
    let other = hub.clone().with_endpoint(&server.endpoint);
    other.fetch(NAME).unwrap();
    let text = hub.fetch(NAME).unwrap_err().to_string();
    assert!(text.contains("HF_HUB_OFFLINE=1"), "{text}");
    assert!(matches!(
        hub.open(NAME, &test_device::device()).err(),
        Some(Error::Hub(HubError::Request { .. }))
    ));
}

#[test]
fn invalid_answers_never_panic() {
    for fault in ["html", "no-commit", "redirect", "empty"] {
        let (server, cache) = (Server::of(&fixture("bert"), NAME), cache());
        server.fault("api", fault);
        let error = hub(&server.endpoint, cache.path()).fetch(NAME).unwrap_err();
        assert!(
            matches!(error, HubError::Request { .. }),
            "{fault}: {error}"
        );
    }
    for fault in ["headless", "redirect", "empty"] {
        let (server, cache) = (Server::of(&fixture("bert"), NAME), cache());
        server.fault("config.json", fault);
        let error = hub(&server.endpoint, cache.path()).fetch(NAME).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, HubError::Request { .. }), "{fault}: {text}");
        assert!(text.contains("config.json"), "{fault}: {text}");
    }
}
