use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use resumable_runs::io_error;

use super::shards::{Sample, ShardSettings, ShardWriter};
use super::{Aligned, write_aligned, write_pairs};
use crate::{Error, Pair, Split};

/// How pairs are laid out on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PairLayout {
    /// `DIR/{train,val,test}/{input,target}/NAME.png`, as [`read_pair_splits`](crate::read_pair_splits) reads.
    #[default]
    Folders,
    /// pix2pix's `DIR/{train,val,test}/NAME.png`, in either order.
    Aligned(Aligned),
    /// WebDataset's `DIR/{train,val,test}-000000.tar` with `NAME.input.png`, `NAME.target.png`, `NAME.txt`.
    WebDataset,
}

impl PairLayout {
    /// Removes the pairs of all splits that an earlier run wrote below `dir`, in any layout, so that none of them is mixed
    /// with new ones: `DIR/{train,val,test}`, and `DIR/{train,val,test}-000000.tar` and so on. Everything else is kept.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the folder cannot be listed or a file cannot be removed.
    pub fn clear(dir: &Path) -> Result<(), Error> {
        for path in Self::find(dir)? {
            let removed = match path.is_dir() {
                true => std::fs::remove_dir_all(&path),
                false => std::fs::remove_file(&path),
            };
            removed.map_err(io_error("remove", &path))?;
        }
        Ok(())
    }

    /// The folders and shards that [`PairLayout::clear`] would remove.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the folder cannot be listed.
    pub fn find(dir: &Path) -> Result<Vec<PathBuf>, Error> {
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io_error("list", dir))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_error("list", dir))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let is_pairs = [Split::Train, Split::Validation, Split::Test].map(|split| {
                match name.and_then(|name| name.strip_prefix(split.folder())) {
                    Some("") => path.is_dir(),
                    Some(rest) => is_shard(rest) && path.is_file(),
                    None => false,
                }
            });
            if is_pairs.contains(&true) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Writes the pairs of one split below `dir`, and nothing if there are none. `prompt` goes into WebDataset's texts.
    /// Returns the folder or the shards.
    ///
    /// ```
    /// use concepts::pairs::PairLayout;
    /// use concepts::{Pair, Split};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let image = image::RgbImage::new(8, 8);
    /// let pairs = [Pair { name: "a".to_owned(), input: image.clone(), target: image }];
    /// let written = PairLayout::WebDataset.write(dir.path(), Split::Test, &pairs, "green fog")?;
    /// assert_eq!(written, [dir.path().join("test-000000.tar")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the errors of [`write_pairs`] and [`write_aligned`], and [`Error::BadName`] for two pairs whose names differ
    /// only in dots, which WebDataset's keys cannot hold.
    pub fn write(
        self,
        dir: &Path,
        split: Split,
        pairs: &[Pair],
        prompt: &str,
    ) -> Result<Vec<PathBuf>, Error> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let below = dir.join(split.folder());
        match self {
            Self::Folders => write_pairs(&below, pairs).map(|()| vec![below]),
            Self::Aligned(order) => write_aligned(&below, pairs, order).map(|()| vec![below]),
            Self::WebDataset => {
                let mut shards = ShardWriter::new(dir, split.folder(), ShardSettings::default())?;
                for pair in pairs {
                    // A key ends at its first dot.
                    let key = pair.name.replace('.', "_");
                    shards.add(&Sample::pair(&key, pair, prompt)?)?;
                }
                shards.finish()
            }
        }
    }
}

/// `-000000.tar`.
fn is_shard(rest: &str) -> bool {
    rest.strip_prefix('-')
        .and_then(|rest| rest.strip_suffix(".tar"))
        .is_some_and(|number| number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_earlier_runs_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let image = image::RgbImage::new(8, 8);
        let pairs = [Pair {
            name: "a".to_owned(),
            input: image.clone(),
            target: image,
        }];
        for layout in [PairLayout::Folders, PairLayout::WebDataset] {
            layout
                .write(dir.path(), Split::Train, &pairs, "fog")
                .unwrap();
        }
        for kept in ["edits", "training", "train-set"] {
            std::fs::create_dir(dir.path().join(kept)).unwrap();
        }
        for kept in ["prompt.txt", "train-1.tar", "other-000000.tar", "test"] {
            std::fs::write(dir.path().join(kept), "x").unwrap();
        }
        assert_eq!(PairLayout::find(dir.path()).unwrap().len(), 2);
        PairLayout::clear(dir.path()).unwrap();
        assert!(PairLayout::find(dir.path()).unwrap().is_empty());
        let mut left: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let kept = [
            "edits",
            "other-000000.tar",
            "prompt.txt",
            "test",
            "train-1.tar",
            "train-set",
            "training",
        ];
        assert_eq!(left, kept);
        PairLayout::clear(&dir.path().join("none")).unwrap();
    }
}
