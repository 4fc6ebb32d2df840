//! The command line.

use std::path::PathBuf;

use clap::Parser;
use concepts::{Split, art_concepts, find};
use denoised_weights::pairs::{ConceptSource, PairCounts, PhotoSplits, concepts_of};
use denoised_weights::starts::StartKind;
use denoised_weights::{Assets, Preset};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, one_of, prompt};
use denoised_weights_examples::options::{
    DataArgs, MemoryArgs, ModelArgs, SampleArgs, at_least, reads_pairs, zoo_files,
};
use finetune::Recipe;
use weight_blocks::Zoo;

use super::results::RESULTS;

/// Predict a concept's LoRA weights from its text in one denoising step, fine-tune them, and train from other starts on the
/// same data (--methods). Writes grid.png (images before and after), curves.svg, report.json, start.safetensors (the
/// prediction) and adapter.safetensors (fine-tuned).
#[derive(Parser)]
#[command(mut_arg("preset", |preset| preset.default_value(Preset::Photo.name())))]
pub(crate) struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// A held-out concept of the shipped list [default: teal-charcoal-sketch].
    #[arg(long, conflicts_with_all = ["prompt", "all_held_out", "validation"])]
    pub concept: Option<String>,
    /// Your own concept, in words; needs --pairs.
    #[arg(long, value_parser = prompt, requires = "pairs", conflicts_with_all = ["all_held_out", "validation"])]
    pub prompt: Option<String>,
    /// Your own pairs: DIR/input/NAME.* and DIR/target/NAME.*, side-by-side files, or train/val/test
    /// subfolders of these.
    #[arg(long, value_name = "DIR", requires = "prompt")]
    pub pairs: Option<PathBuf>,
    /// The list's 26 former test concepts, one after another. They count as validation concepts now; the test set is
    /// examples/data/test_concepts.json (for prepare_pairs --concepts, then compare --pairs).
    #[arg(long, group = "several")]
    pub all_held_out: bool,
    /// All validation concepts on the validation photos: for choosing settings, not for reporting.
    #[arg(long, group = "several")]
    pub validation: bool,
    /// Maximum number of concepts of --all-held-out or --validation.
    #[arg(
        long,
        requires = "several",
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub limit: Option<usize>,
    /// Starts to train from; zero is the reference for the times [default: zero, nearest, denoised, auto; at 64×64 also
    /// wrong_prompt].
    #[arg(long, value_parser = one_of::<StartKind>(StartKind::ALL.map(StartKind::name)), value_delimiter = ',')]
    pub methods: Vec<StartKind>,
    /// Epochs [default: 4; at 64×64 10].
    #[arg(long, value_parser = at_least::<usize>(0), allow_negative_numbers = true)]
    pub epochs: Option<usize>,
    /// Training pairs [default: 24; at 64×64 64].
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    pub n_train: Option<usize>,
    /// Test pairs [default: 24; at 64×64 60].
    #[arg(long, value_parser = at_least::<usize>(2), allow_negative_numbers = true)]
    pub n_test: Option<usize>,
    /// Learning rate of the adapter [default: the preset's].
    #[arg(long)]
    pub lr: Option<f64>,
    /// Steps over which the learning rates rise from zero [default: the preset's].
    #[arg(long)]
    pub warmup: Option<usize>,
    /// Last share of the epochs over which the learning rates fall to zero [default: the preset's].
    #[arg(long)]
    pub decay: Option<f64>,
    /// Weight of the GAN loss; 0 trains without a discriminator, in about half the time per step [default:
    /// the preset's].
    #[arg(long)]
    pub gan_weight: Option<f64>,
    #[command(flatten)]
    pub sampling: SampleArgs,
    /// Folder to write to; the results of an earlier run there are replaced, a training by your_style is not.
    #[arg(long, value_name = "DIR", default_value = "out/quickstart")]
    pub out: PathBuf,
}

/// The starts that are compared by default; a step at 256×256 costs sixteen times as much.
const METHODS: [StartKind; 4] = [
    StartKind::Zero,
    StartKind::Nearest,
    StartKind::Denoised,
    StartKind::Auto,
];
const DEFAULT_CONCEPT: &str = "teal-charcoal-sketch";
/// Rows of grid.png.
const SHOWN: usize = 5;

impl Args {
    /// Whether the images are 64×64, at which more is affordable.
    fn is_small(&self) -> bool {
        self.model.assets.preset == Preset::Compact
    }

    /// The starts that `zoo` has adapters for, each once; says which it has not.
    pub(crate) fn methods(&self, zoo: &Zoo) -> Vec<StartKind> {
        let empty = zoo.entries().is_empty();
        let mut wanted = Vec::new();
        for kind in &self.methods {
            if !wanted.contains(kind) {
                wanted.push(*kind);
            }
        }
        if wanted.is_empty() {
            wanted.extend(METHODS);
            wanted.extend(self.is_small().then_some(StartKind::WrongPrompt));
        }
        let (out, kept): (Vec<StartKind>, _) =
            (wanted.into_iter()).partition(|kind| empty && kind.needs_zoo());
        if !out.is_empty() {
            let names: Vec<_> = out.iter().map(|kind| kind.name()).collect();
            println!(
                "the zoo has no entries, so these starts are left out: {}",
                names.join(", ")
            );
        }
        kept
    }

    pub(crate) fn recipe(&self, preset: Preset) -> Recipe {
        let recipe = preset.fine_tuning();
        Recipe {
            epochs: (self.epochs).unwrap_or(if self.is_small() { 10 } else { 4 }),
            lr_generator: self.lr.unwrap_or(recipe.lr_generator),
            warmup_steps: self.warmup.unwrap_or(recipe.warmup_steps),
            decay: self.decay.unwrap_or(recipe.decay),
            gan_weight: self.gan_weight.unwrap_or(recipe.gan_weight),
            seed: self.common.seed,
            ..recipe
        }
    }

    pub(crate) fn counts(&self) -> PairCounts {
        let [train, test] = if self.is_small() { [64, 60] } else { [24, 24] };
        PairCounts {
            train: self.n_train.unwrap_or(train),
            test: self.n_test.unwrap_or(test),
            shown: SHOWN,
        }
    }

    /// The concepts to run, and the split of the photos that they are measured on.
    pub(crate) fn sources(&self) -> Result<(Vec<ConceptSource>, Split)> {
        if let (Some(prompt), Some(dir)) = (&self.prompt, &self.pairs) {
            let source = ConceptSource::Folder(dir.clone(), prompt.clone());
            return Ok((vec![source], Split::Test));
        }
        if self.all_held_out || self.validation {
            let split = match self.validation {
                true => Split::Validation,
                false => Split::Test,
            };
            let held_out = concepts_of(split).into_iter().map(ConceptSource::List);
            let limit = self.limit.unwrap_or(usize::MAX);
            return Ok((held_out.take(limit).collect(), split));
        }
        let list = art_concepts();
        let concept = find(&list, self.concept.as_deref().unwrap_or(DEFAULT_CONCEPT))?;
        if concept.split == Split::Train {
            eprintln!(
                "note: {} is a training concept: the weight generator and the base have seen it",
                concept.name
            );
        }
        let split = match concept.split {
            Split::Validation => Split::Validation,
            _ => Split::Test,
        };
        Ok((vec![ConceptSource::List(concept.clone())], split))
    }

    /// The paths that the options name.
    pub(crate) fn paths(&self) -> Assets {
        self.data.of(self.model.paths())
    }

    /// Refuses outputs that would replace pairs, photos, files of the model or one another.
    pub(crate) fn check_places(&self, sources: &[ConceptSource]) -> Result<()> {
        let paths = self.paths();
        let mut places = (self.model.places())
            .reads_all(zoo_files(&paths.zoo))
            .reads(&paths.feature_network);
        places = match &self.pairs {
            Some(dir) => reads_pairs(places, dir)?,
            None => places.reads_directly_in(&paths.photos),
        };
        places = match sources {
            [_] => places.writes_all(RESULTS.map(|name| self.out.join(name))),
            _ => (places.writes(self.out.join("report.json")))
                .writes_all(sources.iter().map(|source| self.out.join(source.name()))),
        };
        self.common.check_places(places)
    }

    /// The photos to edit; none for --pairs.
    pub(crate) fn photos(&self, size: usize) -> Result<Option<PhotoSplits>> {
        match self.pairs {
            Some(_) => Ok(None),
            None => Ok(Some(PhotoSplits::read(&self.paths().photos, size)?)),
        }
    }
}
