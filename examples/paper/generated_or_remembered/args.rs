//! The command line.

use std::path::PathBuf;

use clap::Parser;
use denoised_weights::Assets;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::Common;
use denoised_weights_examples::options::{DataArgs, ModelArgs, at_least, zoo_files};

/// For each held-out concept, compare its predicted adapter with the closest adapter of the zoo, with the
/// zoo's mean and with an adapter trained from zero: their weights, and their edits of test photos. Also
/// predict from a wrong prompt, from a random one, and between two prompts. Writes remembered.json,
/// remembered.md and interpolation.png.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Maximum number of held-out concepts.
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    pub limit: Option<usize>,
    /// Epochs of the training from zero.
    #[arg(
        long,
        default_value_t = 10,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub epochs: usize,
    /// Number of training pairs.
    #[arg(
        long,
        default_value_t = 64,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub n_train: usize,
    /// Number of test photos for the quality.
    #[arg(
        long,
        default_value_t = 60,
        value_parser = at_least::<usize>(2),
        allow_negative_numbers = true
    )]
    pub n_test: usize,
    /// Number of test photos on which the edits of all zoo adapters are compared.
    #[arg(long, default_value_t = 12)]
    pub n_compared: usize,
    /// Number of pairs of prompts to interpolate between.
    #[arg(long, default_value_t = 4)]
    pub interpolations: usize,
    /// Folder to write to; trained adapters are kept there and reused.
    #[arg(long, value_name = "DIR", default_value = "out/remembered")]
    pub out: PathBuf,
}

impl Args {
    /// Refuses outputs that would replace photos, the zoo, files of the model or one another.
    pub(crate) fn check_places(&self, assets: &Assets) -> Result<()> {
        let outputs = [
            "remembered.json",
            "remembered.md",
            "interpolation.png",
            "trained",
        ];
        let places = (self.model.places())
            .reads_all(zoo_files(&assets.zoo))
            .reads(&assets.feature_network)
            .reads_directly_in(&assets.photos)
            .writes_all(outputs.map(|name| self.out.join(name)));
        self.common.check_places(places)
    }
}
