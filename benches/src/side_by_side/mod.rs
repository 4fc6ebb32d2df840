//! The Rust side of `tools/pytorch_reference/compare.py`.
//!
//! [`prepare`] writes what both sides read into a folder: `task.json`, a [`Spec`], beside weights and
//! inputs as safetensors. [`open`] reads them back, and [`serve`] repeats the task when told to.

mod codec;
mod encode;
mod files;
mod gan;
mod matmul;
mod merge;
mod predict;
mod protocol;
mod unet_step;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use finetune::Recipe;
use lora_gan::{GeneratorConfig, HybridGenerator};
use serde::{Deserialize, Serialize};
use weight_blocks::NamedTensors;
use weight_diffusion::{SampleOptions, TrainConfig, UNet1dConfig};

pub use self::encode::prompts;
pub use self::protocol::{memory_mib, serve};
use crate::{Result, layout_of};

/// The tasks by name.
pub const TASKS: [&str; 10] = [
    "matmul",
    "predict-paper",
    "predict-compact",
    "unet-step-paper",
    "unet-step-compact",
    "gan-paper",
    "gan-compact",
    "merge",
    "codec",
    "encode",
];

/// What a task is made of, beside weights and inputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Spec {
    /// The product of two square matrices: the machine's rate.
    Matmul {
        /// Rows and columns.
        size: usize,
    },
    /// All blocks of one network in one step.
    Predict {
        /// The network.
        unet: UNet1dConfig,
        /// N.
        blocks: usize,
        /// t, seed and batch size.
        options: SampleOptions,
    },
    /// One step of the weight generator's training.
    UnetStep {
        /// The network.
        unet: UNet1dConfig,
        /// Batch and optimizer.
        train: TrainConfig,
        /// N.
        blocks: usize,
        /// Networks in the data set.
        networks: usize,
    },
    /// One step of discriminator and adapter.
    Gan {
        /// The generator.
        generator: GeneratorConfig,
        /// Losses and optimizers.
        recipe: Recipe,
    },
    /// The adapter folded into the base.
    Merge {
        /// The generator.
        generator: GeneratorConfig,
    },
    /// An adapter into blocks and back.
    Codec {
        /// The generator.
        generator: GeneratorConfig,
        /// Tensors in the order of the layout, with their shapes.
        tensors: Vec<(String, Vec<usize>)>,
        /// N.
        blocks: usize,
    },
    /// Prompts into tokens and vectors.
    Encode {
        /// Folder of the text model; none is the encoder that is compiled in.
        model: Option<PathBuf>,
        /// The prompts.
        prompts: Vec<String>,
        /// Prompts at a time.
        batch_size: usize,
    },
}

/// Sizes other than a task's own.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// N of predictions and of the data set.
    pub blocks: Option<usize>,
    /// Rows of a batch.
    pub batch: Option<usize>,
    /// Folder of the text model.
    pub text_model: Option<PathBuf>,
}

/// Something to repeat.
pub trait Task {
    /// One repetition.
    ///
    /// # Errors
    /// Those of the library.
    fn run(&mut self) -> Result<()>;

    /// What the other side must come to as well.
    ///
    /// # Errors
    /// Those of the library.
    fn output(&mut self) -> Result<NamedTensors>;
}

/// Writes the files of task `name` into `dir`.
///
/// # Errors
/// For a name that is none of [`TASKS`], and where a file cannot be written.
pub fn prepare(name: &str, sizes: &Sizes, dir: &Path, device: &Device) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let spec = spec(name, sizes, device)?;
    match &spec {
        Spec::Matmul { size } => matmul::prepare(*size, dir)?,
        Spec::Predict {
            unet,
            blocks,
            options,
        } => predict::prepare(unet, *blocks, options, dir, device)?,
        Spec::UnetStep {
            unet,
            train,
            blocks,
            networks,
        } => {
            unet_step::prepare(unet, train, (*blocks, *networks), dir, device)?;
        }
        Spec::Gan { generator, recipe } => gan::prepare(generator, recipe, dir, device)?,
        Spec::Merge { generator } | Spec::Codec { generator, .. } => {
            gan::prepare_adapter(generator, dir, device)?;
        }
        Spec::Encode { .. } => {}
    }
    files::write_json(&dir.join("task.json"), &spec)
}

/// Reads the task that lies in `dir`.
///
/// # Errors
/// Names the file that is missing or damaged.
pub fn open(dir: &Path, device: &Device) -> Result<Box<dyn Task>> {
    Ok(match files::read_json(&dir.join("task.json"))? {
        Spec::Matmul { .. } => Box::new(matmul::Matmul::open(dir, device)?),
        Spec::Predict {
            unet,
            blocks,
            options,
        } => Box::new(predict::Predict::open(&unet, blocks, options, dir, device)?),
        Spec::UnetStep {
            unet,
            train,
            blocks,
            networks,
        } => {
            let data = (blocks, networks);
            Box::new(unet_step::UnetStep::open(&unet, train, data, dir, device)?)
        }
        Spec::Gan { recipe, .. } => Box::new(gan::GanStep::open(recipe, dir, device)?),
        Spec::Merge { .. } => Box::new(merge::Merge::open(dir, device)?),
        Spec::Codec { generator, .. } => Box::new(codec::Codec::open(&generator, dir, device)?),
        Spec::Encode {
            model,
            prompts,
            batch_size,
        } => Box::new(encode::Encode::open(
            model.as_deref(),
            prompts,
            batch_size,
            device,
        )?),
    })
}

fn spec(name: &str, sizes: &Sizes, device: &Device) -> Result<Spec> {
    let (kind, preset) = match name.rsplit_once('-') {
        Some((kind, "paper")) => (kind, Some(true)),
        Some((kind, "compact")) => (kind, Some(false)),
        _ => (name, None),
    };
    let paper = preset.unwrap_or(true);
    let generator = if paper {
        GeneratorConfig::paper()
    } else {
        GeneratorConfig::compact()
    };
    let unet = if paper {
        UNet1dConfig::paper()
    } else {
        UNet1dConfig::compact()
    };
    let blocks = || -> Result<usize> {
        match sizes.blocks {
            Some(blocks) => Ok(blocks),
            None => Ok(layout_of(&HybridGenerator::new(&generator, 0, device)?)?.blocks()),
        }
    };
    Ok(match (kind, preset) {
        ("matmul", None) => Spec::Matmul {
            size: sizes.batch.unwrap_or(1024),
        },
        ("predict", Some(_)) => {
            let mut options = SampleOptions::noise_end(&unet.schedule);
            options.batch_size = sizes.batch.unwrap_or(options.batch_size);
            Spec::Predict {
                blocks: blocks()?,
                options,
                unet,
            }
        }
        ("unet-step", Some(_)) => Spec::UnetStep {
            train: unet_step::config(paper, sizes.batch),
            blocks: blocks()?,
            networks: 8,
            unet,
        },
        ("gan", Some(_)) => Spec::Gan {
            recipe: gan::recipe(paper, sizes.batch),
            generator,
        },
        ("merge", None) => Spec::Merge { generator },
        ("codec", None) => {
            let layout = layout_of(&HybridGenerator::new(&generator, 0, device)?)?;
            let tensors = layout.tensors();
            Spec::Codec {
                tensors: tensors.map(|t| (t.name.clone(), t.shape.clone())).collect(),
                blocks: layout.blocks(),
                generator,
            }
        }
        ("encode", None) => Spec::Encode {
            model: sizes.text_model.clone(),
            prompts: encode::prompts(),
            batch_size: sizes.batch.unwrap_or(32),
        },
        _ => return Err(format!("no task {name:?}; there are {}", TASKS.join(", ")).into()),
    })
}
