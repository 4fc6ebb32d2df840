//! The command line.

use std::path::PathBuf;

use clap::Parser;
use concepts::Split;
use denoised_weights::comparison::baselines::Baseline;
use denoised_weights::pairs::{ConceptSource, PairCounts};
use denoised_weights::starts::StartKind;
use denoised_weights::{Assets, Preset};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::Common;
use denoised_weights_examples::options::{DataArgs, ModelArgs, at_least, zoo_files};
use finetune::Recipe;
use weight_diffusion::WeightGenerator;

use crate::measure::Method;
use crate::subjects;

/// The methods that are compared by default.
const METHODS: &str =
    "pix2pix,comod,zero,mean,nearest,best_by_pairs,ridge,wrong_prompt,denoised,auto,denoised_l1";
/// Rows of pictures kept per concept.
const SHOWN: usize = 5;

/// Train the methods that the paper compares on every concept, with several seeds: pix2pix and Co-Mod-GAN
/// from scratch, E²GAN (LoRA from zero), LoRA from the zoo's mean and from its nearest concept, and LoRA
/// from the generated weights. The concepts are those of --pairs, or else the list's 26 former test concepts, which count
/// as validation concepts now; the test set is examples/data/test_concepts.json (for prepare_pairs --concepts, then
/// --pairs). Writes report.html (a single file without dependencies), report.json,
/// report.md, curves and grids. Results are kept: after an interruption, or with more seeds, concepts or
/// methods, the same command continues. Several processes may share a folder.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Your own pairs: a folder per concept in DIR, each with input/ and target/, side-by-side files, or
    /// train/val/test subfolders of these.
    #[arg(long, value_name = "DIR")]
    pub pairs: Option<PathBuf>,
    /// The prompts of --pairs: JSON {"folder": "prompt", ...} [default: each folder's prompt.txt].
    #[arg(long, value_name = "FILE", requires = "pairs")]
    pub prompts: Option<PathBuf>,
    /// The list's 18 validation concepts on validation photos instead of its former test concepts on test photos: for
    /// choosing settings.
    #[arg(long, conflicts_with = "pairs")]
    pub validation: bool,
    /// Maximum number of concepts.
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    pub limit: Option<usize>,
    /// Number of runs of each concept, with seeds that start at --seed.
    #[arg(
        long,
        default_value_t = 3,
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true
    )]
    pub seeds: u64,
    /// What to compare: pix2pix, comod, zero (E²GAN, the reference), random, mean, nearest, interpolated, inverted,
    /// best_by_pairs, ridge, wrong_prompt, denoised (ours), auto (the best start on the pairs) and
    /// denoised_l1 (ours, trained without a discriminator in half the time per step).
    #[arg(long, value_parser = method, value_delimiter = ',', default_value = METHODS)]
    pub methods: Vec<Method>,
    /// Another weight generator for the same base to compare with, as NAME=DIR; may be given several times.
    #[arg(long, value_name = "NAME=DIR", value_parser = named_dir)]
    pub also: Vec<(String, PathBuf)>,
    /// Epochs of E²GAN, LoRA from zero.
    #[arg(
        long,
        default_value_t = 20,
        value_parser = at_least::<usize>(0),
        allow_negative_numbers = true
    )]
    pub epochs: usize,
    /// Epochs of LoRA from all other starts [the paper: a fifth of E²GAN's].
    #[arg(
        long,
        default_value_t = 10,
        value_parser = at_least::<usize>(0),
        allow_negative_numbers = true
    )]
    pub start_epochs: usize,
    /// Epochs of pix2pix [the paper: twice E²GAN's].
    #[arg(
        long,
        default_value_t = 40,
        value_parser = at_least::<usize>(0),
        allow_negative_numbers = true
    )]
    pub pix2pix_epochs: usize,
    /// Epochs of Co-Mod-GAN.
    #[arg(
        long,
        default_value_t = 20,
        value_parser = at_least::<usize>(0),
        allow_negative_numbers = true
    )]
    pub comod_epochs: usize,
    /// Training pairs.
    #[arg(
        long,
        default_value_t = 64,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub n_train: usize,
    /// Choose the training pairs by clusters of the photos' features, as E²GAN does, instead of evenly.
    #[arg(long)]
    pub cluster: bool,
    /// Test pairs.
    #[arg(
        long,
        default_value_t = 60,
        value_parser = at_least::<usize>(2),
        allow_negative_numbers = true
    )]
    pub n_test: usize,
    /// Write the report of earlier results, and measure nothing.
    #[arg(long)]
    pub report_only: bool,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "out/compare")]
    pub out: PathBuf,
}

impl Args {
    /// The concepts, --limit not counted.
    pub(crate) fn subjects(&self) -> Result<Vec<ConceptSource>> {
        match &self.pairs {
            Some(root) => subjects::of_folders(root, self.prompts.as_deref()),
            None => Ok(subjects::of_list(self.measured())),
        }
    }

    /// The paths that the options name.
    pub(crate) fn paths(&self) -> Assets {
        self.data.of(self.model.paths())
    }

    /// Refuses outputs that would replace pairs, photos, files of the models or one another.
    pub(crate) fn check_places(&self) -> Result<()> {
        let paths = self.paths();
        let also = (self.also.iter()).flat_map(|(_, dir)| {
            let names = [WeightGenerator::CONFIG_FILE, WeightGenerator::WEIGHTS_FILE];
            names.map(|name| dir.join(name))
        });
        let outputs = [
            "runs",
            "protocol.json",
            "report.json",
            "report.md",
            "report.html",
            "curves.svg",
            "speedup.svg",
            "grid.png",
        ];
        let places = (self.model.places())
            .reads_all(zoo_files(&paths.zoo))
            .reads_all(also)
            .reads(&paths.feature_network)
            .reads_all(&self.pairs)
            .reads_all(&self.prompts)
            .writes_all(outputs.map(|name| self.out.join(name)));
        self.common.check_places(match self.pairs {
            Some(_) => places,
            None => places.reads_directly_in(&paths.photos),
        })
    }

    /// The split of the concepts of the list, and of the photos that they are measured on.
    pub(crate) fn measured(&self) -> Split {
        if self.validation {
            Split::Validation
        } else {
            Split::Test
        }
    }

    /// The methods without repetitions, those of --also last.
    pub(crate) fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<Method> = Vec::new();
        for method in &self.methods {
            if !methods.contains(method) {
                methods.push(method.clone());
            }
        }
        let also = self.also.iter().enumerate();
        methods.extend(also.map(|(index, (name, _))| Method::Also(index, name.clone())));
        methods
    }

    pub(crate) fn seeds(&self) -> Vec<u64> {
        let count = self.seeds.max(1);
        (0..count).map(|i| self.common.seed + i).collect()
    }

    pub(crate) fn counts(&self) -> PairCounts {
        PairCounts {
            train: if self.cluster {
                usize::MAX
            } else {
                self.n_train
            },
            test: self.n_test,
            shown: SHOWN,
        }
    }

    /// How to train a method.
    pub(crate) fn recipe(&self, method: &Method, seed: u64, preset: Preset) -> Recipe {
        let (recipe, epochs) = match method {
            Method::Scratch(network) => (
                network.recipe(preset),
                match network {
                    Baseline::Pix2pix => self.pix2pix_epochs,
                    Baseline::Comod => self.comod_epochs,
                    Baseline::E2gan => self.epochs,
                },
            ),
            Method::Start(StartKind::Zero) => (preset.fine_tuning(), self.epochs),
            _ => (preset.fine_tuning(), self.start_epochs),
        };
        let gan_weight = match method {
            Method::WithoutGan => 0.0,
            _ => recipe.gan_weight,
        };
        Recipe {
            epochs,
            seed,
            gan_weight,
            ..recipe
        }
    }
}

/// Parses a start, a network from scratch, or the generated start trained without a discriminator.
fn method(text: &str) -> Result<Method, String> {
    if text == Method::WithoutGan.name() {
        return Ok(Method::WithoutGan);
    }
    if let Ok(start) = text.parse() {
        return Ok(Method::Start(start));
    }
    match text.parse() {
        // E²GAN is the start from zero.
        Ok(network) if network != Baseline::E2gan => Ok(Method::Scratch(network)),
        _ => Err(format!(
            "use some of {METHODS},random,interpolated,inverted"
        )),
    }
}

fn named_dir(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, dir))
            if !dir.is_empty()
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') =>
        {
            Ok((name.to_owned(), PathBuf::from(dir)))
        }
        _ => {
            Err("give NAME=DIR, with a name of letters, digits and -, such as 30=out/small".into())
        }
    }
}
