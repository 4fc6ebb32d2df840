//! Network weights as blocks of a fixed size, and collections of them on disk.
//!
//! "Efficient Training with Denoised Neural Weights" (ECCV 2024, §3.1) turns the LoRA weights of a
//! network into N blocks of b values: the tensors of each layer form a group, and groups are
//! flattened, concatenated, zero-padded and cut. This crate is that codec, with:
//!
//! - [`WeightSpace`]: a model (or file) that lists its layer groups and reads and loads them.
//! - [`LoraFile`]: LoRA files of PEFT, diffusers and kohya's sd-scripts as such a space, each layer's scale included.
//! - [`peft`]: PEFT's `adapter_config.json`.
//! - [`Layout`]: groups + [`GroupingRule`] + block size; [`Layout::encode`] and [`Layout::decode`]
//!   are inverses, bit for bit.
//! - [`Normalizer`]: statistics that bring blocks of all layers to one scale, and back;
//!   [`NormalizerFit`] computes them one network at a time.
//! - [`Zoo`]: trained weights of many concepts in a folder: append-only, safe against interruption, and
//!   readable while another process writes.
//! - [`BlockReader`]: single blocks of a zoo's shards, for zoos larger than the memory.
//! - `ModuleSpace` (feature `burn`): any Burn module as a [`WeightSpace`], grouped by a rule.
//! - `module_to_named`, `load_named` and `module` (feature `burn`): any Burn module as [`NamedTensors`].
//!
//! ```
//! use std::collections::BTreeMap;
//! use weight_blocks::{GroupingRule, HostTensor, LayerGroup, LayerKind, Layout, TensorRole, TensorSpec};
//!
//! let spec = |name: &str, shape: &[usize], role| TensorSpec { name: name.into(), shape: shape.to_vec(), role };
//! let layer = LayerGroup {
//!     name: "fc".into(),
//!     kind: LayerKind::Linear,
//!     tensors: vec![
//!         spec("fc.lora_A.weight", &[1, 3], TensorRole::Down),
//!         spec("fc.lora_B.weight", &[2, 1], TensorRole::Up),
//!     ],
//! };
//! let layout = Layout::new("tiny", vec![layer], GroupingRule::Appended, 4)?;
//! assert_eq!(layout.blocks(), 2); // 5 values in blocks of 4
//!
//! let weights = BTreeMap::from([
//!     ("fc.lora_A.weight".into(), HostTensor::new(vec![1, 3], vec![1.0, 2.0, 3.0])?),
//!     ("fc.lora_B.weight".into(), HostTensor::new(vec![2, 1], vec![4.0, 5.0])?),
//! ]);
//! let blocks = layout.encode(&weights)?;
//! assert_eq!(blocks, [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
//! assert_eq!(layout.decode(&blocks)?, weights);
//! # Ok::<(), weight_blocks::Error>(())
//! ```
//!
//! Networks, training and text are left to other crates. Without the feature `burn`, no tensor library is needed.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod block_reader;
pub mod error;
mod fit;
mod grouping;
pub mod layout;
pub mod lora_file;
#[cfg(feature = "burn")]
pub mod module;
#[cfg(feature = "burn")]
mod module_space;
mod normalize;
pub mod peft;
mod space;
pub mod zoo;

pub use block_reader::BlockReader;
pub use error::Error;
pub use fit::NormalizerFit;
pub use grouping::GroupingRule;
pub use layout::Layout;
pub use lora_file::LoraFile;
#[cfg(feature = "burn")]
pub use module::{load_named, module_to_named};
#[cfg(feature = "burn")]
pub use module_space::ModuleSpace;
pub use normalize::{Normalization, Normalizer};
pub use space::{LayerGroup, LayerKind, TensorRole, TensorSpec, WeightSpace, check_tensors};
pub use tensor_file::{HostTensor, NamedTensors};
pub use zoo::{Checkpoint, ConceptRecord, Entry, Zoo};
