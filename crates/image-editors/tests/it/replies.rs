//! Replies that are no edits, and that are no replies of an editor at all.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concepts::ImageEditor;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use image_editors::{
    ComfyEditor, ComfySettings, Credentials, Error, InferenceEditor, InferenceSettings,
    ServerError, WebUiEditor, WebUiSettings, Workflow,
};
use serde_json::{Value, json};
use test_server::{Reply, Server, chunked, gzip, hasty, ok, photo, png, status};

use crate::server_error;

fn webui(server: &Server) -> WebUiEditor {
    let settings = WebUiSettings {
        side: 64,
        ..WebUiSettings::default()
    };
    let (http, none) = (hasty(), Credentials::none());
    WebUiEditor::new("webui", &server.address, settings, http, none).unwrap()
}

fn inference(server: &Server) -> InferenceEditor {
    let settings = InferenceSettings {
        side: 64,
        ..InferenceSettings::default()
    };
    let (http, none) = (hasty(), Credentials::none());
    InferenceEditor::new("inference", &server.address, settings, http, none).unwrap()
}

fn comfy(server: &Server, output_node: Option<&str>) -> Result<ComfyEditor, Error> {
    let variables = [("checkpoint".to_owned(), "sd15".to_owned())].into();
    let workflow = Workflow::new(Workflow::IMAGE_TO_IMAGE, &variables).unwrap();
    let settings = ComfySettings {
        side: 64,
        poll: std::time::Duration::from_millis(2),
        output_node: output_node.map(str::to_owned),
        ..ComfySettings::default()
    };
    let (http, none) = (hasty(), Credentials::none());
    ComfyEditor::new("comfy", &server.address, workflow, settings, http, none)
}

fn webui_body(image: &RgbImage) -> Value {
    json!({ "images": [STANDARD.encode(png(image))], "parameters": {}, "info": "{}" })
}

/// A ComfyUI whose jobs end at once: as `history` says, with an image of what `/view` names.
fn comfy_server(
    history: impl Fn(usize) -> Value + Send + Sync + 'static,
    view: impl Fn(&str) -> RgbImage + Send + Sync + 'static,
) -> Server {
    let jobs: Mutex<Vec<String>> = Mutex::default();
    Server::start(move |_, request| {
        let path = request.path.as_str();
        let mut jobs = jobs.lock().unwrap();
        match path.split(['?', '/']).nth(1).unwrap() {
            "upload" => ok("{\"name\": \"a.png\"}"),
            "queue" => ok("{\"queue_running\": [], \"queue_pending\": []}"),
            "prompt" => {
                let id = request.json()["prompt_id"].as_str().unwrap().to_owned();
                jobs.push(id.clone());
                ok(json!({ "prompt_id": id, "number": 1, "node_errors": {} }).to_string())
            }
            "history" => {
                let id = path.trim_start_matches("/history/");
                match jobs.iter().position(|job| job == id) {
                    Some(number) => ok(json!({ id: history(number) }).to_string()),
                    None => ok("{}"),
                }
            }
            "view" => ok(png(&view(path))),
            other => panic!("{other}"),
        }
    })
}

fn done(outputs: Value) -> Value {
    json!({ "prompt": [], "outputs": outputs,
        "status": { "status_str": "success", "completed": true, "messages": [] } })
}

fn saved(name: &str, kind: &str) -> Value {
    json!({ "images": [{ "filename": name, "subfolder": "", "type": kind }] })
}

/// The error of an edit that fails, and the number of requests that this took.
fn failure(server: &Server, editor: &dyn ImageEditor) -> (String, usize) {
    let before = server.requests().len();
    let error = editor.edit(&photo(64, 64), "fog", 3).unwrap_err();
    (error.to_string(), server.requests().len() - before)
}

#[test]
fn an_image_of_one_colour_is_a_failed_edit() {
    let black = RgbImage::new(64, 64);
    let attempts = hasty().attempts as usize;

    let body = webui_body(&black).to_string();
    let server = Server::start(move |_, _| ok(body.clone()));
    let (error, requests) = failure(&server, &webui(&server));
    assert!(error.contains("one colour (#000000)"), "{error}");
    assert_eq!(requests, attempts);

    let body = png(&RgbImage::from_pixel(64, 64, Rgb([127; 3])));
    let server = Server::start(move |_, _| ok(body.clone()));
    let (error, requests) = failure(&server, &inference(&server));
    assert!(error.contains("one colour (#7f7f7f)"), "{error}");
    assert_eq!(requests, attempts);

    let history = |_| done(json!({ "8": saved("edit.png", "output") }));
    let server = comfy_server(history, |_| RgbImage::new(64, 64));
    let (error, _) = failure(&server, &comfy(&server, None).unwrap());
    assert!(error.contains("one colour (#000000)"), "{error}");
    assert_eq!(server.count("/prompt"), attempts);

    // One black image among good ones is made again.
    let server = Server::start(move |number, _| {
        let image = if number == 0 {
            RgbImage::new(64, 64)
        } else {
            photo(64, 64)
        };
        ok(webui_body(&image).to_string())
    });
    let edited = webui(&server).edit(&photo(64, 64), "fog", 3).unwrap();
    assert_eq!((edited, server.requests().len()), (photo(64, 64), 2));
    let history = |number| done(json!({ "8": saved(&format!("{number}.png"), "output") }));
    let server = comfy_server(history, |path| match path.contains("filename=0.png") {
        true => RgbImage::new(64, 64),
        false => photo(64, 64),
    });
    let edited = comfy(&server, None).unwrap().edit(&photo(64, 64), "fog", 3);
    assert_eq!(
        (edited.unwrap(), server.count("/prompt")),
        (photo(64, 64), 2)
    );
}

#[test]
fn images_of_another_size_than_asked_for_are_refused() {
    let scaled =
        |width, height| imageops::resize(&photo(64, 64), width, height, FilterType::Triangle);
    for (width, height, word) in [(32, 32, "64x64 were asked for"), (64, 128, "shape")] {
        let image = scaled(width, height);
        let size = format!("{width}x{height}");

        let body = webui_body(&image).to_string();
        let server = Server::start(move |_, _| ok(body.clone()));
        let (error, requests) = failure(&server, &webui(&server));
        assert!(error.contains(&size) && error.contains(word), "{error}");
        assert_eq!(requests, 1, "another attempt brings the same");

        let body = png(&image);
        let server = Server::start(move |_, _| ok(body.clone()));
        let (error, requests) = failure(&server, &inference(&server));
        assert!(error.contains(&size) && error.contains(word), "{error}");
        assert_eq!(requests, 1);

        let history = |_| done(json!({ "8": saved("edit.png", "output") }));
        let server = comfy_server(history, move |_| image.clone());
        let (error, _) = failure(&server, &comfy(&server, None).unwrap());
        assert!(error.contains(&size) && error.contains(word), "{error}");
        assert_eq!(server.count("/prompt"), 1);
    }
    // The size that counts is the one in the request, which the user's own fields decide.
    let body = webui_body(&scaled(32, 32)).to_string();
    let server = Server::start(move |_, _| ok(body.clone()));
    let settings = WebUiSettings {
        side: 64,
        extra: json!({ "width": 32, "height": 32 })
            .as_object()
            .unwrap()
            .clone(),
        ..WebUiSettings::default()
    };
    let (http, none) = (hasty(), Credentials::none());
    let editor = WebUiEditor::new("a", &server.address, settings, http, none).unwrap();
    let edited = editor.edit(&photo(64, 64), "fog", 3).unwrap();
    assert_eq!(edited.dimensions(), (64, 64));
}

#[test]
fn a_grid_before_the_images_is_left_out() {
    let grid = RgbImage::from_fn(128, 128, |x, y| Rgb([x as u8, y as u8, 9]));
    let images = [&grid, &photo(64, 64), &photo(64, 64)].map(|image| STANDARD.encode(png(image)));
    let info = json!({ "index_of_first_image": 1 }).to_string();
    let body = json!({ "images": images, "info": info }).to_string();
    let server = Server::start(move |_, _| ok(body.clone()));
    let edited = webui(&server).edit(&photo(64, 64), "fog", 3).unwrap();
    assert_eq!(edited, photo(64, 64));

    // A grid alone is no edit, unless a script enlarges the images.
    let grid = RgbImage::from_fn(128, 128, |x, y| Rgb([x as u8, y as u8, 9]));
    let body = webui_body(&grid).to_string();
    let server = Server::start(move |_, _| ok(body.clone()));
    let (error, requests) = failure(&server, &webui(&server));
    assert!(
        error.contains("128x128") && error.contains("grid"),
        "{error}"
    );
    assert_eq!(requests, 1);
    let settings = WebUiSettings {
        side: 64,
        extra: json!({ "script_name": "SD upscale" })
            .as_object()
            .unwrap()
            .clone(),
        ..WebUiSettings::default()
    };
    let (http, none) = (hasty(), Credentials::none());
    let editor = WebUiEditor::new("a", &server.address, settings, http, none).unwrap();
    editor.edit(&photo(64, 64), "fog", 3).unwrap();
}

#[test]
fn comfy_takes_no_preview_and_no_image_among_several() {
    let view = |path: &str| match path.contains("edit") {
        true => photo(64, 64),
        false => RgbImage::from_fn(64, 64, |x, _| Rgb([(x * 4) as u8; 3])),
    };
    let mask = view("mask");
    for (outputs, words) in [
        (
            json!({ "8": saved("edit.png", "temp") }),
            ["only previews (nodes: 8)", "output_node"],
        ),
        (
            json!({ "10": saved("mask.png", "output"), "8": saved("edit.png", "output") }),
            ["the nodes 8, 10 saved", "output_node"],
        ),
        (json!({}), ["no node gave an image", "SaveImage"]),
        (
            json!({ "8": { "gifs": [{ "filename": "a.mp4" }] } }),
            ["but only gifs", "SaveImage"],
        ),
    ] {
        let entry = done(outputs.clone());
        let server = comfy_server(move |_| entry.clone(), view);
        let (error, _) = failure(&server, &comfy(&server, None).unwrap());
        for word in words {
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(
            server.count("/prompt"),
            1,
            "the workflow would end so again"
        );
        // Neither a second call nor a name runs the job again.
        assert_eq!(failure(&server, &comfy(&server, None).unwrap()).0, error);
        let named = comfy(&server, Some("8")).unwrap();
        match named.edit(&photo(64, 64), "fog", 3) {
            Ok(edited) => assert_eq!(edited, photo(64, 64)),
            Err(error) => assert!(error.to_string().contains("node 8"), "{error}"),
        }
        assert_eq!(server.count("/prompt"), 1);
    }
    assert_ne!(mask, photo(64, 64));
    let server = comfy_server(|_| json!({}), view);
    let error = comfy(&server, Some("99")).unwrap_err();
    assert!(error.to_string().contains("no node \"99\""), "{error}");
}

#[test]
fn a_comfy_job_that_somebody_interrupts_is_not_run_again_at_once() {
    let interrupted = || {
        let message = json!(["execution_interrupted", { "node_id": "6", "node_type": "KSampler" }]);
        json!({ "prompt": [], "outputs": {},
            "status": { "status_str": "error", "completed": false, "messages": [message] } })
    };
    let history = move |number| match number {
        0 => interrupted(),
        _ => done(json!({ "8": saved("edit.png", "output") })),
    };
    let server = comfy_server(history, |_| photo(64, 64));
    let editor = comfy(&server, None).unwrap();
    let (error, _) = failure(&server, &editor);
    assert!(
        error.contains("interrupted at node 6 (KSampler)"),
        "{error}"
    );
    assert_eq!(server.count("/prompt"), 1);
    // The next call runs it.
    let edited = editor.edit(&photo(64, 64), "fog", 3).unwrap();
    assert_eq!((edited, server.count("/prompt")), (photo(64, 64), 2));
}

#[test]
fn a_comfy_job_that_fails_names_its_node() {
    let message = json!(["execution_error", { "node_id": "6", "node_type": "KSampler",
        "exception_type": "RuntimeError", "exception_message": "mat1 and mat2 shapes" }]);
    let entry = json!({ "prompt": [], "outputs": {},
        "status": { "status_str": "error", "completed": false, "messages": [message] } });
    let server = comfy_server(move |_| entry.clone(), |_| photo(64, 64));
    let (error, _) = failure(&server, &comfy(&server, None).unwrap());
    assert!(
        error.contains("node 6 (KSampler): RuntimeError: mat1 and mat2 shapes"),
        "{error}"
    );
    assert_eq!(server.count("/prompt"), hasty().attempts as usize);
}

#[test]
fn a_comfy_that_forgot_its_jobs_is_told() {
    // It was restarted: neither the queue nor the history knows any job.
    let server = Server::start(|_, request| match request.path.split('/').nth(1).unwrap() {
        "upload" => ok("{\"name\": \"a.png\"}"),
        "queue" => ok("{\"queue_running\": [], \"queue_pending\": []}"),
        "prompt" => ok(json!({ "prompt_id": request.json()["prompt_id"] }).to_string()),
        _ => ok("{}"),
    });
    let (error, _) = failure(&server, &comfy(&server, None).unwrap());
    assert!(
        error.contains("neither in the queue nor in the history"),
        "{error}"
    );
    assert_eq!(server.count("/prompt"), hasty().attempts as usize);
}

#[test]
fn filtered_images_are_told_and_not_asked_for_again() {
    let black = RgbImage::new(64, 64);
    let flagged = |key: &str, value: Value| {
        let mut body = webui_body(&black);
        body[key] = value;
        body.to_string()
    };
    for body in [
        flagged("nsfw_content_detected", json!([true])),
        flagged("has_nsfw_concepts", json!([false, true])),
        flagged("info", json!("{\"nsfw_content_detected\": true}")),
    ] {
        let server = Server::start(move |_, _| ok(body.clone()));
        let (error, requests) = failure(&server, &webui(&server));
        assert!(error.contains("safety checker"), "{error}");
        assert_eq!(requests, 1);
    }
    let filtered =
        json!({ "error": { "code": "content_policy_violation", "message": "Flagged." } });
    let replies = [
        ok(json!({ "images": [], "nsfw_content_detected": [true] }).to_string()),
        ok(filtered.to_string()),
        status(400, filtered),
        status(500, json!({ "error": "NSFW content detected." })),
    ];
    for reply in replies {
        let server = Server::start(move |_, _| reply.clone());
        let (error, requests) = failure(&server, &inference(&server));
        assert!(error.contains("content filter"), "{error}");
        assert_eq!(requests, 1);
    }
    // A flag that is not set is none.
    let mut body = webui_body(&photo(64, 64));
    body["nsfw_content_detected"] = json!([false]);
    let server = Server::start(move |_, _| ok(body.to_string()));
    webui(&server).edit(&photo(64, 64), "fog", 3).unwrap();
}

fn with(header: (&'static str, &str), code: u16, body: &[u8]) -> Reply {
    Reply::Full(code, vec![(header.0, header.1.to_owned())], body.to_vec())
}

#[test]
fn what_is_no_reply_of_an_editor_is_named() {
    let attempts = hasty().attempts as usize;
    let image = png(&photo(64, 64));
    let quota =
        json!({ "error": { "code": "insufficient_quota", "message": "Your quota is used up" } });
    for (reply, words, requests) in [
        (
            ok("<!DOCTYPE html><title>Sign in</title>"),
            ["web page", "Sign in"],
            attempts,
        ),
        (ok(""), ["empty", "answer"], attempts),
        (
            ok("{\"error\": \"CUDA out of memory\"}"),
            ["CUDA out of memory", "error"],
            attempts,
        ),
        (
            chunked(&image, 100, true),
            ["cannot talk", "running"],
            attempts,
        ),
        (
            Reply::Truncated(image.clone()),
            ["cannot talk", "running"],
            attempts,
        ),
        // Without a length, only the image shows that it is cut.
        (
            Reply::Raw([b"HTTP/1.0 200 X\r\n\r\n", &image[..image.len() / 2]].concat()),
            ["does not decode", "image"],
            attempts,
        ),
        (
            ok("{\"predictions\": [1]}"),
            ["predictions", "image-to-image"],
            1,
        ),
        (
            ok("data: {\"step\": 1}\n\ndata: {\"step\": 2}\n\n"),
            ["stream", "proxy"],
            1,
        ),
        (
            with(("Content-Encoding", "br"), 200, b"xxxx"),
            ["compressed", "br"],
            1,
        ),
        (
            with(
                ("Location", "https://login.example/sign-in?token=1"),
                302,
                b"",
            ),
            ["login.example/sign-in", "credentials"],
            1,
        ),
        (status(429, quota), ["quota is used up", "raise"], 1),
        (
            with(("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"), 429, b"{}"),
            ["asks to wait", "run again later"],
            1,
        ),
        (
            status(
                404,
                json!({ "error": "HTTPException", "detail": "Sampler not found" }),
            ),
            ["HTTPException", "Sampler not found"],
            1,
        ),
    ] {
        let shown = format!("{reply:?}");
        let shown = &shown[..shown.len().min(200)];
        let server = Server::start(move |_, _| reply.clone());
        let (error, sent) = failure(&server, &inference(&server));
        for word in words {
            assert!(error.contains(word), "{shown}: {error}");
        }
        assert_eq!(sent, requests, "{shown}: {error}");
    }
}

#[test]
fn replies_in_unusual_wrappings_are_read() {
    let edited = photo(64, 64);
    let image = png(&edited);
    let gzipped = gzip(&image);
    for reply in [
        chunked(&image, 777, false),
        with(("Content-Encoding", "gzip"), 200, &gzipped),
        with(("Content-Encoding", "identity"), 200, &image),
        with(
            ("Content-Type", "text/html; charset=iso-8859-1"),
            200,
            &image,
        ),
        with(("Content-Type", "image/jpeg"), 201, &image),
    ] {
        let server = Server::start(move |_, _| reply.clone());
        let found = inference(&server).edit(&photo(64, 64), "fog", 3).unwrap();
        assert_eq!((found, server.requests().len()), (edited.clone(), 1));
    }
    // Half of a compressed answer is no answer.
    let half = gzipped[..gzipped.len() / 2].to_vec();
    let server = Server::start(move |number, _| match number {
        0 => with(("Content-Encoding", "gzip"), 200, &half),
        _ => ok(image.clone()),
    });
    inference(&server).edit(&photo(64, 64), "fog", 3).unwrap();
    assert_eq!(server.requests().len(), 2);
    // A bomb: more than the limit once it is decompressed.
    let bomb = gzip(&vec![b' '; 5 << 20]);
    let server = Server::start(move |_, _| with(("Content-Encoding", "gzip"), 200, &bomb));
    let error = inference(&server)
        .edit(&photo(64, 64), "fog", 3)
        .unwrap_err();
    let last = server_error(&error).last();
    assert!(matches!(last, ServerError::TooLong { .. }), "{last}");

    // A byte order mark, a data URL, line breaks.
    let text = STANDARD.encode(png(&photo(64, 64)));
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let data_url = format!("data:image/png;base64,{}", lines.join("\n"));
    let body = format!("\u{feff}{}", json!({ "images": [data_url], "info": "" }));
    let server = Server::start(move |_, _| ok(body.clone()));
    let found = webui(&server).edit(&photo(64, 64), "fog", 3).unwrap();
    assert_eq!(found, photo(64, 64));
}

#[test]
fn a_wait_until_a_time_that_is_past_is_none() {
    let server = Server::start(|number, _| match number {
        0 => with(("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), 429, b"{}"),
        1 => with(("Retry-After", "0"), 503, b"<html><h1>503</h1></html>"),
        _ => ok(png(&photo(64, 64))),
    });
    inference(&server).edit(&photo(64, 64), "fog", 3).unwrap();
    assert_eq!(server.requests().len(), 3);
}
