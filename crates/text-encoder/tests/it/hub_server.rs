//! As much of the Hugging Face hub as fetching needs, on a port of this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tensor_file::digest::sha256_hex as sha256;

pub(crate) const COMMIT: &str = "00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee";

struct State {
    folder: PathBuf,
    name: String,
    /// Files of which a body was sent.
    downloads: Mutex<Vec<String>>,
    /// A file, or "api", and what is wrong with the answer.
    fault: Mutex<(String, String)>,
    stop: AtomicBool,
}

/// Serves a folder as one model; stops when dropped.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn of(folder: &Path, name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            folder: folder.into(),
            name: name.into(),
            downloads: Mutex::default(),
            fault: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away is not the server's trouble.
                let _ = answer(&shared, stream.unwrap());
            }
        });
        Self {
            endpoint,
            state,
            thread: Some(thread),
        }
    }

    pub(crate) fn downloads(&self) -> Vec<String> {
        self.state.downloads.lock().unwrap().clone()
    }

    pub(crate) fn fault(&self, file: &str, fault: &str) {
        *self.state.fault.lock().unwrap() = (file.into(), fault.into());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.endpoint.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            names.extend(files(&entry.path()).iter().map(|f| format!("{name}/{f}")));
        } else {
            names.push(name);
        }
    }
    names
}

fn listing(state: &State) -> Value {
    let siblings = files(&state.folder).into_iter().map(|name| {
        let bytes = fs::read(state.folder.join(&name)).unwrap();
        let mut sibling =
            json!({"rfilename": name, "size": bytes.len(), "blobId": sha256(name.as_bytes())});
        if name.ends_with(".safetensors") {
            sibling["lfs"] =
                json!({"sha256": sha256(&bytes), "size": bytes.len(), "pointerSize": 134});
        }
        sibling
    });
    json!({"id": state.name, "sha": COMMIT, "siblings": siblings.collect::<Vec<_>>()})
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

fn answer(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut start = 0usize;
    let mut probe = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            let (from, to) = range.trim().split_once('-').unwrap();
            start = from.parse().unwrap();
            probe = to == "0";
        }
    }
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = target.split('?').next().unwrap_or_default();
    let (faulty, fault) = state.fault.lock().unwrap().clone();

    if path == format!("/api/models/{}/revision/main", state.name)
        || path == format!("/api/models/{}/revision/{COMMIT}", state.name)
    {
        let mut listing = listing(state);
        match (faulty.as_str(), fault.as_str()) {
            ("api", "html") => return send(&mut stream, "200 OK", "", b"<html>a proxy</html>"),
            ("api", "redirect") => return send(&mut stream, "302 Found", "", b""),
            ("api", "empty") => return Ok(()),
            ("api", "no-commit") => listing["sha"] = json!("../../etc"),
            _ => {}
        }
        let body = serde_json::to_vec(&listing).unwrap();
        return send(
            &mut stream,
            "200 OK",
            "Content-Type: application/json\r\n",
            &body,
        );
    }
    let prefix = format!("/{}/resolve/{COMMIT}/", state.name);
    let file = path.strip_prefix(&prefix).unwrap_or_default().to_owned();
    if file.is_empty() || !files(&state.folder).contains(&file) {
        return send(&mut stream, "404 Not Found", "", b"Entry not found");
    }
    let mut bytes = fs::read(state.folder.join(&file)).unwrap();
    let whole = bytes.len();
    let fault = if faulty == file { fault.as_str() } else { "" };
    match fault {
        "headless" => return send(&mut stream, "200 OK", "", &bytes),
        "redirect" => {
            let headers = format!("ETag: \"x\"\r\nX-Repo-Commit: {COMMIT}\r\n");
            return send(&mut stream, "302 Found", &headers, b"");
        }
        "empty" => return Ok(()),
        "short" => bytes.truncate(whole / 2),
        "altered" => bytes[whole - 1] ^= 1,
        _ => {}
    }
    let headers = format!(
        "ETag: \"{}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {start}-{}/{whole}\r\n",
        sha256(file.as_bytes()),
        if probe { 0 } else { whole - 1 },
    );
    if probe {
        return send(&mut stream, "206 Partial Content", &headers, &bytes[..1]);
    }
    state.downloads.lock().unwrap().push(file);
    let body = &bytes[start.min(bytes.len())..];
    if fault == "cut" {
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        return stream.write_all(&body[..body.len() / 2]);
    }
    send(&mut stream, "206 Partial Content", &headers, body)
}
