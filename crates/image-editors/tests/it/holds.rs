//! A server that asks to wait holds back every request to it, whoever sends it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concepts::ImageEditor;
use image_editors::run::{EditConcept, EditRun, EditSettings, NamedImage};
use image_editors::{
    Credentials, HttpSettings, InferenceEditor, InferenceSettings, ServerError, WebUiEditor,
    WebUiSettings,
};
use test_server::{Reply, Request, Server, fake_edit, hasty, ok, photo, png};

use crate::server_error;

type Times = Arc<Mutex<Vec<Instant>>>;

fn edited(request: &Request) -> Reply {
    let body = request.json();
    if request.path == "/sdapi/v1/img2img" {
        let photo = STANDARD
            .decode(body["init_images"][0].as_str().unwrap())
            .unwrap();
        let image = png(&fake_edit(&photo, body["seed"].as_u64().unwrap()));
        let text = include_str!("../fixtures/http/webui_img2img.json");
        return ok(text.replace("IMAGE", &STANDARD.encode(image)));
    }
    let photo = STANDARD.decode(body["inputs"].as_str().unwrap()).unwrap();
    ok(png(&fake_edit(
        &photo,
        body["parameters"]["seed"].as_u64().unwrap(),
    )))
}

/// Answers the first request as `fault` says and edits for all others; with the times of all.
fn server(fault: Reply) -> (Server, Times) {
    let times = Times::default();
    let seen = times.clone();
    let server = Server::start(move |number, request| {
        seen.lock().unwrap().push(Instant::now());
        match number {
            0 => fault.clone(),
            _ => edited(request),
        }
    });
    (server, times)
}

fn webui(server: &Server, http: HttpSettings) -> WebUiEditor {
    let settings = WebUiSettings {
        side: 64,
        ..WebUiSettings::default()
    };
    WebUiEditor::new(
        "webui",
        &server.address,
        settings,
        http,
        Credentials::none(),
    )
    .unwrap()
}

fn inference(server: &Server, http: HttpSettings) -> InferenceEditor {
    let settings = InferenceSettings {
        side: 64,
        ..InferenceSettings::default()
    };
    let address = format!("{}/models/ip2p", server.address);
    InferenceEditor::new("inference", &address, settings, http, Credentials::none()).unwrap()
}

fn busy(code: u16, seconds: Option<&str>) -> Reply {
    let headers = seconds.map(|seconds| ("Retry-After", seconds.to_owned()));
    Reply::Full(code, headers.into_iter().collect(), b"{}".to_vec())
}

#[test]
fn parallel_requests_wait_with_the_one_that_was_told() {
    for (fault, wait) in [
        (busy(429, Some("1")), 1000),
        (busy(503, Some("1")), 1000),
        // Without a time it is the client's own wait, here 300 to 600 ms.
        (busy(429, None), 300),
    ] {
        let (server, times) = server(fault.clone());
        let http = HttpSettings {
            first_wait: Duration::from_millis(600),
            ..hasty()
        };
        // Two APIs, two paths, one server.
        let (a, b) = (webui(&server, http.clone()), inference(&server, http));
        let photo = photo(64, 64);
        std::thread::scope(|scope| {
            scope.spawn(|| a.edit(&photo, "fog", 0).unwrap());
            while times.lock().unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Time for the answer to arrive.
            std::thread::sleep(Duration::from_millis(100));
            for seed in 1..4 {
                let (a, b, photo) = (&a, &b, &photo);
                scope.spawn(move || a.edit(photo, "fog", seed).unwrap());
                scope.spawn(move || b.edit(photo, "fog", seed).unwrap());
            }
        });
        let times = times.lock().unwrap();
        assert_eq!(times.len(), 8, "{fault:?}: each once, and one again");
        for later in &times[1..] {
            let waited = later.duration_since(times[0]);
            assert!(
                waited >= Duration::from_millis(wait),
                "{fault:?}: {waited:?}"
            );
        }
    }
}

#[test]
fn other_faults_hold_back_no_other_request() {
    let (server, times) = server(busy(500, None));
    let http = HttpSettings {
        first_wait: Duration::from_secs(2),
        ..hasty()
    };
    let (a, photo) = (webui(&server, http), photo(64, 64));
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| a.edit(&photo, "fog", 0).unwrap());
        while times.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        a.edit(&photo, "fog", 1).unwrap();
        assert!(start.elapsed() < Duration::from_millis(900));
    });
}

#[test]
fn a_wait_that_is_too_long_ends_all_requests_before_they_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (server, times) = server(busy(429, Some("3600")));
    let editor = webui(&server, hasty());
    let editors: [&(dyn ImageEditor + Sync); 1] = [&editor];
    let concepts = [EditConcept {
        name: "fog".to_owned(),
        prompt: "fog".to_owned(),
    }];
    let photos: Vec<NamedImage> = (0..12)
        .map(|i| NamedImage {
            name: format!("photo-{i}"),
            image: photo(64 + 8 * i, 64),
        })
        .collect();
    let run = |workers| {
        let settings = EditSettings {
            workers,
            max_failures: 5,
            ..EditSettings::default()
        };
        EditRun::new(dir.path(), &concepts, &photos, &editors, settings)
            .unwrap()
            .run(&|_| {})
            .unwrap()
    };
    let start = Instant::now();
    let summary = run(1);
    assert_eq!(
        (summary.made, summary.failures.len(), summary.skipped),
        (0, 5, 7)
    );
    for failure in &summary.failures {
        let source = server_error(&failure.error);
        assert!(
            matches!(source.last(), ServerError::LongWait { asked, .. } if asked.as_secs() > 3500),
            "{source}"
        );
        assert!(failure.error.to_string().contains("run again later"));
    }
    assert_eq!(times.lock().unwrap().len(), 1, "nobody else asked");
    assert_eq!(run(4).made, 0);
    assert_eq!(times.lock().unwrap().len(), 1);
    assert!(start.elapsed() < Duration::from_secs(5));

    // A program started later does not know, and asks.
    drop(editor);
    let editor = webui(&server, hasty());
    let editors: [&(dyn ImageEditor + Sync); 1] = [&editor];
    let settings = EditSettings {
        workers: 4,
        ..EditSettings::default()
    };
    let summary = EditRun::new(dir.path(), &concepts, &photos, &editors, settings)
        .unwrap()
        .run(&|_| {})
        .unwrap();
    assert_eq!((summary.made, summary.failures.len()), (12, 0));
    assert_eq!(times.lock().unwrap().len(), 13, "nothing is asked twice");
}
