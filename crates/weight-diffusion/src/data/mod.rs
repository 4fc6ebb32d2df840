//! What a denoiser learns from: records ⟨n, w_n, T⟩ of many networks (paper, §3.1).

mod dataset;
mod prompt_file;
mod source;
mod streamed;
mod weight_norm;

pub use dataset::BlockDataset;
pub(crate) use source::draw;
pub use source::{BlockSource, DatasetSpec};
pub use streamed::{Statistics, StreamedBlocks};
pub use weight_norm::NormStats;
pub(crate) use weight_norm::l2;
