//! Folders of image pairs: `input/` and `target/`, pix2pix's aligned files, WebDataset shards.

mod aligned;
mod folders;
mod layout;
mod shards;

pub use aligned::{Aligned, read_aligned, write_aligned};
pub use folders::{Pair, PairSplits, check_name, read_pair_splits, read_pairs, write_pairs};
pub use layout::PairLayout;
