//! Folders of image pairs: `input/` and `target/`, pix2pix's aligned files, WebDataset shards.

mod aligned;
mod files;
mod folders;
mod layout;
mod shards;

pub use aligned::{Aligned, read_aligned, write_aligned};
pub use files::{PairFile, cut_in_two, list_pairs, list_training_pairs, same_proportions};
pub use folders::{
    Pair, PairSplits, check_name, name_of, read_pair_splits, read_pairs, write_pairs,
};
pub use layout::PairLayout;

const INPUT: &str = "input";
const TARGET: &str = "target";
