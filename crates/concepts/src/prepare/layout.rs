use std::path::{Path, PathBuf};

use super::manifest::folder;
use super::shards::{Sample, ShardSettings, ShardWriter};
use crate::{Aligned, Error, Pair, Split, write_aligned, write_pairs};

/// How pairs are laid out on the disk.
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
    /// Writes the pairs of one split below `dir`; nothing where there are none. `prompt` goes into WebDataset's texts.
    /// Gives the folder or the shards.
    ///
    /// ```
    /// use concepts::prepare::PairLayout;
    /// use concepts::{Pair, Split};
    ///
    /// let dir = tempfile::tempdir().unwrap();
    /// let image = image::RgbImage::new(8, 8);
    /// let pairs = [Pair { name: "a".to_owned(), input: image.clone(), target: image }];
    /// let written = PairLayout::WebDataset.write(dir.path(), Split::Test, &pairs, "green fog")?;
    /// assert_eq!(written, [dir.path().join("test-000000.tar")]);
    /// # Ok::<(), concepts::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`write_pairs`], [`write_aligned`] and [`ShardWriter`].
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
        let below = dir.join(folder(split));
        match self {
            Self::Folders => write_pairs(&below, pairs).map(|()| vec![below]),
            Self::Aligned(order) => write_aligned(&below, pairs, order).map(|()| vec![below]),
            Self::WebDataset => {
                let mut shards = ShardWriter::new(dir, folder(split), ShardSettings::default())?;
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
