//! The image editors against a local server that speaks the real APIs, with every kind of fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concepts::ImageEditor;
use image_editors::{
    ComfyEditor, ComfySettings, ControlUnit, Credentials, EditorConfig, Error, HttpSettings,
    InferenceEditor, InferenceSettings, ServerError, WebUiEditor, WebUiSettings, Workflow,
};
use serde_json::{Value, json};
use test_server::comfy::Comfy;
use test_server::{
    Reply, Request, Server, client_for, fake_edit, hasty, ok, photo, png, png_header, slow, status,
};

use crate::server_error;

fn webui(server: &Server, settings: WebUiSettings, http: HttpSettings) -> WebUiEditor {
    WebUiEditor::new("sd15", &server.address, settings, http, Credentials::none()).unwrap()
}

fn webui_reply(request: &Request) -> Reply {
    assert_eq!(request.path, "/sdapi/v1/img2img");
    assert_eq!(request.headers["content-type"], "application/json");
    let body = request.json();
    let photo = STANDARD
        .decode(body["init_images"][0].as_str().unwrap())
        .unwrap();
    let edited = png(&fake_edit(&photo, body["seed"].as_u64().unwrap()));
    let text = include_str!("../fixtures/http/webui_img2img.json");
    ok(text.replace("IMAGE", &STANDARD.encode(edited)))
}

fn small() -> WebUiSettings {
    WebUiSettings {
        side: 64,
        ..WebUiSettings::default()
    }
}

/// What the last attempt met.
fn cause(error: concepts::Error) -> ServerError {
    server_error(&error).last().clone()
}

#[test]
fn webui_edits_with_controlnet() {
    let server = Server::start(|_, request| webui_reply(request));
    let settings = WebUiSettings {
        template: "turn it into a {prompt}".to_owned(),
        image_cfg_scale: Some(1.5),
        checkpoint: Some("v1-5".to_owned()),
        control: vec![ControlUnit {
            module: "canny".to_owned(),
            model: "control_v11p_sd15_canny [d14c016b]".to_owned(),
            ..ControlUnit::default()
        }],
        extra: json!({ "scheduler": "Karras" })
            .as_object()
            .unwrap()
            .clone(),
        ..small()
    };
    let editor = webui(&server, settings, hasty());
    let photo = photo(64, 64);
    let edited = editor.edit(&photo, "charcoal sketch", 0x0102_0304).unwrap();
    assert_eq!(edited, fake_edit(&png(&photo), 0x0102_0304));

    let body = server.requests()[0].json();
    assert_eq!(body["prompt"], "turn it into a charcoal sketch");
    assert_eq!(body["override_settings"]["sd_model_checkpoint"], "v1-5");
    assert_eq!((&body["width"], &body["height"]), (&json!(64), &json!(64)));
    assert_eq!(body["scheduler"], "Karras");
    let unit = &body["alwayson_scripts"]["controlnet"]["args"][0];
    assert_eq!(unit["module"], "canny");
    assert_eq!(unit["image"], body["init_images"][0]);
}

#[test]
fn photos_are_scaled_to_the_working_side_and_back() {
    let server = Server::start(|_, request| webui_reply(request));
    let settings = WebUiSettings {
        side: 128,
        ..WebUiSettings::default()
    };
    let edited = webui(&server, settings, hasty())
        .edit(&photo(48, 64), "fog", 1)
        .unwrap();
    assert_eq!(edited.dimensions(), (48, 64));
    let body = server.requests()[0].json();
    assert_eq!(
        (&body["width"], &body["height"]),
        (&json!(128), &json!(168))
    );
}

#[test]
fn inference_endpoint_edits() {
    let server = Server::start(|number, request| {
        if number == 0 {
            let body = include_bytes!("../fixtures/http/inference_503.json");
            return Reply::Full(503, Vec::new(), body.to_vec());
        }
        assert_eq!(request.path, "/models/ip2p");
        let body = request.json();
        let photo = STANDARD.decode(body["inputs"].as_str().unwrap()).unwrap();
        let seed = body["parameters"]["seed"].as_u64().unwrap();
        ok(png(&fake_edit(&photo, seed)))
    });
    let settings = InferenceSettings {
        side: 64,
        num_inference_steps: Some(20),
        extra: json!({ "image_guidance_scale": 1.5 })
            .as_object()
            .unwrap()
            .clone(),
        ..InferenceSettings::default()
    };
    let address = format!("{}/models/ip2p", server.address);
    let editor =
        InferenceEditor::new("ip2p", &address, settings, hasty(), Credentials::none()).unwrap();
    let photo = photo(64, 64);
    let start = Instant::now();
    let edited = editor.edit(&photo, "grey hair", 9).unwrap();
    assert_eq!(edited, fake_edit(&png(&photo), 9));
    // The model was loading, and said for how long.
    assert!(start.elapsed() >= Duration::from_millis(50));
    let parameters = &server.requests()[1].json()["parameters"];
    assert_eq!(parameters["prompt"], "grey hair");
    assert_eq!(parameters["num_inference_steps"], 20);
    assert_eq!(parameters["image_guidance_scale"], 1.5);
    assert_eq!(
        parameters["target_size"],
        json!({ "width": 64, "height": 64 })
    );
}

#[test]
fn one_fault_of_each_kind_is_survived() {
    let good = |request: &Request| webui_reply(request);
    for fault in [
        status(
            500,
            json!({ "error": "OutOfMemoryError", "detail": "", "body": "" }),
        ),
        status(502, json!({})),
        slow(),
        Reply::Truncated(vec![b'x'; 1000]),
        Reply::Drop,
        ok("<html>gateway</html>"),
        ok("{\"images\": null}"),
        ok("{\"images\": [\"%%%\"]}"),
        ok("{\"images\": [\"aGFsbG8=\"]}"),
        ok("{\"images\": [\"iVBORw0KGgo"),
    ] {
        let once = fault.clone();
        let server = Server::start(move |number, request| match number {
            0 => once.clone(),
            _ => good(request),
        });
        let photo = photo(64, 64);
        let edited = webui(&server, small(), client_for(&fault)).edit(&photo, "fog", 3);
        assert_eq!(edited.unwrap(), fake_edit(&png(&photo), 3), "{fault:?}");
        assert_eq!(server.requests().len(), 2, "{fault:?}");
    }
}

#[test]
fn retry_after_is_honoured() {
    let server = Server::start(|number, request| match number {
        0 => Reply::Full(429, vec![("Retry-After", "1".to_owned())], b"{}".to_vec()),
        _ => webui_reply(request),
    });
    let start = Instant::now();
    webui(&server, small(), hasty())
        .edit(&photo(64, 64), "fog", 3)
        .unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let server = Server::start(|_, _| {
        Reply::Full(
            429,
            vec![("Retry-After", "3600".to_owned())],
            b"{}".to_vec(),
        )
    });
    let error = webui(&server, small(), hasty())
        .edit(&photo(64, 64), "fog", 3)
        .unwrap_err();
    assert!(matches!(cause(error), ServerError::LongWait { asked, .. } if asked.as_secs() == 3600));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn lasting_faults_end_with_what_they_were() {
    type Case = (Reply, fn(&ServerError) -> bool, usize);
    let cases: [Case; 6] = [
        (
            status(500, json!({})),
            |e| matches!(e, ServerError::Status { status: 500, .. }),
            4,
        ),
        (
            Reply::Drop,
            |e| matches!(e, ServerError::Connection { .. }),
            4,
        ),
        (ok("{}"), |e| matches!(e, ServerError::BadReply { .. }), 4),
        (slow(), |e| matches!(e, ServerError::Timeout { .. }), 4),
        // What will not get better is not tried again.
        (
            status(404, json!({ "detail": "Not Found" })),
            |e| matches!(e, ServerError::Status { status: 404, .. }),
            1,
        ),
        (
            Reply::Endless,
            |e| matches!(e, ServerError::TooLong { .. }),
            1,
        ),
    ];
    for (reply, expected, requests) in cases {
        let fault = reply.clone();
        let server = Server::start(move |_, _| fault.clone());
        let error = webui(&server, small(), client_for(&reply))
            .edit(&photo(64, 64), "fog", 3)
            .unwrap_err();
        let error = cause(error);
        assert!(expected(&error), "{reply:?}: {error}");
        assert_eq!(server.requests().len(), requests, "{reply:?}");
    }
    // Nobody listens there.
    let address = Server::start(|_, _| Reply::Drop).address.clone();
    let editor = WebUiEditor::new("a", &address, small(), hasty(), Credentials::none()).unwrap();
    let error = cause(editor.edit(&photo(64, 64), "fog", 3).unwrap_err());
    assert!(matches!(error, ServerError::Connection { .. }), "{error}");
}

#[test]
fn servers_explanations_reach_the_user() {
    let body = include_str!("../fixtures/http/webui_422.json");
    let server = Server::start(move |_, _| Reply::Full(422, Vec::new(), body.into()));
    let error = webui(&server, small(), hasty())
        .edit(&photo(64, 64), "fog", 3)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("always on script controlnet not found"),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("the editor sd15 failed: "),
        "{error}"
    );

    // Control characters and length of a hostile message are cut.
    let server = Server::start(|_, _| {
        status(
            400,
            json!({ "detail": format!("\u{1b}[31m{}", "x".repeat(100_000)) }),
        )
    });
    let text = webui(&server, small(), hasty())
        .edit(&photo(64, 64), "fog", 3)
        .unwrap_err()
        .to_string();
    assert!(text.len() < 500 && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn hostile_images_are_refused() {
    for (bytes, word) in [
        (png_header(30_000, 30_000), "larger"),
        (png_header(4096, 4097), "larger"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "decode"),
        (png(&photo(64, 512)), "shape"),
    ] {
        let server = Server::start(move |_, _| ok(bytes.clone()));
        let settings = InferenceSettings {
            side: 64,
            ..InferenceSettings::default()
        };
        let once = HttpSettings {
            attempts: 1,
            ..hasty()
        };
        let editor =
            InferenceEditor::new("a", &server.address, settings, once, Credentials::none())
                .unwrap();
        let error = editor
            .edit(&photo(64, 64), "fog", 3)
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    }
    // A bomb: 4096 x 4096 pixels of one colour in a few kilobytes decode within the limit of 64 MiB; more do not.
    let bomb = image::RgbaImage::new(4096, 4096);
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageRgba16(image::DynamicImage::ImageRgba8(bomb).into_rgba16())
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    let bytes = bytes.into_inner();
    let server = Server::start(move |_, _| ok(bytes.clone()));
    let once = HttpSettings {
        attempts: 1,
        timeout: Duration::from_secs(20),
        ..hasty()
    };
    let editor = InferenceEditor::new(
        "a",
        &server.address,
        InferenceSettings::default(),
        once,
        Credentials::none(),
    )
    .unwrap();
    let error = editor
        .edit(&photo(64, 64), "fog", 3)
        .unwrap_err()
        .to_string();
    assert!(error.contains("larger"), "{error}");
}

fn comfy(server: &Server) -> ComfyEditor {
    comfy_with(server, hasty())
}

fn comfy_with(server: &Server, http: HttpSettings) -> ComfyEditor {
    comfy_editor(server, http, Credentials::none())
}

fn comfy_editor(server: &Server, http: HttpSettings, credentials: Credentials) -> ComfyEditor {
    let variables = [("checkpoint".to_owned(), "sd15.safetensors".to_owned())].into();
    let workflow = Workflow::new(Workflow::IMAGE_TO_IMAGE, &variables).unwrap();
    let settings = ComfySettings {
        side: 64,
        poll: Duration::from_millis(5),
        ..ComfySettings::default()
    };
    ComfyEditor::new(
        "comfy",
        &server.address,
        workflow,
        settings,
        http,
        credentials,
    )
    .unwrap()
}

#[test]
fn comfy_edits_and_fetches_what_it_has() {
    let fake = Arc::new(Comfy::new(3, 0));
    let routes = fake.clone();
    let server = Server::start(move |_, request| routes.serve(request));
    let editor = comfy(&server);
    let photo = photo(64, 64);
    let edited = editor.edit(&photo, "charcoal sketch", 77).unwrap();
    assert_eq!(edited, fake_edit(&png(&photo), 77));
    assert_eq!(fake.executed().len(), 1);

    // The same job again is fetched, not run.
    assert_eq!(editor.edit(&photo, "charcoal sketch", 77).unwrap(), edited);
    assert_eq!((fake.executed().len(), server.count("/prompt")), (1, 1));
    // Another seed is another job on the same upload.
    assert_ne!(editor.edit(&photo, "charcoal sketch", 78).unwrap(), edited);
    assert_eq!((fake.executed().len(), fake.files()), (2, 3));

    let graph = &server
        .requests()
        .iter()
        .find(|r| r.path == "/prompt")
        .unwrap()
        .json()["prompt"];
    assert_eq!(graph["3"]["inputs"]["text"], "charcoal sketch");
    assert_eq!(graph["1"]["inputs"]["ckpt_name"], "sd15.safetensors");
}

#[test]
fn comfy_jobs_that_fail_are_run_again() {
    let fake = Arc::new(Comfy::new(0, 2));
    let routes = fake.clone();
    let server = Server::start(move |_, request| routes.serve(request));
    let photo = photo(64, 64);
    let edited = comfy(&server).edit(&photo, "fog", 5).unwrap();
    assert_eq!(edited, fake_edit(&png(&photo), 5));
    assert_eq!(fake.executed().len(), 3);

    let fake = Arc::new(Comfy::new(0, 100));
    let routes = fake.clone();
    let server = Server::start(move |_, request| routes.serve(request));
    let error = comfy(&server).edit(&photo, "fog", 5).unwrap_err();
    assert!(
        error.to_string().contains("Allocation on device"),
        "{error}"
    );
    assert_eq!(fake.executed().len(), 4);
}

/// What failed for good stays in the server's history; a later run is not bound by it.
#[test]
fn comfy_jobs_that_failed_for_good_can_be_tried_later() {
    let attempts = hasty().attempts as usize;
    let fake = Arc::new(Comfy::new(0, 2 * attempts));
    let routes = fake.clone();
    let server = Server::start(move |_, request| routes.serve(request));
    let photo = photo(64, 64);
    for call in 1..=2 {
        assert!(comfy(&server).edit(&photo, "fog", 5).is_err());
        assert_eq!(fake.executed().len(), call * attempts);
    }
    let edited = comfy(&server).edit(&photo, "fog", 5).unwrap();
    assert_eq!(edited, fake_edit(&png(&photo), 5));
    assert_eq!(fake.executed().len(), 2 * attempts + 1);
}

/// Whichever request is hit by a fault, before or after the server acted on it: one job is run, one image comes back.
#[test]
fn comfy_runs_a_job_once_under_faults() {
    let photo = photo(64, 64);
    for fault in [
        Reply::Drop,
        Reply::Truncated(b"{\"prompt_id\": 1}".to_vec()),
        ok("{}}"),
        slow(),
        status(500, json!({})),
        status(504, json!({})),
    ] {
        let mut hit = 0;
        loop {
            let fake = Arc::new(Comfy::new(1, 0));
            let http = client_for(&fault);
            let (routes, fault) = (fake.clone(), fault.clone());
            let server = Server::start(move |number, request| {
                // A refusal comes before the work, a broken connection after it.
                if number == hit && matches!(fault, Reply::Full(500, ..)) {
                    return fault.clone();
                }
                let reply = routes.serve(request);
                if number == hit { fault.clone() } else { reply }
            });
            let edited = comfy_with(&server, http).edit(&photo, "fog", 5).unwrap();
            assert_eq!(edited, fake_edit(&png(&photo), 5), "request {hit}");
            assert_eq!(fake.executed().len(), 1, "request {hit}");
            let sent = server.requests().len();
            if hit >= sent {
                break;
            }
            hit += 1;
        }
        assert!(
            hit >= 5,
            "upload, history, queue, prompt, history, view: {hit}"
        );
    }
}

/// The client is gone once its job is queued; the next one comes while the job waits, runs, or is done.
#[test]
fn comfy_fetches_the_job_of_a_dead_client() {
    let photo = photo(64, 64);
    for looks in 0..8 {
        let fake = Arc::new(Comfy::new(looks, 0));
        let (routes, faults) = (fake.clone(), AtomicUsize::new(0));
        let server = Server::start(move |_, request| {
            if faults.load(Ordering::SeqCst) > 0 {
                faults.fetch_sub(1, Ordering::SeqCst);
                return Reply::Drop;
            }
            if request.path == "/prompt" {
                faults.store(hasty().attempts as usize, Ordering::SeqCst);
            }
            routes.serve(request)
        });
        let editor = comfy(&server);
        assert!(editor.edit(&photo, "fog", 5).is_err());
        let edited = editor.edit(&photo, "fog", 5).unwrap();
        assert_eq!(edited, fake_edit(&png(&photo), 5));
        assert_eq!(
            (fake.executed().len(), server.count("/prompt")),
            (1, 1),
            "{looks}"
        );
    }
}

#[test]
fn comfy_explains_a_refused_workflow() {
    let body = include_str!("../fixtures/http/comfy_400.json");
    let fake = Comfy::new(0, 0);
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/prompt" => Reply::Full(400, Vec::new(), body.into()),
        _ => fake.serve(request),
    });
    let error = comfy(&server)
        .edit(&photo(64, 64), "fog", 5)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Prompt outputs failed validation"),
        "{error}"
    );
    assert!(error.contains("ckpt_name"), "{error}");
    assert_eq!(server.count("/prompt"), 1);
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let server = Server::start(|_, request| {
        let header = request.headers["authorization"].clone();
        status(401, json!({ "error": format!("bad key: {header}") }))
    });
    let error = Credentials::bearer_from_env("CONCEPTS_TEST_NO_SUCH_VARIABLE").unwrap_err();
    assert!(error.to_string().contains("CONCEPTS_TEST_NO_SUCH_VARIABLE"));

    // Cargo sets this variable for tests; its value stands in for a key.
    let key = std::env::var("CARGO_PKG_NAME").unwrap();
    let credentials = Credentials::bearer_from_env("CARGO_PKG_NAME").unwrap();
    assert!(!format!("{credentials:?}").contains(&key));
    let editor = WebUiEditor::new("a", &server.address, small(), hasty(), credentials).unwrap();
    let error = editor
        .edit(&photo(64, 64), "fog", 5)
        .unwrap_err()
        .to_string();
    assert_eq!(
        server.requests()[0].headers["authorization"],
        format!("Bearer {key}")
    );
    assert!(
        error.contains("Bearer ***") && !error.contains(&key),
        "{error}"
    );
    assert!(!editor.parameters().to_string().contains("Bearer"));

    // Nor does a job's error that the server reports in an answer with status 200.
    let message = json!(["execution_error", { "exception_message": format!("bad key {key}") }]);
    let status = json!({ "status_str": "error", "messages": [message] });
    let failed = json!({ "1": { "outputs": {}, "status": status } }).to_string();
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/upload/image" => ok("{\"name\": \"a.png\"}"),
        "/prompt" => ok("{\"prompt_id\": \"1\"}"),
        "/queue" => ok("{\"queue_running\": [], \"queue_pending\": []}"),
        "/history/1" => ok(failed.clone()),
        _ => ok("{}"),
    });
    let credentials = Credentials::bearer_from_env("CARGO_PKG_NAME").unwrap();
    let error = comfy_editor(
        &server,
        HttpSettings {
            attempts: 1,
            ..hasty()
        },
        credentials,
    )
    .edit(&photo(64, 64), "fog", 5)
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("bad key ***") && !error.contains(&key),
        "{error}"
    );
}

#[test]
fn editors_are_read_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("editors.json");
    let workflow = dir.path().join("workflow.json");
    std::fs::write(&workflow, Workflow::IMAGE_TO_IMAGE).unwrap();
    let config = |name: &str, api: Value, more: Value| {
        let mut value = json!({ "name": name, "address": "http://127.0.0.1:1", "api": api });
        for (key, entry) in more.as_object().unwrap() {
            value[key] = entry.clone();
        }
        value
    };
    let open = |value: Value| {
        std::fs::write(&list, json!([value]).to_string()).unwrap();
        EditorConfig::read_list(&list)?[0]
            .open(&hasty())
            .map(|editor| editor.name().to_owned())
    };
    let comfy = json!({ "comfy": { "workflow": workflow, "variables": { "checkpoint": "a" } } });
    assert_eq!(open(config("a", comfy, json!({}))).unwrap(), "a");
    let webui = || json!({ "webui": {} });
    let basic = json!({ "basic_env": "CONCEPTS_TEST_NO_SUCH_VARIABLE" });
    let misspelt = json!({ "workflow": "image_to_image", "negative_promt": "text" });
    for (value, word) in [
        (config("..", webui(), json!({})), "name"),
        (
            config("a", json!({ "webui": { "stepz": 1 } }), json!({})),
            "stepz",
        ),
        (
            config("a", json!({ "comfy": misspelt }), json!({})),
            "negative_promt",
        ),
        (config("a", json!({ "gimp": {} }), json!({})), "gimp"),
        (config("a", webui(), json!({ "key": "secret" })), "key"),
        (
            config("a", webui(), json!({ "key_env": "A", "basic_env": "B" })),
            "both",
        ),
        (
            config("a", webui(), basic),
            "CONCEPTS_TEST_NO_SUCH_VARIABLE",
        ),
        (
            config(
                "a",
                json!({ "comfy": { "workflow": "image_to_image" } }),
                json!({}),
            ),
            "checkpoint",
        ),
        (
            config(
                "a",
                json!({ "comfy": { "workflow": "none.json" } }),
                json!({}),
            ),
            "none.json",
        ),
    ] {
        let error = open(value.clone()).unwrap_err().to_string();
        assert!(error.contains(word), "{value}: {error}");
    }
}

#[test]
fn settings_are_checked_before_anything_is_sent() {
    let address = "http://127.0.0.1:1";
    let new = |settings| WebUiEditor::new("a", address, settings, hasty(), Credentials::none());
    assert!(
        new(WebUiSettings {
            template: "no place".to_owned(),
            ..small()
        })
        .is_err()
    );
    assert!(
        new(WebUiSettings {
            side: 100,
            ..small()
        })
        .is_err()
    );
    for name in ["", "..", "a/b", "a\\b", ".hidden"] {
        let made = WebUiEditor::new(name, address, small(), hasty(), Credentials::none());
        assert!(
            matches!(made, Err(Error::Image(concepts::Error::BadName { .. }))),
            "{name:?}"
        );
    }
    let empty = image::RgbImage::new(0, 4);
    assert!(matches!(
        new(small()).unwrap().edit(&empty, "fog", 1),
        Err(concepts::Error::NoPixels { .. })
    ));
    // Settings are files as well, and a misspelt field is an error.
    let read: Result<WebUiSettings, _> =
        serde_json::from_value::<WebUiSettings>(json!({ "stepz": 3 }));
    assert!(read.is_err());
    let read: WebUiSettings = serde_json::from_value(json!({ "steps": 3 })).unwrap();
    assert_eq!(read.steps, 3);
    let _: Value = serde_json::to_value(read).unwrap();
}
