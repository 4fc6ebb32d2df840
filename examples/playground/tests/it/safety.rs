//! What the server refuses.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::client::{HOST, Server, photo, png};

/// An uncompressed header of a PNG with these dimensions, and nothing behind it.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = png(&photo(8, 8, 0));
    let chunk = file[12..29].to_vec();
    let mut header = chunk[..4].to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend(&chunk[12..17]);
    let crc = crc32(&header);
    file[12..29].copy_from_slice(&header);
    file[29..33].copy_from_slice(&crc.to_be_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |mut crc: u32, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

#[test]
fn hostile_uploads_are_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let refused = |body: Vec<u8>, status| {
        server
            .request(Method::POST, "/api/photo", body)
            .refused(status)
    };
    assert!(refused(b"GIF89a, or so it says".to_vec(), 422).contains("photo"));
    assert!(refused(Vec::new(), 422).contains("photo"));
    let error = refused(png_header(30_000, 30_000), 422);
    assert!(error.contains("8192"), "{error}");
    // 192 MB of pixels in a few bytes.
    let error = refused(png_header(8_000, 8_000), 422);
    assert!(
        error.contains("128 MiB") || error.contains("truncated") || error.contains("bytes"),
        "{error}"
    );
    let whole = png(&photo(64, 64, 0));
    let error = refused(whole[..whole.len() / 2].to_vec(), 422);
    assert!(error.contains("photo"), "{error}");
    assert!(refused(vec![0; (32 << 20) + 1], 413).contains("32 MiB"));
    // The same as a file of a pair: the row says it.
    let id = server.draft(0);
    let path = format!("/api/drafts/{id}/files?side=input&name=bomb.png");
    let reply = server
        .request(Method::PUT, &path, png_header(30_000, 30_000))
        .json();
    assert!(
        reply["rows"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("8192"),
        "{reply}"
    );
    // Still there.
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn other_hosts_and_other_origins_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let send = |headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(Method::POST).uri("/api/drafts");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        server
            .send(request.body(Body::empty()).unwrap())
            .status
            .as_u16()
    };
    assert_eq!(send(&[("host", HOST)]), 200);
    assert_eq!(
        send(&[
            ("host", "localhost:7080"),
            ("origin", "http://localhost:7080")
        ]),
        200
    );
    // A name that an attacker points at the loopback address.
    assert_eq!(send(&[("host", "evil.example:7080")]), 421);
    assert_eq!(send(&[("host", "127.0.0.1:1")]), 421);
    assert_eq!(send(&[]), 421);
    for origin in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:80",
        "https://127.0.0.1",
    ] {
        assert_eq!(send(&[("host", HOST), ("origin", origin)]), 403, "{origin}");
    }
    assert_eq!(
        send(&[("host", HOST), ("sec-fetch-site", "cross-site")]),
        403
    );
    let image = Request::get("/api/samples/0").header("host", HOST);
    let image = image
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors");
    assert_eq!(server.send(image.body(Body::empty()).unwrap()).status, 403);
}

#[test]
fn a_token_is_needed_if_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_token(dir.path(), Some("0123456789abcdef"));
    assert_eq!(server.get("/").status, 401);
    assert_eq!(server.get("/api/about").status, 401);
    assert_eq!(server.get("/?token=0123456789abcdeX").status, 401);
    let reply = server.get("/?token=0123456789abcdef");
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["location"]),
        (303, &"/".parse().unwrap())
    );
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let cookie = cookie.split(';').next().unwrap();
    for (name, value, status) in [
        ("cookie", cookie, 200),
        ("cookie", "playground-token=0123456789abcdeX", 401),
        ("authorization", "Bearer 0123456789abcdef", 200),
        ("authorization", "Bearer x", 401),
    ] {
        let request = Request::get("/api/about")
            .header("host", HOST)
            .header(name, value);
        assert_eq!(
            server
                .send(request.body(Body::empty()).unwrap())
                .status
                .as_u16(),
            status
        );
    }
}

#[test]
fn the_page_may_load_nothing_from_elsewhere_and_no_path_leads_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let page = server.get("/");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    let html = String::from_utf8(page.body).unwrap();
    assert!(!html.contains("http") && !html.contains("style=") && !html.contains("onclick"));
    for path in [
        "/page.css",
        "/main.js",
        "/server.js",
        "/prompt.js",
        "/viewer.js",
        "/pairs.js",
        "/trainings.js",
        "/icon.svg",
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
        assert!(html.contains(path) || path.ends_with(".js"));
    }
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/api/samples/..%2f..%2fCargo.toml",
        "/api/trainings/..%2f..%2fetc/report",
        "/api/trainings/1/images/..%2fpairs/0",
        "/api/drafts/1/0/..%2finput",
        "/etc/passwd",
    ] {
        assert!(server.get(path).status.is_client_error(), "{path}");
    }
    assert_eq!(server.request(Method::POST, "/main.js", "").status, 405);
    let error = server.post("/api/edit", &json!({"prompt": "x", "out": "/etc/passwd"}));
    assert!(error.refused(400).contains("out"));
    assert_eq!(server.request(Method::POST, "/api/edit", "{").status, 400);
}

#[test]
fn sets_of_pairs_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let first = server.draft(1);
    for _ in 0..4 {
        server.draft(0);
    }
    // The oldest set gave way.
    let path = format!("/api/drafts/{first}");
    assert!(server.get(&path).json().is_null());
    let error = server.post(&format!("{path}/remove"), &json!({"numbers": []}));
    let error = error.refused(404);
    assert!(error.contains("add the pictures again"), "{error}");
    let job = json!({"prompt": "x", "photos": vec![json!({"sample": 0}); 25]});
    assert!(server.post("/api/edit", &job).refused(422).contains("24"));
}
