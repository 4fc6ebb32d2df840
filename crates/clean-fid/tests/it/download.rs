//! Downloads from a server in this process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clean_fid::Error;
use clean_fid::download::{DownloadCache, DownloadError, RemoteFile};
use tensor_file::digest::sha256_hex;

const CONTENT: &[u8] = b"weights, or what stands for them";

/// Answers by the first part of the path and counts requests.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request = lines.next().unwrap().unwrap();
                for line in lines {
                    if line.unwrap().is_empty() {
                        break;
                    }
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let path = request.split(' ').nth(1).unwrap().to_owned();
                let (status, length, body): (&str, usize, &[u8]) =
                    match path.split('/').nth(1).unwrap() {
                        "whole" => ("200 OK", CONTENT.len(), CONTENT),
                        "moved" => ("302 Found\r\nLocation: /whole/w.pth", 0, b""),
                        "short" => ("200 OK", CONTENT.len(), &CONTENT[..9]),
                        "small" => ("200 OK", 9, &CONTENT[..9]),
                        "large" => ("200 OK", 1 << 40, &[7; 100]),
                        "other" => ("200 OK", CONTENT.len(), &[b'x'; CONTENT.len()]),
                        "broken" => ("500 Internal Server Error", 0, b""),
                        _ => ("404 Not Found", 0, b""),
                    };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                // The client may have closed the connection after reading enough.
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(body);
            }
        });
        Self { url, requests }
    }

    fn file(&self, kind: &str) -> RemoteFile {
        let url = format!("{}/{kind}/w.pth", self.url);
        RemoteFile::new(&url, &sha256_hex(CONTENT), CONTENT.len() as u64).unwrap()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[test]
fn a_file_is_downloaded_once() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let cache = DownloadCache::new(folder.path().join("made/on/demand"));
    let path = cache.fetch(&server.file("moved")).unwrap();
    assert_eq!(path, cache.folder().join("w.pth"));
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert_eq!(server.requests(), 2);
    cache.fetch(&server.file("whole")).unwrap();
    cache
        .clone()
        .with_offline(true)
        .fetch(&server.file("whole"))
        .unwrap();
    assert_eq!(server.requests(), 2);

    // Damaged in the cache: downloaded again, or refused if that is forbidden.
    for damage in [&CONTENT[1..], b"", &[b'x'; 1000]] {
        fs::write(&path, damage).unwrap();
        let before = server.requests();
        let offline = cache.clone().with_offline(true);
        let error = offline.fetch(&server.file("whole")).unwrap_err();
        assert!(
            matches!(error, Error::Download(DownloadError::Digest { .. })),
            "{error}"
        );
        assert_eq!(server.requests(), before);
        cache.fetch(&server.file("whole")).unwrap();
        assert_eq!(server.requests(), before + 1);
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
    }
}

#[test]
fn failed_downloads_leave_no_file() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let cache = DownloadCache::new(folder.path());
    for (kind, text) in [
        ("short", "9 bytes"),
        ("small", "9 bytes"),
        ("large", "more than"),
        ("broken", "500"),
        ("none", "404"),
    ] {
        let error = cache.fetch(&server.file(kind)).unwrap_err();
        assert!(matches!(error, Error::Download(_)), "{kind}: {error}");
        let said = error.to_string();
        assert!(said.contains(text), "{kind}: {said}");
        assert!(
            said.contains(&server.url) && said.contains("w.pth"),
            "{said}"
        );
    }
    let error = cache.fetch(&server.file("other")).unwrap_err();
    assert!(
        matches!(error, Error::Download(DownloadError::Digest { .. })),
        "{error}"
    );
    assert!(error.to_string().contains(&sha256_hex(CONTENT)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn without_a_network_errors_name_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let cache = DownloadCache::new(folder.path());
    // A port on which nothing listens any more.
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}/w.pth");
    let file = RemoteFile::new(&url, &sha256_hex(CONTENT), 9).unwrap();
    let error = cache.fetch(&file).unwrap_err();
    assert!(matches!(error, Error::Download(_)), "{error}");
    assert!(error.to_string().contains(&url), "{error}");
    let error = cache.with_offline(true).fetch(&file).unwrap_err();
    assert!(
        matches!(error, Error::Download(DownloadError::Offline { .. })),
        "{error}"
    );
    assert!(error.to_string().contains(&url), "{error}");
}

#[test]
fn addresses_are_checked() {
    let good = sha256_hex(b"");
    for (url, sha256) in [
        ("http://host", good.as_str()),
        ("http://host/", &good),
        ("http://host/a/..", &good),
        ("http://host/a%2Fb", &good),
        ("host/file", &good),
        ("http://host/file", "6726825d"),
        ("http://host/file", &good.replace('e', "g")),
    ] {
        let error = RemoteFile::new(url, sha256, 1).unwrap_err();
        assert!(error.to_string().contains(url), "{url}: {error}");
    }
    let file = RemoteFile::new("https://host/a/w.pth?download=1", &good, 1).unwrap();
    assert_eq!(file.name(), "w.pth");
    for file in [
        RemoteFile::inception_of_pytorch_fid(),
        RemoteFile::inception_of_torch_fidelity(),
    ] {
        assert!(file.url().ends_with(file.name()));
    }
}
