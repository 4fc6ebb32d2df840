//! Embeddings kept on disk.

mod entry;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use encoded_text::EncodedPrompt;
use tensor_file::digest::Sha256;

use crate::files::io;
use crate::{Error, TextEncoder};
use entry::Entry;

/// An encoder that keeps its results in a folder, and reads them from there the next time.
///
/// An entry belongs to the encoder's digest, its `max_tokens` and the prompt, so that one folder can serve many encoders
/// without mixing up their vectors. Entries are written to a temporary name and renamed, so several processes may share a
/// folder. A damaged entry (its SHA-256 is stored with it) is computed again, with a warning through [`log`]. Results from
/// the cache equal computed ones bit for bit.
///
/// ```
/// use text_encoder::{CachedEncoder, StaticEncoder, TextEncoder};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "embedded")] {
/// let folder = tempfile::tempdir()?;
/// let encoder = CachedEncoder::new(StaticEncoder::embedded()?, folder.path())?;
/// let computed = encoder.encode(&["charcoal sketch"])?;
/// assert_eq!(encoder.encode(&["charcoal sketch"])?, computed); // read from the folder
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CachedEncoder<E> {
    encoder: E,
    dir: PathBuf,
}

impl<E: TextEncoder> CachedEncoder<E> {
    /// Caches `encoder`'s results below `dir`, which is created if needed.
    ///
    /// # Errors
    ///
    /// Returns [`Error::File`] if the folder cannot be made.
    pub fn new(encoder: E, dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        match fs::create_dir_all(&dir) {
            Ok(()) => Ok(Self { encoder, dir }),
            Err(source) => Err(io(&dir, source)),
        }
    }

    /// The encoder without its cache.
    pub fn into_inner(self) -> E {
        self.encoder
    }

    /// The file of a prompt's entry, whether it exists or not.
    pub fn entry_path(&self, prompt: &str) -> PathBuf {
        let mut hasher = Sha256::new();
        for part in [self.digest(), &self.max_tokens().to_string(), prompt] {
            hasher.update_part(part);
        }
        let key = hasher.finish_hex();
        // A folder with a million files is slow on some file systems.
        self.dir.join(&key[..2]).join(format!("{key}.safetensors"))
    }

    fn entry<'a>(&'a self, prompt: &'a str) -> Entry<'a> {
        Entry {
            encoder: self.digest(),
            prompt,
            width: self.width(),
            pooled_width: self.pooled_width(),
            max_tokens: self.max_tokens(),
        }
    }

    fn read(&self, path: &Path, prompt: &str) -> Result<Option<EncodedPrompt>, Error> {
        match self.entry(prompt).read(path)? {
            entry::Found::Nothing => Ok(None),
            entry::Found::Good(encoding) => Ok(Some(encoding)),
            entry::Found::Damaged(why) => {
                log::warn!(
                    "the cached embedding {} is damaged ({why}): computing it again",
                    path.display()
                );
                Ok(None)
            }
        }
    }
}

impl<E: TextEncoder> TextEncoder for CachedEncoder<E> {
    fn name(&self) -> &str {
        self.encoder.name()
    }

    fn digest(&self) -> &str {
        self.encoder.digest()
    }

    fn width(&self) -> usize {
        self.encoder.width()
    }

    fn pooled_width(&self) -> usize {
        self.encoder.pooled_width()
    }

    fn max_tokens(&self) -> usize {
        self.encoder.max_tokens()
    }

    /// The prompts that are not in the folder go through the encoder together, each once.
    ///
    /// # Errors
    ///
    /// Those of the encoder; [`Error::File`] for an entry that exists but cannot be read, or cannot be written.
    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, Error> {
        if prompts.is_empty() {
            return Err(Error::NoPrompts);
        }
        let mut known: HashMap<&str, EncodedPrompt> = HashMap::new();
        let mut missing: Vec<(usize, &str)> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for (index, &prompt) in prompts.iter().enumerate() {
            if !seen.insert(prompt) {
                continue;
            }
            match self.read(&self.entry_path(prompt), prompt)? {
                Some(encoding) => drop(known.insert(prompt, encoding)),
                None => missing.push((index, prompt)),
            }
        }
        if !missing.is_empty() {
            let texts: Vec<&str> = missing.iter().map(|&(_, prompt)| prompt).collect();
            let computed = self
                .encoder
                .encode(&texts)
                .map_err(|error| with_callers_index(error, &missing))?;
            for (prompt, encoding) in texts.into_iter().zip(computed) {
                let path = self.entry_path(prompt);
                self.entry(prompt).write(&path, &encoding)?;
                known.insert(prompt, encoding);
            }
        }
        Ok(prompts
            .iter()
            .filter_map(|prompt| known.get(prompt).cloned())
            .collect())
    }
}

/// The encoder saw the missing prompts only; the indices in its errors become those of the caller's prompts.
fn with_callers_index(error: Error, missing: &[(usize, &str)]) -> Error {
    let original = |index: usize| missing.get(index).map_or(index, |&(i, _)| i);
    match error {
        Error::EmptyPrompt { index, prompt } => Error::EmptyPrompt {
            index: original(index),
            prompt,
        },
        Error::Tokenize { index, message } => Error::Tokenize {
            index: original(index),
            message,
        },
        other => other,
    }
}
