//! Trainings of a style: pairing, pausing, another server, the report.

use axum::http::Method;
use denoised_weights_playground::Workbench;
use serde_json::{Value, json};

use crate::client::{Server, photo, png};

#[test]
fn pairs_are_matched_by_name_and_problems_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let id = server.draft(1);
    let add = |side: &str, name: &str, body: Vec<u8>| {
        let path = format!("/api/drafts/{id}/files?side={side}&name={name}");
        server.request(Method::PUT, &path, body).json()
    };
    add("input", "alone.jpg", png(&photo(64, 64, 1)));
    add("input", "sizes.png", png(&photo(64, 64, 1)));
    add("target", "sizes.webp", png(&photo(80, 64, 1)));
    add("both", "wide.png", png(&photo(131, 64, 1)));
    add("target", "broken.png", b"no picture".to_vec());
    let rows = add("both", "good.png", png(&photo(128, 64, 1)));
    let rows = rows["rows"].as_array().unwrap();
    let problem = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        row["problem"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(problem("p000"), "");
    assert_eq!(problem("good"), "");
    assert!(problem("alone").contains("no “after” picture"));
    assert!(problem("sizes").contains("64×64") && problem("sizes").contains("80×64"));
    assert!(problem("wide").contains("even width"));
    assert!(problem("broken").contains("broken.png"));
    let begin = json!({"draft": id, "prompt": "stripes", "epochs": 1, "rival": false});
    assert!(
        server
            .post("/api/trainings", &begin)
            .refused(422)
            .contains("4 of the pairs")
    );

    let bad = rows.iter().filter(|row| !row["problem"].is_null());
    let bad: Vec<_> = bad.map(|row| row["number"].clone()).collect();
    let path = format!("/api/drafts/{id}/remove");
    let left = server.post(&path, &json!({"numbers": bad})).json();
    assert_eq!(left["rows"].as_array().unwrap().len(), 2);
    assert!(
        server
            .post("/api/trainings", &begin)
            .refused(422)
            .contains("at least 10")
    );
    assert_eq!(
        server.get(&format!("/api/drafts/{id}/0/target")).status,
        200
    );
    assert_eq!(
        server.get(&format!("/api/drafts/{id}/99/target")).status,
        404
    );
}

#[test]
fn files_of_the_same_name_are_never_paired_by_chance() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let id = server.draft(0);
    let add = |side: &str, name: &str, seed: u32| {
        let width = if side == "both" { 128 } else { 64 };
        let path = format!("/api/drafts/{id}/files?side={side}&name={name}");
        let picture = png(&photo(width, 64, seed));
        server.request(Method::PUT, &path, picture).json()["rows"].clone()
    };
    let row = |rows: &Value, name: &str| {
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap().clone()
    };
    let problem = |rows: &Value, name: &str| {
        let problem = row(rows, name)["problem"].clone();
        problem.as_str().unwrap_or_default().to_owned()
    };
    add("input", "dog.jpg", 1);
    add("input", "dog.png", 2);
    // Neither the partner nor one of the two files tells which is meant.
    add("target", "dog.jpg", 1);
    let rows = add("input", "dog.jpg", 1);
    let said = problem(&rows, "dog");
    let expected = "two “before” pictures are called dog: dog.jpg and dog.png;";
    assert!(said.starts_with(expected), "{said}");
    let number = &row(&rows, "dog")["number"];
    let picture = format!("/api/drafts/{id}/{number}/input");
    assert_eq!(server.get(&picture).status, 404);
    let numbers = json!({"numbers": [number]});
    server.post(&format!("/api/drafts/{id}/remove"), &numbers);
    add("input", "dog.png", 2);
    assert_eq!(problem(&add("target", "dog.jpg", 2), "dog"), "");
    // The same file again replaces what it gave.
    assert_eq!(problem(&add("target", "dog.jpg", 3), "dog"), "");

    // Folders of which each counts from zero.
    for part in ["train", "val"] {
        add("input", &format!("set/{part}/input/0000.png"), 1);
    }
    let rows = add("target", "set/train/target/0000.png", 1);
    let said = problem(&rows, "0000");
    assert!(
        said.contains("set/train/input/0000.png and set/val/input/0000.png"),
        "{said}"
    );
    // A file with both pictures is another one.
    add("both", "wide.png", 1);
    let said = problem(&add("input", "wide.png", 2), "wide");
    assert!(
        said.contains("wide.png (both pictures in one file) and wide.png;"),
        "{said}"
    );
    // Decomposed and composed.
    add("input", "e%CC%81t.png", 1);
    let rows = add("target", "%C3%A9t.png", 1);
    assert_eq!(problem(&rows, "\u{e9}t"), "");
    assert_eq!(row(&rows, "\u{e9}t")["target"], true);
    assert_eq!(rows.as_array().unwrap().len(), 4);
}

#[test]
fn a_training_survives_a_pause_and_the_end_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let begin = |server: &Server, epochs: usize, rival: bool| {
        let draft = server.draft(10);
        let begin = json!({"draft": draft, "prompt": "negative", "epochs": epochs, "rival": rival});
        server.post("/api/trainings", &begin).json()["id"]
            .as_u64()
            .unwrap()
    };
    let named = |bench: Workbench| bench.with_seed(5).with_device_name("cuda:1");
    let server = Server::set_up(dir.path(), None, named);
    let whole = begin(&server, 4, true);
    let trained = server.wait(whole, "finished");
    assert_eq!(
        trained["curves"]["auto"]["points"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert_eq!(
        trained["curves"]["zero"]["points"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert_eq!(trained["pictures"]["auto"], 2);
    let report = server.get(&format!("/api/trainings/{whole}/report")).json();
    assert_eq!(report["version"], 3);
    assert_eq!(report["seed"], 5);
    assert_eq!(report["device"], "cuda:1");
    let command = trained["command"].as_str().unwrap();
    assert!(command.contains("--device 'cuda:1'"), "{command}");
    assert!(command.ends_with("--epochs 4 --seed 5"), "{command}");
    let picture = format!("/api/trainings/{whole}/images/target/0");
    assert_eq!(server.get(&picture).headers["content-type"], "image/png");
    let pictures = |server: &Server| {
        ["input", "target", "auto", "zero"].map(|column| {
            let picture = format!("/api/trainings/{whole}/images/{column}/1");
            server.get(&picture).body
        })
    };
    let shown = pictures(&server);

    // The same again, with a pause, and a server that ends in the middle.
    let broken = begin(&server, 4, false);
    server.wait_for(broken, |training| {
        training["epochs_done"].as_u64() >= Some(1)
    });
    server.post(&format!("/api/trainings/{broken}/pause"), &json!({}));
    let paused = server.wait(broken, "paused");
    assert!(paused["epochs_done"].as_u64() < Some(4));
    assert!(paused["has_adapter"].as_bool().unwrap());
    server.post(&format!("/api/trainings/{broken}/resume"), &json!({}));
    server.wait(broken, "running");
    drop(server);
    let server = Server::open(dir.path());
    // What was there to see still is.
    assert_eq!(pictures(&server), shown);
    assert_eq!(
        server.wait(whole, "finished")["pictures"],
        trained["pictures"]
    );
    // What it was begun with is in its record.
    let ended = server.wait(broken, "finished");
    assert!(ended["command"].as_str().unwrap().ends_with("--seed 5"));
    let adapter = |id: u64| {
        server
            .post("/api/take/adapter", &json!({"training": id}))
            .body
    };
    assert_eq!(adapter(broken), adapter(whole));
    let job = json!({"training": broken, "photos": [{"sample": 0}]});
    let command = server.post("/api/edit", &job).json()["command"].to_string();
    assert!(command.contains("--adapter"), "{command}");

    assert!(
        server
            .post(&format!("/api/trainings/{broken}/pause"), &json!({}))
            .refused(422)
            .contains("Finished")
    );
    let removed = server.request(Method::DELETE, &format!("/api/trainings/{broken}"), "");
    assert_eq!(removed.status, 200);
    assert_eq!(
        server
            .get(&format!("/api/trainings/{broken}/report"))
            .status,
        404
    );
    assert!(!dir.path().join("training-0002").exists());
}

#[test]
fn one_training_runs_at_a_time_and_the_queue_ends() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let draft = server.draft(10);
    let body = json!({"draft": draft, "prompt": "negative", "epochs": 200, "rival": false});
    let begin = || server.post("/api/trainings", &body);
    let first = begin().json()["id"].as_u64().unwrap();
    server.wait(first, "running");
    let others: Vec<u64> = (0..8)
        .map(|_| begin().json()["id"].as_u64().unwrap())
        .collect();
    assert!(begin().refused(422).contains("8 trainings are waiting"));
    let all = server.get("/api/trainings").json();
    let running = all["trainings"].as_array().unwrap().iter();
    assert_eq!(
        running
            .filter(|training| training["state"] == "running")
            .count(),
        1
    );
    // A prediction does not wait for the training.
    assert_eq!(
        server
            .post("/api/edit", &json!({"prompt": "oil painting"}))
            .status,
        200
    );
    for id in &others {
        server.post(&format!("/api/trainings/{id}/stop"), &json!({}));
    }
    server.post(&format!("/api/trainings/{first}/stop"), &json!({}));
    server.wait(first, "stopped");
    // Not removed while another server could be using it: the folder is locked.
    assert!(begin().json()["id"].as_u64().unwrap() > first);
}
