//! How pairs are laid out on the disk, for the command line.

use clap::ValueEnum;
use concepts::pairs::{Aligned, PairLayout};

/// `--layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// input/ and target/
    Folders,
    /// pix2pix's, photo left
    Aligned,
    /// pix2pix's, edit left
    AlignedReversed,
    /// tar shards
    Webdataset,
}

impl From<Layout> for PairLayout {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Folders => Self::Folders,
            Layout::Aligned => Self::Aligned(Aligned::InputLeft),
            Layout::AlignedReversed => Self::Aligned(Aligned::TargetLeft),
            Layout::Webdataset => Self::WebDataset,
        }
    }
}
