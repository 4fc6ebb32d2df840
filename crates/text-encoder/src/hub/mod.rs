//! Encoders from the Hugging Face hub by name.

mod check;
mod error;
mod listing;

use std::fmt;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use crate::guard::guarded;
use crate::{Error, TextEncoder, open_encoder};
use check::check;
pub use error::HubError;
use listing::{CONFIG, Listing, Sibling, WEIGHTS};

/// The Hugging Face hub and its cache on the disk, which is shared with Python's `huggingface_hub`.
///
/// Needs the Cargo feature `hub`. Online, the hub is asked which commit a revision stands for and what files it has;
/// files of an encoder that are not in the cache are fetched, and checked against the sizes and, for large files, the
/// SHA-256 that the hub gives. Offline, only the cache is used.
///
/// ```no_run
/// use burn::tensor::Device;
/// use text_encoder::{HuggingFaceHub, TextEncoder};
///
/// # fn main() -> Result<(), text_encoder::Error> {
/// let encoder = HuggingFaceHub::from_env().open("openai/clip-vit-base-patch32", &Device::flex())?;
/// println!("{}, {} wide", encoder.name(), encoder.width());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HuggingFaceHub {
    endpoint: String,
    cache: PathBuf,
    token: Option<String>,
    revision: String,
    offline: bool,
}

const ENDPOINT: &str = "https://huggingface.co";

/// Without the token.
impl fmt::Debug for HuggingFaceHub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HuggingFaceHub")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("revision", &self.revision)
            .field("offline", &self.offline)
            .finish()
    }
}

impl HuggingFaceHub {
    /// The hub that the environment configures, with the variables of the Python library: `HF_HUB_CACHE`, or `hub` below `HF_HOME`, or below
    /// `~/.cache/huggingface`; `HF_ENDPOINT`; `HF_TOKEN`; `HF_HUB_OFFLINE` (1, true, yes or on).
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let home = || {
            let home = std::env::home_dir().unwrap_or_default();
            home.join(".cache").join("huggingface")
        };
        let below_home = || {
            variable("HF_HOME")
                .map_or_else(home, PathBuf::from)
                .join("hub")
        };
        let offline = variable("HF_HUB_OFFLINE")
            .unwrap_or_default()
            .to_lowercase();
        Self {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into()),
            cache: variable("HF_HUB_CACHE").map_or_else(below_home, PathBuf::from),
            token: variable("HF_TOKEN"),
            revision: "main".into(),
            offline: ["1", "true", "yes", "on"].contains(&offline.as_str()),
        }
    }

    /// The same hub with another cache folder.
    #[must_use]
    pub fn with_cache(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = cache.into();
        self
    }

    /// The same hub at another address.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// The same hub, asked for a branch, tag or commit other than `main`.
    #[must_use]
    pub fn with_revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = revision.into();
        self
    }

    /// The same hub; if `offline`, only its cache is used.
    #[must_use]
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Fetches a model and loads it as [`open_encoder`] loads a folder.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Hub`] if it cannot be fetched, and those of [`open_encoder`].
    pub fn open(&self, name: &str, device: &Device) -> Result<Box<dyn TextEncoder>, Error> {
        open_encoder(self.fetch(name)?, device)
    }

    /// Fetches the files of an encoder that are not in the cache, and returns their folder.
    ///
    /// # Errors
    ///
    /// Returns [`HubError::Name`] for an invalid name, and offline [`HubError::NotCached`]. Online, returns
    /// [`HubError::NotFound`], [`HubError::Request`] (for example without a network), [`HubError::Missing`],
    /// [`HubError::Damaged`] (for example if a body was cut off), [`HubError::File`] or [`HubError::Cache`].
    pub fn fetch(&self, name: &str) -> Result<PathBuf, HubError> {
        if !is_name(name) {
            return Err(HubError::Name { name: name.into() });
        }
        if self.offline {
            return self.cached(name).ok_or_else(|| HubError::NotCached {
                name: name.into(),
                revision: self.revision.clone(),
                cache: self.cache.clone(),
            });
        }
        let api = self.api(name)?;
        let listing = self.listing(&api, name)?;
        if let Some(file) = listing.missing() {
            return Err(HubError::Missing {
                endpoint: self.endpoint.clone(),
                name: name.into(),
                file,
            });
        }
        let cache = Cache::new(self.cache.clone());
        let folder = cache.repo(self.repo(name)).pointer_path(&listing.sha);
        for file in listing.wanted() {
            self.file(&api, name, &listing.sha, &folder, file)?;
        }
        // Only now, so that a model of which a part is missing is not found offline.
        let reference = cache.repo(self.repo(name));
        let created = reference.create_ref(&listing.sha);
        created.map_err(|source| HubError::Cache {
            path: folder.clone(),
            source,
        })?;
        Ok(folder)
    }

    fn repo(&self, name: &str) -> Repo {
        Repo::with_revision(name.into(), RepoType::Model, self.revision.clone())
    }

    /// The folder that the cache has for the revision, with a configuration and weights.
    fn cached(&self, name: &str) -> Option<PathBuf> {
        let cache = Cache::new(self.cache.clone());
        let config = cache.repo(self.repo(name)).get(CONFIG).or_else(|| {
            // A commit is found without a reference.
            let folder = cache.repo(self.repo(name)).pointer_path(&self.revision);
            Some(folder.join(CONFIG)).filter(|config| config.exists())
        })?;
        let folder = config.parent()?;
        let weights = WEIGHTS.iter().any(|file| folder.join(file).exists());
        weights.then(|| folder.to_owned())
    }

    fn api(&self, name: &str) -> Result<Api, HubError> {
        let builder = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_progress(false);
        let builder = match &self.token {
            Some(token) => builder.with_token(Some(token.clone())),
            None => builder,
        };
        builder
            .build()
            .map_err(|error| self.request(name, error.to_string()))
    }

    fn listing(&self, api: &Api, name: &str) -> Result<Listing, HubError> {
        let asked = guarded("the answer could not be handled", || {
            let request = api.repo(self.repo(name)).info_request();
            Ok::<_, ApiError>(match request.query("blobs", "true").call() {
                Ok(mut answer) => Ok(answer.body_mut().read_json::<Listing>()),
                Err(error) => Err(error.to_string()),
            })
        });
        let listing = match asked.and_then(|asked| asked) {
            Ok(Ok(listing)) => listing,
            Ok(Err(error)) => return Err(self.request(name, error.to_string())),
            Err(message) if is_refusal(&message) => {
                return Err(HubError::NotFound {
                    endpoint: self.endpoint.clone(),
                    name: name.into(),
                    revision: self.revision.clone(),
                });
            }
            Err(message) => return Err(self.request(name, message)),
        };
        match listing.has_commit() {
            true => Ok(listing),
            false => Err(self.request(name, format!("{:?} is no commit", listing.sha))),
        }
    }

    /// Fetches one file of a commit into `folder`, if it is not there, and checks it.
    fn file(
        &self,
        api: &Api,
        name: &str,
        commit: &str,
        folder: &Path,
        file: &Sibling,
    ) -> Result<(), HubError> {
        let path = folder.join(&file.rfilename);
        if !path.exists() {
            let repo = Repo::with_revision(name.into(), RepoType::Model, commit.into());
            let fetched = guarded("the answer could not be handled", || {
                api.repo(repo).download(&file.rfilename)
            });
            let what = format!("{name}/{}", file.rfilename);
            let there = fetched.map_err(|message| self.request(&what, message))?;
            if there != path {
                let message = format!("the file came from another commit than {commit}");
                return Err(self.request(&what, message));
            }
        }
        check(&path, file)
    }

    fn request(&self, name: &str, message: String) -> HubError {
        let model = name.split('/').take(2).collect::<Vec<_>>().join("/");
        let advice = match self.cached(&model).or_else(|| self.cached(name)) {
            Some(folder) => format!(
                "an earlier copy in {} is used if HF_HUB_OFFLINE=1 is set",
                folder.display()
            ),
            None => "check the network, HF_ENDPOINT and HTTPS_PROXY, or download the model elsewhere and give its folder"
                .into(),
        };
        HubError::Request {
            endpoint: self.endpoint.clone(),
            name: name.into(),
            message,
            advice,
        }
    }
}

/// NAME or OWNER/NAME, of characters that mean nothing in an address or a path.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    name.split('/').count() <= 2 && name.split('/').all(part)
}

/// Whether the hub answered that it does not have the model, or does not show it.
fn is_refusal(message: &str) -> bool {
    ["401", "403", "404"]
        .iter()
        .any(|status| message.ends_with(status))
}

#[cfg(test)]
mod tests {
    use super::{HuggingFaceHub, is_name};

    #[test]
    fn names_are_checked_before_they_become_addresses_and_paths() {
        for name in ["gpt2", "openai/clip-vit-base-patch32", "a/B_1.5-x"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "", "/", "a/", "/a", "a/b/c", "../x", "a/..", "a b", "a?b", "a%2Fb", "ä", "a\\b",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        let hub = HuggingFaceHub {
            token: Some("hf_secret".into()),
            ..HuggingFaceHub::from_env()
        };
        let shown = format!("{hub:?} {hub:#?}");
        assert!(
            shown.contains("***") && !shown.contains("hf_secret"),
            "{shown}"
        );
    }
}
