use std::collections::HashSet;
use std::path::{Path, PathBuf};

use resumable_runs::{create_dir, io_error, write_unsynced};
use tar::{Builder, EntryType, Header};

use super::check_name;
use crate::images::encode_png;
use crate::{Error, Pair};

/// One sample of a WebDataset: the files that share a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// The part of the file names before the first dot.
    pub(super) key: String,
    /// Extension (`input.png`, `txt`) and content of each file.
    pub(super) files: Vec<(String, Vec<u8>)>,
}

impl Sample {
    /// `KEY.input.png`, `KEY.target.png` and the prompt in `KEY.txt`.
    pub(super) fn pair(key: &str, pair: &Pair, prompt: &str) -> Result<Self, Error> {
        Ok(Self {
            key: key.to_owned(),
            files: vec![
                (
                    "input.png".to_owned(),
                    encode_png(&pair.input, Path::new(key))?,
                ),
                (
                    "target.png".to_owned(),
                    encode_png(&pair.target, Path::new(key))?,
                ),
                ("txt".to_owned(), prompt.as_bytes().to_vec()),
            ],
        })
    }
}

/// The size of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShardSettings {
    /// Samples in a shard. Default: 1000.
    pub(super) samples: usize,
    /// Bytes of the files in a shard, which is held in memory until it is full. Default: 256 MiB.
    pub(super) bytes: usize,
}

impl Default for ShardSettings {
    fn default() -> Self {
        Self {
            samples: 1000,
            bytes: 256 << 20,
        }
    }
}

/// Writes WebDataset shards, `DIR/PREFIX-000000.tar` and so on. The same samples give the same bytes. A shard is renamed
/// into place when it is full.
pub(super) struct ShardWriter {
    dir: PathBuf,
    prefix: String,
    settings: ShardSettings,
    tar: Builder<Vec<u8>>,
    samples: usize,
    keys: HashSet<String>,
    written: Vec<PathBuf>,
}

impl ShardWriter {
    /// Writes below `dir`, which is created. The prefix must be a file name.
    pub(super) fn new(dir: &Path, prefix: &str, settings: ShardSettings) -> Result<Self, Error> {
        check_name(prefix)?;
        create_dir(dir)?;
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

    /// Adds a sample. Its key must be new, be a file name and have no dot, because WebDataset's keys end at the first one.
    pub(super) fn add(&mut self, sample: &Sample) -> Result<(), Error> {
        let bad = |name: &str| Error::BadName {
            name: name.to_owned(),
        };
        check_name(&sample.key)?;
        if sample.key.contains('.') || !self.keys.insert(sample.key.clone()) {
            return Err(bad(&sample.key));
        }
        for (extension, _) in &sample.files {
            check_name(extension)?;
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
                .map_err(io_error("add to the shard", Path::new(&name)))?;
        }
        self.samples += 1;
        Ok(())
    }

    /// Writes the last shard. Returns the paths of all shards.
    pub(super) fn finish(mut self) -> Result<Vec<PathBuf>, Error> {
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
        let bytes = full.into_inner().map_err(io_error("finish", &path))?;
        write_unsynced(&path, &bytes)?;
        self.samples = 0;
        self.written.push(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use image::{Rgb, RgbImage};

    use super::*;

    fn picture(seed: u32) -> RgbImage {
        RgbImage::from_fn(8, 8, |x, y| {
            Rgb([(x * 3 + seed) as u8, (y * 5) as u8, ((x + y) * seed) as u8])
        })
    }

    fn members(path: &Path) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                (entry.path().unwrap().to_string_lossy().into_owned(), bytes)
            })
            .collect()
    }

    #[test]
    fn shards_hold_samples_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let write = |prefix: &str| {
            let settings = ShardSettings {
                samples: 2,
                ..ShardSettings::default()
            };
            let mut shards = ShardWriter::new(dir.path(), prefix, settings).unwrap();
            for name in ["a", "b", "c"] {
                let pair = Pair {
                    name: name.to_owned(),
                    input: picture(1),
                    target: picture(2),
                };
                shards
                    .add(&Sample::pair(name, &pair, "green fog").unwrap())
                    .unwrap();
            }
            shards.finish().unwrap()
        };
        let paths = write("fog");
        assert_eq!(paths.len(), 2);
        let first = members(&paths[0]);
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "a.input.png",
                "a.target.png",
                "a.txt",
                "b.input.png",
                "b.target.png",
                "b.txt"
            ]
        );
        assert_eq!(first[2].1, b"green fog");
        assert_eq!(
            image::load_from_memory(&first[1].1).unwrap().into_rgb8(),
            picture(2)
        );
        assert_eq!(members(&paths[1]).len(), 3);
        // The same bytes again, whatever the time.
        let again = write("again");
        for (a, b) in paths.iter().zip(&again) {
            assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
        }

        let mut shards = ShardWriter::new(dir.path(), "x", ShardSettings::default()).unwrap();
        let sample = |key: &str| Sample {
            key: key.to_owned(),
            files: vec![("txt".to_owned(), Vec::new())],
        };
        shards.add(&sample("a")).unwrap();
        for bad in ["a", "a.b", "../a", "", ".a"] {
            assert!(
                matches!(shards.add(&sample(bad)), Err(Error::BadName { .. })),
                "{bad}"
            );
        }
        assert!(ShardWriter::new(dir.path(), "../x", ShardSettings::default()).is_err());
        // Long names are kept whole.
        let long = "n".repeat(180);
        shards.add(&sample(&long)).unwrap();
        let path = &shards.finish().unwrap()[0];
        assert_eq!(members(path)[1].0, format!("{long}.txt"));
    }
}
