//! From a prompt to the LoRA weights of an image-editing GAN in one denoising step, and the whole loop around it.
//!
//! From a prompt and a photo to an edited photo on disk; `assets` is the folder of this name in the repository:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let shipped = Assets::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets"));
//! # let files = |assets: &Assets| [assets.base_files(), assets.weight_generator_files()].concat();
//! # for (from, to) in files(&shipped).iter().zip(files(&Assets::new(dir.path().join("assets")))) {
//! #     std::fs::create_dir_all(to.with_file_name(""))?;
//! #     std::fs::copy(from, to)?;
//! # }
//! # std::fs::copy(shipped.photos.join("aitzgorri-by-aitzol-berasategi-00.jpg"), dir.path().join("photo.jpg"))?;
//! # std::env::set_current_dir(&dir)?;
//! use denoised_weights::burn::tensor::Device;
//! use denoised_weights::{AdapterPredictor, Assets};
//!
//! let predictor = AdapterPredictor::load(&Assets::new("assets"), &Device::flex())?;
//! let editor = predictor.editor("teal charcoal sketch")?;
//! editor.edit_file("photo.jpg", "sketch.png")?;
//! # assert_eq!(concepts::read_photos(".".as_ref(), 64)?.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From a folder of pairs (`pairs/input/NAME.jpg` and `pairs/target/NAME.jpg`) to an adapter fine-tuned from the
//! prediction:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let shipped = Assets::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets"));
//! # let files = |assets: &Assets| [assets.base_files(), assets.weight_generator_files()].concat();
//! # for (from, to) in files(&shipped).iter().zip(files(&Assets::new(dir.path().join("assets")))) {
//! #     std::fs::create_dir_all(to.with_file_name(""))?;
//! #     std::fs::copy(from, to)?;
//! # }
//! # std::env::set_current_dir(&dir)?;
//! # let list = concepts::art_concepts();
//! # let sketch = concepts::find(&list, "teal-charcoal-sketch")?;
//! # let photos = concepts::read_photos(&shipped.photos, 64)?;
//! # let pairs: Vec<_> = (photos.into_iter().take(8).enumerate())
//! #     .map(|(i, photo)| concepts::Pair { name: i.to_string(), target: sketch.apply(&photo.image), input: photo.image })
//! #     .collect();
//! # concepts::write_pairs("pairs".as_ref(), &pairs)?;
//! use denoised_weights::burn::tensor::Device;
//! use denoised_weights::finetune::Recipe;
//! use denoised_weights::pairs::read_pair_set;
//! use denoised_weights::{AdapterPredictor, Assets, fine_tune};
//!
//! let device = Device::flex();
//! let predictor = AdapterPredictor::load(&Assets::new("assets"), &device)?;
//! let base = predictor.prompted_base("teal charcoal sketch")?;
//! let pairs = read_pair_set("pairs", base.config.image_size, &device)?;
//! let recipe = Recipe { epochs: 5, ..Recipe::compact() };
//! let adapter = fine_tune(&base, &predictor, &pairs, &recipe, |losses| {
//!     println!("epoch {}: L1 {:.3}", losses.epoch, losses.l1);
//! })?;
//! base.save_adapter("adapter.safetensors", &adapter)?;
//! # assert!(std::fs::metadata("adapter.safetensors")?.len() > 80_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! | task | start at |
//! | --- | --- |
//! | predict an adapter | [`AdapterPredictor`], [`PromptEncoder`], [`Assets`] |
//! | edit photos | [`PhotoEditor`], [`plan_edits`] |
//! | mix adapters, set their strength | [`weights::mix`], [`weights::with_strength`] |
//! | which training prompts a prompt is like | [`PromptNeighbours`] |
//! | fine-tune on pairs, from any start | [`fine_tune()`], [`pairs`], [`starts`] |
//! | pause a fine-tuning and continue it later | [`SavedFineTuning`] |
//! | collect concepts into a zoo | [`collecting::Collector`], and [`collecting::collect`] for any network |
//! | turn LoRA files of other tools into a zoo, and predictions into such files | [`lora_files`] |
//! | train or refine a weight generator | [`training`] |
//! | pretrain a base, of which size | [`pretraining`], [`Preset`] |
//! | compare starts with each other and with networks trained from scratch | [`comparison`], [`weights`] |
//! | how much memory a training needs | [`memory`] |
//! | export for PyTorch and PEFT | [`export`] |
//! | write files atomically, lock and resume runs | [`mod@run`] |
//!
//! The crates whose types are in this interface are re-exported under their own names: [`clean_fid`], [`concepts`],
//! [`finetune`], [`gan_baselines`], [`lora_gan`], [`resumable_runs`], [`tensor_file`], [`text_encoder`], [`weight_blocks`] and
//! [`weight_diffusion`] with its `encoded_text`, and [`burn`] and [`image`] in the versions in use.
//!
//! The library computes wherever the [`Device`](burn::tensor::Device) it is given computes; it names no backend, prints nothing
//! and draws no progress bars: long jobs report to closures.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod assets;
pub mod collecting;
pub mod comparison;
mod edit_plan;
mod editor;
mod error;
pub mod export;
mod fine_tune;
pub mod lora_files;
pub mod memory;
mod neighbours;
pub mod pairs;
mod predictor;
mod preset;
pub mod pretraining;
mod prompt_encoder;
pub mod run;
pub mod starts;
pub mod training;
pub mod weights;
mod whole_photo;

pub use assets::Assets;
pub use edit_plan::{PlannedEdit, plan_edits};
pub use editor::PhotoEditor;
pub use error::Error;
pub use fine_tune::{SavedFineTuning, fine_tune};
pub use neighbours::{Neighbour, PromptNeighbours};
pub use predictor::AdapterPredictor;
pub use preset::Preset;
pub use prompt_encoder::PromptEncoder;
pub use whole_photo::WholeSize;

// The crates whose types are in the interface; `encoded_text` is in `weight_diffusion`.
pub use {
    burn, clean_fid, concepts, finetune, gan_baselines, image, lora_gan, resumable_runs,
    tensor_file, text_encoder, weight_blocks, weight_diffusion,
};
