//! An editing run in a child process that is killed (SIGKILL) again and again: nothing is lost and nothing is done twice.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use concepts::ImageEditor;
use image_editors::run::{EditConcept, EditRecord, EditRun, EditSettings, NamedImage};
use image_editors::{ComfyEditor, ComfySettings, Credentials, HttpSettings, Workflow};
use test_server::comfy::Comfy;
use test_server::kill::{self, Gate, kill_until_done};
use test_server::{Server, hasty, photo};

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

/// Not a test by itself: what the child processes do.
#[test]
fn child() {
    kill::child(|address, out| {
        edit(address, out);
    });
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
    let killed = kill_until_done(&server, &gate, 17, &out);
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
