//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use denoised_weights::Assets;
use denoised_weights::pairs::{PairCounts, read_prompt};
use denoised_weights::starts::StartKind;
use denoised_weights_examples::Result;
use denoised_weights_examples::apply::ApplyArgs;
use denoised_weights_examples::cli::{Common, one_of, prompt};
use denoised_weights_examples::options::{
    MemoryArgs, ModelArgs, ZooArg, at_least, reads_pairs, zoo_files,
};

/// Predict the LoRA weights of your style from its prompt in one denoising step, fine-tune the best start on your
/// pairs, and write the adapter, pictures before and after the training (grid.png) and the quality over
/// time (report.json). `quickstart` with the same --prompt and --pairs compares other starts with this one. After an
/// interruption, the same command continues after the last whole epoch.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub zoo: ZooArg,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// The style, in words [default: the text in the pairs' prompt.txt].
    #[arg(long, value_parser = prompt)]
    prompt: Option<String>,
    /// Your pairs: DIR/input/NAME.* and DIR/target/NAME.*, side-by-side files, or train/val/test
    /// subfolders of these. Without subfolders every fifth pair is kept for measuring.
    #[arg(long, value_name = "DIR")]
    pub pairs: PathBuf,
    /// Which image of a pair becomes which (pix2pix's option).
    #[arg(long, value_enum, ignore_case = true, default_value_t = Direction::AToB)]
    pub direction: Direction,
    /// Maximum number of training pairs.
    #[arg(
        long,
        default_value_t = 64,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub n_train: usize,
    /// If there are more, choose the training pairs by clusters of the photos' features, as E²GAN does,
    /// instead of evenly.
    #[arg(long)]
    pub cluster: bool,
    /// Maximum number of test pairs.
    #[arg(
        long,
        default_value_t = 60,
        value_parser = at_least::<usize>(2),
        allow_negative_numbers = true
    )]
    n_test: usize,
    /// Epochs.
    #[arg(
        long,
        default_value_t = 10,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub epochs: usize,
    /// Where training starts: auto takes the start whose edits are closest to your training targets, by L1 and texture;
    /// or name one.
    #[arg(long, value_parser = one_of::<StartKind>(STARTS.map(StartKind::name)), default_value_t = StartKind::Auto)]
    pub start: StartKind,
    #[command(flatten)]
    pub edits: ApplyArgs,
    /// Folder to write to; one that holds another style's result is refused. Photos of --apply are edited into OUT/edited.
    #[arg(long, value_name = "DIR", default_value = "out/your-style")]
    pub out: PathBuf,
}

/// Which image of a pair becomes which.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// input/ or the left image becomes target/ or the right one
    #[value(name = "AtoB")]
    AToB,
    /// The other way round, as pix2pix's facades needs it
    #[value(name = "BtoA")]
    BToA,
}

/// The starts that a user may want.
const STARTS: [StartKind; 7] = [
    StartKind::Auto,
    StartKind::Denoised,
    StartKind::Zero,
    StartKind::Nearest,
    StartKind::Interpolated,
    StartKind::BestByPairs,
    StartKind::Mean,
];

impl Args {
    /// How many pairs are read; all of them if they are then chosen by clusters.
    pub(crate) fn counts(&self) -> PairCounts {
        PairCounts {
            train: if self.cluster {
                usize::MAX
            } else {
                self.n_train
            },
            test: self.n_test,
            shown: 5,
        }
    }

    /// The style, in words.
    pub(crate) fn prompt(&self) -> Result<String> {
        match &self.prompt {
            Some(prompt) => Ok(prompt.clone()),
            None => read_prompt(&self.pairs)
                .map_err(|error| format!("{error}, or give it with --prompt").into()),
        }
    }

    pub(crate) fn edited(&self) -> PathBuf {
        self.out.join("edited")
    }

    /// The paths that the options name.
    pub(crate) fn paths(&self) -> Assets {
        self.zoo.of(self.model.paths())
    }

    /// Refuses outputs that would replace pairs, photos, files of the model or one another.
    pub(crate) fn check_places(&self) -> Result<()> {
        let places = reads_pairs(self.model.places(), &self.pairs)?
            .reads(self.pairs.join("prompt.txt"))
            .reads_all(zoo_files(&self.paths().zoo))
            .writes_all(
                [
                    "state",
                    "run.json",
                    "start.safetensors",
                    "adapter.safetensors",
                    "report.json",
                    "grid.png",
                ]
                .map(|name| self.out.join(name)),
            );
        let places = self.edits.places(places, &self.edited())?;
        self.common.check_places(places)
    }
}
