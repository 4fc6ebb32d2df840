//! Weights downloaded once, and then read from a cache (feature `hub`).

mod error;
mod remote_file;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use tensor_file::atomic::AtomicFile;
use tensor_file::digest::Sha256;

use crate::{Error, InceptionV3, InceptionV3Config};

pub use error::DownloadError;
pub use remote_file::RemoteFile;

/// Variable that names the folder of the cache; it comes before the other two.
const CACHE: &str = "CLEAN_FID_CACHE";
/// Variable that forbids downloads, if it is set to anything but `0`.
const OFFLINE: &str = "CLEAN_FID_OFFLINE";
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest time for a whole file: enough for 95.6 MB at half a megabit per second.
const BODY_PATIENCE: Duration = Duration::from_secs(1800);

/// A folder of files that were downloaded, or copied there by hand.
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
/// println!("{} belongs in {}", file.url(), cache.folder().display());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DownloadCache {
    folder: PathBuf,
    offline: bool,
}

impl DownloadCache {
    /// A cache in `folder`, which is created with the first download.
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
    /// Returns [`DownloadError::NoCacheFolder`] if none of the three is set.
    pub fn from_env() -> Result<Self, DownloadError> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = var(CACHE)
            .map(PathBuf::from)
            .or_else(|| var("XDG_CACHE_HOME").map(|at| Path::new(&at).join("clean-fid")))
            .or_else(|| var("HOME").map(|at| Path::new(&at).join(".cache/clean-fid")))
            .ok_or(DownloadError::NoCacheFolder)?;
        let offline = var(OFFLINE).is_some_and(|value| value != "0");
        Ok(Self::new(folder).with_offline(offline))
    }

    /// Whether to refuse to download.
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of the file: in the cache if it is there and intact, otherwise after a download. Its digest is checked each
    /// time. A download replaces the file atomically, also if several processes fetch it at once.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Download`] if the file is not in the cache and cannot be downloaded, or has another digest, and
    /// [`Error::Io`] or [`Error::Write`] if the cache cannot be read or written.
    pub fn fetch(&self, file: &RemoteFile) -> Result<PathBuf, Error> {
        let path = self.folder.join(&file.name);
        match digest_of(&path, file.bytes) {
            Ok(found) if found == file.sha256 => return Ok(path),
            Ok(found) if self.offline => {
                return Err(file.other_digest(path.display().to_string(), found).into());
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if self.offline {
                    let url = file.url.clone();
                    return Err(DownloadError::Offline { path, url }.into());
                }
            }
            Err(source) => return Err(Error::Io { path, source }),
        }
        self.download(file, &path)?;
        Ok(path)
    }

    fn download(&self, file: &RemoteFile, path: &Path) -> Result<(), Error> {
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
            .map_err(|error| DownloadError::Request {
                url: file.url.clone(),
                path: path.to_path_buf(),
                source: error.into(),
            })?;
        let mut partial = AtomicFile::create(path)?;
        file.receive(response.into_body().into_reader(), &mut partial, path)?;
        Ok(partial.commit()?)
    }
}

/// Digest of a file, of which no more than a byte beyond `bytes` is read.
fn digest_of(path: &Path, bytes: u64) -> std::io::Result<String> {
    let file = std::fs::File::open(path)?;
    let mut digest = Sha256::new();
    digest.update_reader(file.take(bytes.saturating_add(1)))?;
    Ok(digest.finish_hex())
}

impl InceptionV3Config {
    /// The network with the weights of the original FID, downloaded on first use (95.6 MB): from `pytorch-fid`'s
    /// release, or `torch-fidelity`'s if that fails.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`DownloadCache::fetch`] for `pytorch-fid`'s file, and those of [`load`](Self::load).
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
