//! Diffusion over network weights: from a prompt to the weights of a network, in one step.
//!
//! "Efficient Training with Denoised Neural Weights" (ECCV 2024) cuts the LoRA weights of many
//! fine-tuned networks into blocks, trains a 1-D UNet to remove noise from a block given its index
//! and the network's prompt, and predicts all blocks for a new prompt in a single denoising step.
//!
//! Train on a zoo of networks, save the generator, predict:
//!
//! ```
//! use burn::tensor::Device;
//! use weight_blocks::{
//!     GroupingRule, LayerGroup, LayerKind, Layout, Normalization, Normalizer, TensorRole, TensorSpec,
//! };
//! use weight_diffusion::encoded_text::{EncodedPrompt, EncoderId};
//! use weight_diffusion::{
//!     BlockDataset, BlockSource, BlockTrainer, Precision, SampleOptions, TrainConfig, UNet1dConfig,
//!     WeightGenerator,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::default();
//!
//! // The layers that the weights belong to: one LoRA factor of 40 weights, which makes 3 blocks of 16.
//! let factor = TensorSpec { name: "fc.lora_A.weight".into(), shape: vec![4, 10], role: TensorRole::Down };
//! let layer = LayerGroup { name: "fc".into(), kind: LayerKind::Linear, tensors: vec![factor] };
//! let layout = Layout::new("tiny", vec![layer], GroupingRule::Appended, 16)?;
//!
//! // Two fine-tuned networks, encoded (`Layout::encode`), and their prompts from a text encoder.
//! let network = |scale: f32| (0..48).map(|i| if i < 40 { scale * i as f32 } else { 0.0 }).collect();
//! let networks: Vec<Vec<f32>> = vec![network(0.01), network(-0.02)];
//! let prompt = |value: f32| EncodedPrompt::new(vec![value; 2 * 8], 2);
//! let texts = vec![prompt(0.5), prompt(-0.5)];
//! let normalizer = Normalizer::fit(
//!     &layout, Normalization::PerLayer, networks.iter().map(Vec::as_slice))?;
//! let entries = networks.into_iter().enumerate().collect();
//! let data = BlockDataset::new(layout.clone(), normalizer.clone(), texts.clone(), 8, entries)?;
//!
//! // A network small enough for this page.
//! let unet = UNet1dConfig {
//!     block_size: 16, patch_size: 4, base_channels: 16, context_width: 8, ..UNet1dConfig::compact()
//! };
//! let config = TrainConfig { steps: 3, batch_size: 8, ..TrainConfig::compact() };
//! let mut trainer = BlockTrainer::new(config, &unet, data.spec(), 0, &device)?;
//! while !trainer.is_finished() {
//!     let stats = trainer.step(&data)?;
//!     println!("step {}: loss {:.3}", stats.step, stats.loss);
//! }
//!
//! // The network with everything that its predictions need, in two files.
//! let encoder = EncoderId { name: "constant".into(), digest: "none".into(), width: 8 };
//! let options = SampleOptions::noise_end(&unet.schedule);
//! let generator = WeightGenerator::new(
//!     trainer.ema_model(), layout, normalizer, encoder, data.norm(), "base", options)?;
//! let dir = tempfile::tempdir()?;
//! generator.save(dir.path(), Precision::Half)?;
//!
//! let generator = WeightGenerator::load(dir.path(), &device)?;
//! let prediction = generator.predict(&texts[0], &generator.defaults(), &device)?;
//! assert_eq!(prediction.weights["fc.lora_A.weight"].shape, [4, 10]);
//! if let Some(warning) = prediction.norm_warning() {
//!     println!("{warning}"); // three steps are not enough
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`data`]: records ⟨n, w_n, T⟩ of a zoo, in memory ([`BlockDataset`]) or read from its shards as needed
//!   ([`StreamedBlocks`]).
//! - [`diffusion`]: noise schedules, what the network predicts ([`Parameterization`]), and sampling from any
//!   [`Denoiser`] in one step ([`one_step`]) or in several
//!   ([`multi_step`](diffusion::multi_step): DDIM, ancestral, DPM-Solver++).
//! - [`unet`]: the paper's 1-D UNet.
//! - [`train`]: [`BlockTrainer`] minimises the paper's loss; [`NetworkTrainer`] and [`CombinedTrainer`] train on what the predicted networks do. All can be resumed bit for bit.
//! - [`WeightGenerator`]: the trained artefact on disk, and its [`Prediction`]s.
//!
//! All randomness comes from seeds and is drawn on the host. No backend is named: the
//! [`Device`](burn::tensor::Device) passed in decides. Errors are values that say what to do, and name the
//! file if one is damaged.
//!
//! Out of scope: encoding text, collecting weights, and loading them into a model.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod data;
pub mod diffusion;
mod error;
// Set by cargo-fuzz.
#[allow(unexpected_cfgs)]
#[doc(hidden)]
pub mod fuzzing;
mod prediction;
mod readback;
mod storage;
pub mod train;
pub mod unet;
mod weight_generator;

pub use data::{BlockDataset, BlockSource, StreamedBlocks};
pub use diffusion::{Denoiser, NoiseSchedule, Parameterization, SampleOptions, one_step};
pub use encoded_text;
pub use error::Error;
pub use prediction::Prediction;
pub use storage::Precision;
pub use train::{BlockTrainer, CombinedTrainer, NetworkLoss, NetworkTrainer, TrainConfig};
pub use unet::{UNet1d, UNet1dConfig};
pub use weight_generator::WeightGenerator;
