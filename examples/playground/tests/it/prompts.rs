//! Prompts, and what one takes away.

use std::io::{Cursor, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use denoised_weights::burn::tensor::Device;
use denoised_weights::{AdapterPredictor, Assets, WholeSize};
use serde_json::{Value, json};

use crate::client::{Server, photo, png};

fn edited(server: &Server, job: &Value) -> Vec<Vec<u8>> {
    let reply = server.post("/api/edit", job);
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    let images = reply.json()["images"].as_array().unwrap().clone();
    let decode = |image: &Value| STANDARD.decode(image.as_str().unwrap()).unwrap();
    images.iter().map(decode).collect()
}

#[test]
fn the_page_edits_with_the_same_pixels_as_the_library() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let about = server.get("/api/about").json();
    assert_eq!(
        (about["size"].as_u64(), about["concepts"].as_u64()),
        (Some(64), Some(316))
    );
    assert_eq!(about["samples"].as_array().unwrap().len(), 8);

    let sample = server.get("/api/samples/3").body;
    let picture = image::load_from_memory(&sample).unwrap().into_rgb8();
    let assets = Assets::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets"));
    let predictor = AdapterPredictor::load(&assets, &Device::flex()).unwrap();
    let editor = predictor.editor("teal charcoal sketch").unwrap();
    let expected = png(&editor.edit_whole(picture.clone(), WholeSize::Own).unwrap());

    let job = |photos: Value| json!({"prompt": " teal charcoal sketch ", "photos": photos});
    let own = json!({"png": STANDARD.encode(&sample)});
    let images = edited(&server, &job(json!([{"sample": 3}, own])));
    assert!(images[0] == expected && images[1] == expected);
    // A large photograph is scaled once, by the server.
    let large = server.request(
        "POST".parse().unwrap(),
        "/api/photo",
        png(&photo(600, 400, 1)),
    );
    let fitted = image::load_from_memory(&large.body).unwrap();
    assert_eq!((fitted.width(), fitted.height()), (384, 256));
    // A strip of more pixels than are edited at once, too.
    let strip = png(&photo(8000, 200, 1));
    let strip = server
        .request("POST".parse().unwrap(), "/api/photo", strip)
        .body;
    let shown = image::load_from_memory(&strip).unwrap();
    assert_eq!((shown.width(), shown.height()), (6440, 161));
}

#[test]
fn strength_and_mix_change_the_picture_and_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let job = |extra: Value| {
        let mut job = json!({"prompt": "oil painting", "photos": [{"sample": 0}]});
        job.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        job
    };
    let second = |share: f64| json!({"mix": {"prompt": "night vision camera", "share": share}});
    let full = edited(&server, &job(json!({})));
    assert_eq!(edited(&server, &job(json!({"strength": 1.0}))), full);
    assert_eq!(edited(&server, &job(second(0.0))), full);
    assert_ne!(edited(&server, &job(second(0.5))), full);
    assert_ne!(edited(&server, &job(json!({"strength": 0.5}))), full);
    let reply = server.post("/api/edit", &job(second(0.25))).json();
    let command = reply["command"].as_str().unwrap();
    assert!(
        command.contains("--mix 'night vision camera' --share 0.25"),
        "{command}"
    );
    let error = server
        .post("/api/edit", &job(json!({"strength": 9.0})))
        .refused(422);
    assert!(error.contains("from 0 to 4"), "{error}");
}

#[test]
fn neighbours_are_named_and_far_prompts_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let ask = |prompt: &str| server.post("/api/edit", &json!({"prompt": prompt}));
    let near = ask("teal charcoal sketch").json();
    assert!(near["warnings"].as_array().unwrap().is_empty());
    let nearest = near["nearest"].as_array().unwrap();
    assert!(nearest[0]["prompt"].as_str().unwrap().contains("charcoal"));
    assert!(nearest[0]["similarity"].as_f64() > nearest[3]["similarity"].as_f64());
    let far = ask("quarterly report of the audit committee").json();
    let warning = far["warnings"][0].as_str().unwrap();
    assert!(warning.contains("far from everything"), "{warning}");
    assert!(ask("").refused(422).contains("few words"));
    assert!(ask(&"x".repeat(400)).refused(422).contains("300"));
}

#[test]
fn prompts_that_are_cut_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let cuts = |job: &Value| {
        let warnings = server.post("/api/edit", job).json()["warnings"].clone();
        let warnings = warnings.as_array().unwrap().iter();
        let cut = warnings.filter(|warning| warning.as_str().unwrap().contains("is too long"));
        cut.count()
    };
    let words = |count: usize| vec!["red"; count].join(" ");
    assert_eq!(cuts(&json!({"prompt": words(33)})), 1);
    assert_eq!(cuts(&json!({"prompt": words(20)})), 0);
    let mixed = |share: f32| {
        let second = json!({"prompt": words(20), "share": share});
        json!({"prompt": words(20), "mix": second})
    };
    // The base reads one of them, or both.
    assert_eq!(cuts(&mixed(0.25)), 0);
    assert_eq!(cuts(&mixed(0.5)), 1);
}

#[test]
fn a_mix_with_a_trained_style_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let mix = json!({"prompt": "oil painting", "share": 0.5});
    let refused = server.post("/api/edit", &json!({"training": 1, "mix": mix}));
    let error = refused.refused(400);
    assert!(error.contains("cannot be mixed"), "{error}");
}

#[test]
fn adapters_and_photographs_are_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let job = json!({"prompt": "teal charcoal sketch", "photos": [{"sample": 0}, {"sample": 1}]});
    let reply = server.post("/api/take/adapter", &job);
    let path = dir.path().join("taken.safetensors");
    std::fs::write(&path, &reply.body).unwrap();
    let assets = Assets::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets"));
    let predictor = AdapterPredictor::load(&assets, &Device::flex()).unwrap();
    let (taken, prompt) = predictor.base().load_adapter(&path).unwrap();
    let predicted = predictor.predict("teal charcoal sketch").unwrap();
    assert_eq!(taken, predicted.weights);
    assert_eq!(prompt.as_deref(), Some("teal charcoal sketch"));

    let mut archive =
        zip::ZipArchive::new(Cursor::new(server.post("/api/take/peft", &job).body)).unwrap();
    assert!(archive.by_name("adapter_model.safetensors").is_ok());
    let mut config = String::new();
    archive
        .by_name("adapter_config.json")
        .unwrap()
        .read_to_string(&mut config)
        .unwrap();
    assert!(config.contains("\"LORA\""));

    let mut archive =
        zip::ZipArchive::new(Cursor::new(server.post("/api/take/photos", &job).body)).unwrap();
    let mut first = Vec::new();
    archive
        .by_name("photo-01.png")
        .unwrap()
        .read_to_end(&mut first)
        .unwrap();
    assert_eq!(archive.len(), 2);
    assert_eq!(first, edited(&server, &job)[0]);
    // The user's names, each once; one that is no file name is numbered.
    let mut job = job;
    job["photos"] = json!([{"sample": 0}, {"sample": 1}, {"sample": 2}]);
    job["names"] = json!(["my dog.JPG", "../My Dog.png", ""]);
    let archive = zip::ZipArchive::new(Cursor::new(server.post("/api/take/photos", &job).body));
    let archive = archive.unwrap();
    let names = archive.file_names();
    let mut names: Vec<String> = names.map(|name| name.unwrap().into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["My Dog-2.png", "my dog.png", "photo-03.png"]);
    assert!(
        server
            .post("/api/take/photos", &json!({"prompt": "x y"}))
            .status
            .is_client_error()
    );
}
