//! Weights from the network, once.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use sha2::{Digest, Sha256};
use whole_file::WholeFile;

use crate::{Error, InceptionV3, InceptionV3Config};

/// Folder of the cache, before any other.
const CACHE: &str = "CLEAN_FID_CACHE";
/// Set to anything but `0` or nothing: never ask the network.
const OFFLINE: &str = "CLEAN_FID_OFFLINE";
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest time for a whole file: enough for the largest at half a megabit per second.
const BODY_PATIENCE: Duration = Duration::from_secs(1800);
const CHUNK: usize = 1 << 16;

/// A file at an address, of known size and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    url: String,
    name: String,
    sha256: String,
    bytes: u64,
}

impl RemoteFile {
    /// A file of `bytes` bytes whose SHA-256 is `sha256` in hexadecimal digits. In the cache it has the last part of
    /// `url` as its name.
    ///
    /// # Errors
    ///
    /// [`Error::RemoteFile`] if the address has no such part, or the digest does not have 64 digits.
    pub fn new(url: &str, sha256: &str, bytes: u64) -> Result<Self, Error> {
        let bad = |reason: &'static str| Error::RemoteFile {
            url: url.to_owned(),
            reason,
        };
        let address = url.split(['?', '#']).next().unwrap_or_default();
        let name = match address
            .split_once("://")
            .map(|(_, rest)| rest.rsplit_once('/'))
        {
            Some(Some((_, name))) => name,
            _ => return Err(bad("it does not name a file")),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(bad(
                "its last part cannot be the name of a file in the cache",
            ));
        }
        if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(bad("its digest is not 64 hexadecimal digits"));
        }
        Ok(Self {
            url: url.to_owned(),
            name: name.to_owned(),
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
}

/// A folder of files that were downloaded, or put there by hand.
///
/// ```no_run
/// use burn::tensor::Device;
/// use clean_fid::InceptionV3Config;
/// use clean_fid::download::{DownloadCache, RemoteFile};
///
/// # fn main() -> Result<(), clean_fid::Error> {
/// let cache = DownloadCache::from_env()?;
/// let network = InceptionV3Config::new().fetch(&cache, &Device::flex())?;
///
/// // Without network: put the file into the folder, and nothing is asked for.
/// let file = RemoteFile::inception_of_pytorch_fid();
/// println!("{} belongs into {}", file.url(), cache.folder().display());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DownloadCache {
    folder: PathBuf,
    offline: bool,
}

impl DownloadCache {
    /// A cache in `folder`, which is made when the first file comes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            offline: false,
        }
    }

    /// The cache in `$CLEAN_FID_CACHE`, else `$XDG_CACHE_HOME/clean-fid`, else `$HOME/.cache/clean-fid`; offline if
    /// `$CLEAN_FID_OFFLINE` is set and not `0`.
    ///
    /// # Errors
    ///
    /// [`Error::NoCache`] if none of the three is set.
    pub fn from_env() -> Result<Self, Error> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = var(CACHE)
            .map(PathBuf::from)
            .or_else(|| var("XDG_CACHE_HOME").map(|at| Path::new(&at).join("clean-fid")))
            .or_else(|| var("HOME").map(|at| Path::new(&at).join(".cache/clean-fid")))
            .ok_or(Error::NoCache)?;
        let offline = var(OFFLINE).is_some_and(|value| value != "0");
        Ok(Self::new(folder).with_offline(offline))
    }

    /// Whether the network is never asked.
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of the file: in the cache, where it is whole, else after a download. Its digest is checked each time. A
    /// download is there whole or not at all, also where several processes want it at once.
    ///
    /// # Errors
    ///
    /// [`Error::Offline`], [`Error::Download`] without network or with another answer than the file, [`Error::Digest`]
    /// for a file that is another or damaged, [`Error::Io`] for the cache.
    pub fn fetch(&self, file: &RemoteFile) -> Result<PathBuf, Error> {
        let path = self.folder.join(&file.name);
        match digest_of(&path, file.bytes) {
            Ok(found) if found == file.sha256 => return Ok(path),
            Ok(found) if self.offline => {
                return Err(Error::Digest {
                    from: path.display().to_string(),
                    found,
                    expected: file.sha256.clone(),
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if self.offline {
                    return Err(Error::Offline {
                        path,
                        url: file.url.clone(),
                    });
                }
            }
            Err(source) => return Err(Error::Io { path, source }),
        }
        self.download(file, &path)?;
        Ok(path)
    }

    fn download(&self, file: &RemoteFile, path: &Path) -> Result<(), Error> {
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let failed = |reason: String| Error::Download {
            url: file.url.clone(),
            path: path.to_path_buf(),
            reason,
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(BODY_PATIENCE))
            .user_agent(concat!("clean-fid/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let response = agent
            .get(&file.url)
            .call()
            .map_err(|e| failed(e.to_string()))?;
        let mut body = response.into_body().into_reader().take(file.bytes + 1);

        let mut partial = WholeFile::create(path).map_err(io)?;
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut length = 0;
        loop {
            let read = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => &chunk[..read],
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(failed(format!("it ended after {length} bytes: {e}"))),
            };
            digest.update(read);
            partial.write_all(read).map_err(io)?;
            length += read.len() as u64;
        }
        if length != file.bytes {
            let more = if length > file.bytes {
                "more than "
            } else {
                ""
            };
            let length = length.min(file.bytes);
            let reason = format!("{more}{length} bytes came, expected {}", file.bytes);
            return Err(failed(reason));
        }
        let found = hexadecimal(digest);
        if found != file.sha256 {
            return Err(Error::Digest {
                from: file.url.clone(),
                found,
                expected: file.sha256.clone(),
            });
        }
        partial.commit().map_err(io)
    }
}

/// Digest of a file, of which no more than a byte beyond `bytes` is read.
fn digest_of(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?.take(bytes.saturating_add(1));
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hexadecimal(digest)),
            Ok(read) => digest.update(&chunk[..read]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn hexadecimal(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl InceptionV3Config {
    /// The network with the weights of the original FID, downloaded on first use (95.6 MB): from `pytorch-fid`'s
    /// release, or `torch-fidelity`'s where that fails.
    ///
    /// # Errors
    ///
    /// As [`DownloadCache::fetch`] for `pytorch-fid`'s file, and [`load`](Self::load).
    pub fn fetch(&self, cache: &DownloadCache, device: &Device) -> Result<InceptionV3, Error> {
        let path = cache
            .fetch(&RemoteFile::inception_of_pytorch_fid())
            .or_else(|first| {
                cache
                    .fetch(&RemoteFile::inception_of_torch_fidelity())
                    .map_err(|_| first)
            })?;
        self.load(path, device)
    }
}
