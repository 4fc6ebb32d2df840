//! The server: one thread per connection.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The parts of a multipart body: name → (file name, bytes).
    pub fn parts(&self) -> HashMap<String, (Option<String>, Vec<u8>)> {
        let kind = &self.headers["content-type"];
        let boundary = kind.split_once("boundary=").unwrap().1;
        let delimiter = format!("--{boundary}").into_bytes();
        let mut parts = HashMap::new();
        let mut rest = &self.body[..];
        let find = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|w| w == needle);
        while let Some(at) = find(rest, &delimiter) {
            rest = &rest[at + delimiter.len()..];
            if rest.starts_with(b"--") {
                break;
            }
            let end = find(rest, &delimiter).unwrap();
            let part = &rest[2..end - 2];
            let split = find(part, b"\r\n\r\n").unwrap();
            let head = String::from_utf8(part[..split].to_vec()).unwrap();
            let field = |key: &str| {
                let start = head.find(&format!("; {key}=\""))? + key.len() + 4;
                Some(head[start..].split('"').next().unwrap().to_owned())
            };
            parts.insert(
                field("name").unwrap(),
                (field("filename"), part[split + 4..].to_vec()),
            );
        }
        parts
    }
}

#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, further headers, body.
    Full(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Silence for this long, then the reply.
    Slow(Duration, Box<Reply>),
    /// All headers and half of the body, then the connection ends.
    Truncated(Vec<u8>),
    /// These bytes as they are, head and body, then the connection ends.
    Raw(Vec<u8>),
    /// The connection ends at once.
    Drop,
    /// A body without a length that never ends.
    Endless,
}

pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Full(200, Vec::new(), body.into())
}

pub fn json(value: Value) -> Reply {
    ok(value.to_string())
}

/// Status 200 with this body in pieces of at most `size` bytes (`Transfer-Encoding: chunked`), of which the last, empty one
/// is missing if `cut`.
pub fn chunked(body: &[u8], size: usize, cut: bool) -> Reply {
    let mut bytes =
        b"HTTP/1.1 200 X\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    if !cut {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    Reply::Raw(bytes)
}

pub fn status(code: u16, value: Value) -> Reply {
    Reply::Full(code, Vec::new(), value.to_string().into_bytes())
}

pub struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

/// Without the requests, whose headers may hold keys.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// `handler` gets the number of the request, from 0, and the request.
    pub fn start(handler: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, stopped, handler) = (seen.clone(), stop.clone(), Arc::new(handler));
        let number = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (requests, handler) = (requests.clone(), handler.clone());
                let number = number.clone();
                std::thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        let index = number.fetch_add(1, Ordering::SeqCst);
                        requests.lock().unwrap().push(request.clone());
                        write(&stream, handler(index, &request));
                    }
                });
            }
        });
        Self {
            address,
            seen,
            stop,
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The number of requests whose path begins with `path`.
    pub fn count(&self, path: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.path.starts_with(path))
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

fn write(mut stream: &TcpStream, reply: Reply) {
    let head = |code: u16, length: usize, headers: &[(&str, String)]| {
        let extra: String = headers
            .iter()
            .map(|(k, v)| format!("{k}: {v}\r\n"))
            .collect();
        format!("HTTP/1.1 {code} X\r\nConnection: close\r\nContent-Length: {length}\r\n{extra}\r\n")
    };
    // Clients may go away at any time.
    match reply {
        Reply::Full(code, headers, body) => {
            let _ = stream.write_all(head(code, body.len(), &headers).as_bytes());
            let _ = stream.write_all(&body);
        }
        Reply::Slow(time, then) => {
            std::thread::sleep(time);
            write(stream, *then);
        }
        Reply::Truncated(body) => {
            let _ = stream.write_all(head(200, body.len(), &[]).as_bytes());
            let _ = stream.write_all(&body[..body.len() / 2]);
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Reply::Drop => {}
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b' '; 65_536]).is_ok() {}
        }
    }
}
