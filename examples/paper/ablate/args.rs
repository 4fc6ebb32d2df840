//! The command line.

use std::path::PathBuf;

use clap::Parser;
use denoised_weights::Assets;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::Common;
use denoised_weights_examples::options::{DataArgs, ModelArgs, at_least, zoo_files};
use weight_blocks::GroupingRule;
use weight_diffusion::{TrainConfig, UNet1dConfig};

use crate::overfit::Cut;

/// Overfit the weight generator on one trained adapter at a time, for each block size and grouping rule,
/// and compare the edits of its one-step prediction with those of the adapter itself. Writes ablate.json,
/// tables.md and a grid.png per concept. After an interruption, the same command continues the training
/// that was interrupted.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Concepts of the zoo whose adapters are learned.
    #[arg(long, value_delimiter = ',', default_values_t = [String::from("charcoal-sketch"), String::from("stained-glass-window")])]
    pub concepts: Vec<String>,
    /// Block sizes b.
    #[arg(long, value_delimiter = ',', default_values_t = [128, 256, 512])]
    pub block_sizes: Vec<usize>,
    /// Grouping rules: 1 appends the tensors of a layer, 2 concatenates its factors along the rank, 3 keeps
    /// each tensor separate.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3], value_parser = clap::value_parser!(u8).range(1..=3))]
    pub rules: Vec<u8>,
    /// Optimizer steps of each training; each sees 32,768 weights.
    #[arg(
        long,
        default_value_t = 600,
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true
    )]
    pub steps: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 2e-3, allow_negative_numbers = true)]
    pub lr: f64,
    /// Width of the UNet.
    #[arg(long, default_value_t = 128)]
    pub channels: usize,
    /// Give each block index an output layer of its own, beside the shared one of the paper's network.
    #[arg(long)]
    pub block_heads: bool,
    /// Weight of Eq. 4 (λ·L1 + conditional GAN loss of the predicted adapter on --pairs-per-step training
    /// photos) beside the paper's loss: the combination that the paper tried and dropped. After an
    /// interruption, such a training starts again, because its discriminator is not saved.
    #[arg(long, value_name = "WEIGHT")]
    pub combined: Option<f64>,
    /// Number of training pairs in each step of --combined.
    #[arg(
        long,
        requires = "combined",
        default_value_t = 4,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub pairs_per_step: usize,
    /// Number of predictions whose median time is reported.
    #[arg(
        long,
        default_value_t = 5,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub repeats: usize,
    /// Number of test photos.
    #[arg(
        long,
        default_value_t = 60,
        value_parser = at_least::<usize>(2),
        allow_negative_numbers = true
    )]
    pub n_test: usize,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "out/ablate")]
    pub out: PathBuf,
}

impl Args {
    /// Refuses outputs that would replace photos, the zoo, the base or one another.
    pub(crate) fn check_places(&self, assets: &Assets) -> Result<()> {
        let places = (self.model.places())
            .reads_all(zoo_files(&assets.zoo))
            .reads(&assets.feature_network)
            .reads_directly_in(&assets.photos)
            .writes_all(["ablate.json", "tables.md"].map(|name| self.out.join(name)))
            .writes_all(self.concepts.iter().map(|name| self.out.join(name)));
        self.common.check_places(places)
    }

    /// All block sizes with each of the rules.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = Cut> {
        let sizes = &self.block_sizes;
        (self.rules.iter()).flat_map(move |number| {
            let rule = match number {
                2 => GroupingRule::Concatenated,
                3 => GroupingRule::Separate,
                _ => GroupingRule::Appended,
            };
            (sizes.iter()).map(move |&block_size| Cut { rule, block_size })
        })
    }

    pub(crate) fn unet(&self, blocks: usize) -> UNet1dConfig {
        UNet1dConfig {
            base_channels: self.channels,
            block_heads: self.block_heads.then_some(blocks),
            ..UNet1dConfig::compact()
        }
    }

    pub(crate) fn training(&self) -> TrainConfig {
        TrainConfig {
            steps: self.steps,
            learning_rate: self.lr,
            // There is a single text; without it the network would learn the same weights.
            text_dropout: 0.0,
            // There is nothing to generalise to.
            weight_decay: 0.0,
            seed: self.common.seed,
            ..TrainConfig::compact()
        }
    }
}
