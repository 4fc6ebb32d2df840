use std::collections::HashSet;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use crate::{Error, Pair, pairs, store};

/// One sample of a WebDataset: files that share a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The part of the file names before the first dot.
    pub key: String,
    /// Extension (`input.png`, `txt`) and content of each file.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Sample {
    /// `KEY.input.png`, `KEY.target.png` and the prompt in `KEY.txt`.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn pair(key: &str, pair: &Pair, prompt: &str) -> Result<Self, Error> {
        Ok(Self {
            key: key.to_owned(),
            files: vec![
                (
                    "input.png".to_owned(),
                    store::png(&pair.input, Path::new(key))?,
                ),
                (
                    "target.png".to_owned(),
                    store::png(&pair.target, Path::new(key))?,
                ),
                ("txt".to_owned(), prompt.as_bytes().to_vec()),
            ],
        })
    }
}

/// When a shard is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardSettings {
    /// Samples in a shard. Default: 1000.
    pub samples: usize,
    /// Bytes of files in a shard, which is held in memory while it is filled. Default: 256 MiB.
    pub bytes: usize,
}

impl Default for ShardSettings {
    fn default() -> Self {
        Self {
            samples: 1000,
            bytes: 256 << 20,
        }
    }
}

/// Writes WebDataset shards, `DIR/PREFIX-000000.tar` and so on. The same samples give the same bytes; a shard is
/// renamed into place when it is full.
///
/// ```
/// use concepts::prepare::{Sample, ShardSettings, ShardWriter};
///
/// let dir = tempfile::tempdir()?;
/// let mut shards = ShardWriter::new(dir.path(), "fog-train", ShardSettings::default())?;
/// shards.add(&Sample { key: "first".to_owned(), files: vec![("txt".to_owned(), b"green fog".to_vec())] })?;
/// assert_eq!(shards.finish()?, [dir.path().join("fog-train-000000.tar")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ShardWriter {
    dir: PathBuf,
    prefix: String,
    settings: ShardSettings,
    tar: Builder<Vec<u8>>,
    samples: usize,
    keys: HashSet<String>,
    written: Vec<PathBuf>,
}

impl ShardWriter {
    /// Writes below `dir`, which is created.
    ///
    /// # Errors
    /// [`Error::BadName`] for a prefix that is no file name, [`Error::BadSetting`], [`Error::Io`].
    pub fn new(dir: &Path, prefix: &str, settings: ShardSettings) -> Result<Self, Error> {
        pairs::check_name(prefix)?;
        if settings.samples == 0 || settings.bytes == 0 {
            return Err(Error::BadSetting {
                setting: "shard size",
                message: "samples and bytes must be above zero".to_owned(),
            });
        }
        store::create_dir(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            prefix: prefix.to_owned(),
            settings,
            tar: Builder::new(Vec::new()),
            samples: 0,
            keys: HashSet::new(),
            written: Vec::new(),
        })
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// [`Error::BadName`] for a key that was there before, or has a dot (WebDataset's keys end at the first one), or
    /// cannot be a file name; likewise for extensions. [`Error::Io`] when a full shard cannot be written.
    pub fn add(&mut self, sample: &Sample) -> Result<(), Error> {
        let bad = |name: &str| Error::BadName {
            name: name.to_owned(),
        };
        pairs::check_name(&sample.key)?;
        if sample.key.contains('.') || !self.keys.insert(sample.key.clone()) {
            return Err(bad(&sample.key));
        }
        for (extension, _) in &sample.files {
            pairs::check_name(extension)?;
        }
        let size: usize = sample.files.iter().map(|(_, bytes)| bytes.len()).sum();
        let held = self.tar.get_ref().len();
        if self.samples == self.settings.samples
            || (self.samples > 0 && held + size > self.settings.bytes)
        {
            self.close()?;
        }
        for (extension, bytes) in &sample.files {
            let name = format!("{}.{extension}", sample.key);
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            self.tar
                .append_data(&mut header, &name, &bytes[..])
                .map_err(store::io("add to the shard", Path::new(&name)))?;
        }
        self.samples += 1;
        Ok(())
    }

    /// Writes the last shard; gives the paths of all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<Vec<PathBuf>, Error> {
        if self.samples > 0 {
            self.close()?;
        }
        Ok(self.written)
    }

    fn close(&mut self) -> Result<(), Error> {
        let path = self
            .dir
            .join(format!("{}-{:06}.tar", self.prefix, self.written.len()));
        let full = std::mem::replace(&mut self.tar, Builder::new(Vec::new()));
        let bytes = full.into_inner().map_err(store::io("finish", &path))?;
        store::write(&path, &bytes)?;
        self.samples = 0;
        self.written.push(path);
        Ok(())
    }
}
