//! What a denoiser learns from: records ⟨n, w_n, T⟩ of many networks (paper, §3.1).

mod dataset;
mod prompt_file;
mod source;
mod streamed;

pub(crate) use dataset::l2;
pub use dataset::{BlockDataset, DatasetSpec, NormStats, Record};
pub use source::BlockSource;
pub(crate) use source::draw;
pub use streamed::{Statistics, StreamedBlocks};
