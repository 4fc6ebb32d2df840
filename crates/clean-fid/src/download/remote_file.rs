//! A file to download.

use std::io::{Read, Write};
use std::path::Path;

use tensor_file::atomic::AtomicFile;
use tensor_file::digest::Sha256;

use super::DownloadError;
use crate::Error;

/// Bytes that are received at a time.
const CHUNK: usize = 1 << 16;

/// A file to download: its address, size and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    pub(super) url: String,
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

impl RemoteFile {
    /// A file of `bytes` bytes whose SHA-256 is `sha256` in hexadecimal digits. In the cache it has the last part of
    /// `url` as its name.
    ///
    /// # Errors
    ///
    /// Returns [`DownloadError::NoFileName`] or [`DownloadError::FileName`] if the address does not end in a file name that
    /// the cache can use, and [`DownloadError::DigestFormat`] unless the digest has 64 digits.
    pub fn new(url: &str, sha256: &str, bytes: u64) -> Result<Self, DownloadError> {
        let url = url.to_owned();
        let address = url.split(['?', '#']).next().unwrap_or_default();
        let path = address.split_once("://").map(|(_, rest)| rest);
        let Some((_, name)) = path.and_then(|path| path.rsplit_once('/')) else {
            return Err(DownloadError::NoFileName { url });
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(DownloadError::FileName { url });
        }
        if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(DownloadError::DigestFormat { url });
        }
        Ok(Self {
            name: name.to_owned(),
            url,
            sha256: sha256.to_lowercase(),
            bytes,
        })
    }

    /// The weights of the original FID as `pytorch-fid` publishes them: 95.6 MB.
    pub fn inception_of_pytorch_fid() -> Self {
        Self::inception(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/",
            "pt_inception-2015-12-05-6726825d.pth",
        )
    }

    /// The same bytes as `torch-fidelity` publishes them.
    pub fn inception_of_torch_fidelity() -> Self {
        Self::inception(
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/",
            "weights-inception-2015-12-05-6726825d.pth",
        )
    }

    fn inception(folder: &str, name: &str) -> Self {
        Self {
            url: format!("{folder}{name}"),
            name: name.to_owned(),
            sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2".to_owned(),
            bytes: 95_628_359,
        }
    }

    /// Where it comes from.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it is called in the cache.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes what `body` gives to `to`, and checks its length and digest.
    pub(super) fn receive(
        &self,
        body: impl Read,
        to: &mut AtomicFile,
        path: &Path,
    ) -> Result<(), Error> {
        let mut body = body.take(self.bytes + 1);
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut received = 0;
        loop {
            let read = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => &chunk[..read],
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(DownloadError::Interrupted {
                        url: self.url.clone(),
                        path: path.to_path_buf(),
                        received,
                        source,
                    }
                    .into());
                }
            };
            digest.update(read);
            to.write_all(read).map_err(|source| Error::Io {
                path: path.to_path_buf(),
                source,
            })?;
            received += read.len() as u64;
        }
        let (url, path, expected) = (self.url.clone(), path.to_path_buf(), self.bytes);
        if received > expected {
            return Err(DownloadError::TooLong {
                url,
                path,
                expected,
            }
            .into());
        }
        if received < expected {
            return Err(DownloadError::TooShort {
                url,
                path,
                received,
                expected,
            }
            .into());
        }
        match digest.finish_hex() {
            found if found == self.sha256 => Ok(()),
            found => Err(self.other_digest(url, found).into()),
        }
    }

    pub(super) fn other_digest(&self, from: String, found: String) -> DownloadError {
        DownloadError::Digest {
            from,
            found,
            expected: self.sha256.clone(),
        }
    }
}
