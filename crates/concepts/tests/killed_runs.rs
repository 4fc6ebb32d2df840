//! Runs in a child process that is killed (SIGKILL) again and again: in the end nothing is lost and nothing doubled.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use concepts::ImageEditor;
use concepts::editing::{EditConcept, EditRecord, EditRun, EditSettings, NamedImage};
use concepts::http::{
    ChatClient, ChatSettings, ComfyEditor, ComfySettings, Credentials, HttpSettings, Workflow,
};
use concepts::prompts::{
    Budget, Category, Generator, GeneratorSettings, Journal, PromptSet, Templates,
};
use support::comfy::Comfy;
use support::*;

fn patient() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(10),
        ..hasty()
    }
}

fn edit(address: &str, out: &Path) -> usize {
    let variables = [("checkpoint".to_owned(), "sd15".to_owned())].into();
    let workflow = Workflow::new(Workflow::IMAGE_TO_IMAGE, &variables).unwrap();
    let settings = ComfySettings {
        side: 64,
        poll: Duration::from_millis(2),
        ..ComfySettings::default()
    };
    let editor = ComfyEditor::new(
        "comfy",
        address,
        workflow,
        settings,
        patient(),
        Credentials::none(),
    )
    .unwrap();
    let editors: [&(dyn ImageEditor + Sync); 1] = [&editor];
    let concepts = ["fog", "sketch"].map(|name| EditConcept {
        name: name.to_owned(),
        prompt: format!("a {name}"),
    });
    let photos: Vec<NamedImage> = (0..4)
        .map(|i| NamedImage {
            name: format!("photo-{i}"),
            image: photo(64 + 8 * i, 64),
        })
        .collect();
    let settings = EditSettings {
        workers: 3,
        ..EditSettings::default()
    };
    let run = EditRun::new(out, &concepts, &photos, &editors, settings).unwrap();
    let summary = run.run(&|_| {}).unwrap();
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    summary.made
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
    let Ok(work) = std::env::var("CONCEPTS_CHILD") else {
        return;
    };
    let [work, address, out] = work.split('|').collect::<Vec<_>>()[..] else {
        panic!("{work}");
    };
    match work {
        "edit" => {
            edit(address, Path::new(out));
        }
        _ => {
            generate(address, Path::new(out));
        }
    }
}

/// Counts requests, and serves none beyond the limit: a child that wants more waits to be killed.
#[derive(Default)]
struct Gate {
    begun: AtomicUsize,
    served: AtomicUsize,
    limit: AtomicUsize,
}

impl Gate {
    fn serve(&self, work: impl FnOnce() -> Reply) -> Reply {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let limit = self.limit.load(Ordering::SeqCst);
        if number > limit {
            while self.limit.load(Ordering::SeqCst) == limit {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Its client is dead.
            return Reply::Drop;
        }
        let reply = work();
        self.served.fetch_add(1, Ordering::SeqCst);
        reply
    }

    fn open(&self) {
        self.limit.store(usize::MAX, Ordering::SeqCst);
    }
}

/// Starts children and kills each after `step` further requests, until one ends by itself. Gives the number killed.
fn kill_until_done(work: &str, server: &Server, gate: &Gate, step: usize, out: &Path) -> usize {
    for killed in 0..200 {
        let served = gate.served.load(Ordering::SeqCst);
        let limit = gate.begun.load(Ordering::SeqCst) + step;
        gate.limit.store(limit, Ordering::SeqCst);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env(
                "CONCEPTS_CHILD",
                format!("{work}|{}|{}", server.address, out.display()),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                gate.open();
                return killed;
            }
            // What was begun is served, so that the next child does not meet it half done.
            if gate.served.load(Ordering::SeqCst) >= served + step {
                child.kill().unwrap();
                child.wait().unwrap();
                break;
            }
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "the child hangs"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    panic!("200 children were killed, and still it is not done");
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.insert(name, std::fs::read(&path).unwrap());
    }
    found
}

#[test]
fn edits_survive_kills() {
    let dir = tempfile::tempdir().unwrap();
    let (gate, fake) = (Arc::new(Gate::default()), Arc::new(Comfy::new(1, 0)));
    let (gated, routes) = (gate.clone(), fake.clone());
    let server = Server::start(move |_, request| gated.serve(|| routes.serve(request)));
    let out = dir.path().join("killed");
    let killed = kill_until_done("edit", &server, &gate, 17, &out);
    assert!(killed >= 2, "{killed}");

    // Every job was run once on the server, although its client died again and again.
    let executed = fake.executed();
    assert_eq!(executed.len(), 8);
    assert_eq!(executed.iter().collect::<HashSet<_>>().len(), 8);

    let whole = dir.path().join("whole");
    assert_eq!(edit(&server.address, &whole), 8);
    for concept in ["fog", "sketch"] {
        let inner = Path::new(concept).join("edits").join("comfy");
        let (a, b) = (files(&out.join(&inner)), files(&whole.join(&inner)));
        assert_eq!(a.len(), 8, "{:?}", a.keys());
        for (name, bytes) in &a {
            if name.ends_with(".png") {
                assert_eq!(bytes, &b[name]);
                continue;
            }
            let record = |bytes: &[u8]| EditRecord {
                seconds: 0.0,
                ..serde_json::from_slice(bytes).unwrap()
            };
            assert_eq!(record(bytes), record(&b[name]));
        }
    }
    // Nothing is left to do.
    assert_eq!(edit(&server.address, &out), 0);
}

#[test]
fn generation_survives_kills() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let gated = gate.clone();
    let server = Server::start(move |_, request| gated.serve(|| support::chat::serve(request)));
    let (killed_out, whole_out) = (dir.path().join("killed"), dir.path().join("whole"));
    std::fs::create_dir(&killed_out).unwrap();
    std::fs::create_dir(&whole_out).unwrap();
    let killed = kill_until_done("generate", &server, &gate, 5, &killed_out);
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
