//! A small HTTP server for tests: one thread per connection, faults on demand.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod chat;
pub mod comfy;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use concepts::http::HttpSettings;
use image::{Rgb, RgbImage};
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
    /// Nothing for this long, then the reply.
    Slow(Duration, Box<Reply>),
    /// All headers, half of the body, then the end.
    Truncated(Vec<u8>),
    /// The end at once.
    Drop,
    /// A body without a length that does not end.
    Endless,
}

pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Full(200, Vec::new(), body.into())
}

pub fn json(value: Value) -> Reply {
    ok(value.to_string())
}

pub fn status(code: u16, value: Value) -> Reply {
    Reply::Full(code, Vec::new(), value.to_string().into_bytes())
}

pub struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// `handler` is given the number of the request, from 0, and the request.
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

    /// Requests whose path begins so.
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
    // A client that went away is not this server's trouble.
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
        Reply::Drop => {}
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b' '; 65_536]).is_ok() {}
        }
    }
}

/// Longer than [`impatient`] waits, then the end.
pub fn slow() -> Reply {
    Reply::Slow(Duration::from_secs(2), Box::new(Reply::Drop))
}

/// As [`hasty`], but it does not wait for [`slow`].
pub fn impatient() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(1),
        ..hasty()
    }
}

/// A client for a server with this fault.
pub fn client_for(fault: &Reply) -> HttpSettings {
    match fault {
        Reply::Slow(..) => impatient(),
        _ => hasty(),
    }
}

/// Short waits and small limits; the timeout is for a machine under load.
pub fn hasty() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(10),
        attempts: 4,
        first_wait: Duration::from_millis(5),
        max_wait: Duration::from_secs(2),
        max_reply: 4 << 20,
    }
}

pub fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 3) as u8, (y * 5) as u8, (x ^ y) as u8])
    })
}

pub fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// What the fake servers do to an image: invert it and put the seed into the first pixel.
pub fn fake_edit(bytes: &[u8], seed: u64) -> RgbImage {
    let mut image = image::load_from_memory(bytes).unwrap().into_rgb8();
    image::imageops::invert(&mut image);
    image.put_pixel(
        0,
        0,
        Rgb([seed as u8, (seed >> 8) as u8, (seed >> 16) as u8]),
    );
    image
}

/// A PNG whose header is intact and announces this size; no pixels follow.
pub fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    let mut crc = u32::MAX;
    for byte in &bytes[12..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    bytes.extend((!crc).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}
