//! The networks that the paper compares with, each trained for one concept.
//!
//! ```sh
//! cargo run --release --example train_baseline -- --network pix2pix
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use clean_fid::FeatureNet;
use concepts::{art_concepts, find};
use denoised_weights::comparison::baselines::{Baseline, CURVE_FILE, Trained, train};
use denoised_weights::comparison::{Comparison, Measurement};
use denoised_weights::pairs::{ConceptPairs, PairCounts, PhotoSplits, read_prompt};
use denoised_weights::run::{claim, lock_training};
use denoised_weights::{Assets, Preset};
use denoised_weights_examples::cli::{Common, display, one_of, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::limits::pair_limits;
use denoised_weights_examples::options::{
    AssetArgs, BaseArg, PhotosArg, TextArgs, at_least, reads_pairs,
};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{METHODS, Result, files};
use finetune::Recipe;
use lora_gan::BaseGenerator;
use result_figures::{Chart, Column, Line, write_chart, write_grid};
use serde::Serialize;

/// Train one of the networks that the paper compares with on the pairs of one concept: pix2pix or Co-Mod-GAN
/// from scratch, or E²GAN's LoRA from zero on the frozen base. Writes report.json, curve.svg and grid.png.
/// After an interruption, the same command continues after the last whole epoch.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    base: BaseArg,
    #[command(flatten)]
    photos: PhotosArg,
    #[command(flatten)]
    text: TextArgs,
    /// What to train.
    #[arg(long, value_parser = one_of::<Baseline>(Baseline::ALL.map(Baseline::name)))]
    network: Baseline,
    /// A concept of the shipped list.
    #[arg(long, default_value = "teal-charcoal-sketch", conflicts_with = "pairs")]
    concept: String,
    /// Your own pairs: DIR/input/NAME.* and DIR/target/NAME.*, side-by-side files, or
    /// train/val/test subfolders of these.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// Epochs.
    #[arg(
        long,
        default_value_t = 10,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    epochs: usize,
    /// Pairs per step [default: the network's].
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    batch_size: Option<usize>,
    /// Learning rate of the generator [default: the network's].
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Training pairs.
    #[arg(
        long,
        default_value_t = 64,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    n_train: usize,
    /// Test pairs.
    #[arg(
        long,
        default_value_t = 60,
        value_parser = at_least::<usize>(2),
        allow_negative_numbers = true
    )]
    n_test: usize,
    /// The text of --pairs, which e2gan reads [default: that in the folder's prompt.txt].
    #[arg(long, requires = "pairs")]
    prompt: Option<String>,
    /// Folder to write to [default: out/NETWORK].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Rows of grid.png.
const SHOWN: usize = 5;

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| baseline(&args))
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    device: String,
    network: Baseline,
    concept: String,
    quality: String,
    /// Its `discriminator` is there if a PatchGAN was trained.
    recipe: serde_json::Value,
    /// Configurations of the trained networks.
    configs: serde_json::Value,
    curve: Vec<Measurement>,
}

fn baseline(args: &Args) -> Result<()> {
    args.check_places()?;
    let device = args.common.device()?;
    let base = args.paths().load_base(&device)?;
    let recipe = args.network.recipe(Preset::of(&base.config));
    let recipe = Recipe {
        epochs: args.epochs,
        batch_size: args.batch_size.unwrap_or(recipe.batch_size),
        lr_generator: args.lr.unwrap_or(recipe.lr_generator),
        seed: args.common.seed,
        ..recipe
    };
    recipe.validate()?;
    let run = Run::new(args, &base, recipe, &device)?;
    let base = match args.network {
        Baseline::E2gan => args
            .text
            .load(&device)?
            .prompted(&base, &run.pairs.prompt)?,
        Baseline::Pix2pix | Baseline::Comod => base,
    };
    let state = run.state();
    (args.network).check_batches(run.pairs.train.len(), run.recipe.batch_size)?;
    let _lock = lock_training(&run.out)?;
    let begun = state.join(CURVE_FILE).exists() || run.out.join("report.json").exists();
    claim(&run.out.join("run.json"), begun, &run.identity()?)?;
    run.train(&base, &device)
}

impl Args {
    fn out(&self) -> PathBuf {
        (self.out.clone()).unwrap_or_else(|| Path::new("out").join(self.network.name()))
    }

    /// The paths that the options name.
    fn paths(&self) -> Assets {
        self.photos.of(self.base.of(self.assets.paths()))
    }

    /// Refuses outputs that would replace pairs, photos, the base or one another.
    fn check_places(&self) -> Result<()> {
        let (paths, out) = (self.paths(), self.out());
        let places = Places::new()
            .reads_all(paths.base_files())
            .reads_all(self.text.folder())
            .reads(&paths.feature_network)
            .writes_all(
                ["state", "run.json", "report.json", "curve.svg", "grid.png"]
                    .map(|name| out.join(name)),
            );
        self.common.check_places(match &self.pairs {
            Some(dir) => reads_pairs(places, dir)?,
            None => places.reads_directly_in(&paths.photos),
        })
    }
}

/// A run, whatever the network is.
struct Run<'a> {
    args: &'a Args,
    out: PathBuf,
    recipe: Recipe,
    configs: serde_json::Value,
    pairs: ConceptPairs,
    network: clean_fid::EfficientNetLite0,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, base: &BaseGenerator, recipe: Recipe, device: &Device) -> Result<Self> {
        let size = base.config.image_size;
        let counts = PairCounts {
            train: args.n_train,
            test: args.n_test,
            shown: SHOWN,
        };
        let pairs = match &args.pairs {
            Some(dir) => {
                let prompt = match (&args.prompt, args.network) {
                    (Some(prompt), _) => prompt.clone(),
                    (None, Baseline::E2gan) => read_prompt(dir)
                        .map_err(|error| format!("{error}, or give it with --prompt"))?,
                    (None, Baseline::Pix2pix | Baseline::Comod) => String::new(),
                };
                ConceptPairs::folder(dir, &prompt, counts, size, device)?
            }
            None => {
                let list = art_concepts();
                let concept = find(&list, &args.concept)?;
                let photos = PhotoSplits::read(&args.paths().photos, size)?;
                let (train, test) = (&photos.train, &photos.test);
                ConceptPairs::edited(concept, train, test, counts, size, device)?
            }
        };
        Ok(Self {
            out: args.out(),
            args,
            configs: args.network.configs(&recipe, base),
            recipe,
            pairs,
            network: args.paths().load_feature_network(device)?,
        })
    }

    fn state(&self) -> PathBuf {
        self.out.join("state")
    }

    /// What the state and the results in the folder are of.
    fn identity(&self) -> Result<serde_json::Value> {
        let pairs = match &self.args.pairs {
            Some(dir) => std::fs::canonicalize(dir)
                .map_err(|e| format!("{}: {e}", dir.display()))?
                .display()
                .to_string(),
            None => self.pairs.name.clone(),
        };
        Ok(serde_json::json!({
            "network": self.args.network,
            "recipe": self.recipe,
            "pairs": pairs,
            "n_train": self.pairs.train.len(),
            "n_test": self.args.n_test,
            "configs": self.configs,
        }))
    }

    fn train(&self, base: &BaseGenerator, device: &Device) -> Result<()> {
        let comparison = Comparison::new(base, &self.pairs, &self.network, &self.recipe, device)?;
        let state = self.state();
        println!(
            "{:?} for {}: {} training pairs, {} test pairs",
            self.args.network,
            self.pairs.name,
            self.pairs.train.len(),
            self.pairs.test.len(),
        );
        for note in pair_limits(&self.pairs, ["--n-train", "--n-test"]) {
            println!("{note}");
        }
        let mut progress: Option<Progress> = None;
        let name = comparison.metric_name();
        let trained = train(self.args.network, &comparison, &state, |point| {
            let note = format!("{name} {:.2}, L1 {:.4}", point.quality, point.l1);
            let (total, done) = (self.recipe.epochs as u64, point.epoch as u64);
            // A resumed run continues where it was.
            let bar = progress.get_or_insert_with(|| Progress::new("train", total, done));
            bar.set(done, note);
        })?;
        if let Some(bar) = progress {
            bar.finish();
        }
        println!("{} weights in the generator", trained.weights);
        self.write(trained, &name)?;
        files::discard(&state)?;
        println!("wrote {}", display(&self.out));
        Ok(())
    }

    fn write(&self, trained: Trained, quality: &str) -> Result<()> {
        let Trained { curve, edited, .. } = trained;
        let mut columns = Vec::from(Column::of_pairs(&self.pairs.shown));
        let epochs = format!("epoch {}", self.recipe.epochs);
        columns.push(Column::new(epochs, edited));
        write_grid(&self.out.join("grid.png"), &columns)?;
        let line = Line {
            name: format!("{:?}", self.args.network).to_lowercase(),
            points: curve.iter().map(|p| (p.seconds, p.quality)).collect(),
            bold: true,
        };
        let chart = Chart {
            title: &format!("{} — {quality}, lower is better", self.pairs.name),
            x: "seconds of training",
            y: quality,
            lines: vec![line],
            series: METHODS,
            ..Chart::default()
        };
        write_chart(&self.out.join("curve.svg"), &chart)?;
        let mut recipe = serde_json::to_value(&self.recipe)?;
        if let (Baseline::Comod, Some(fields)) = (self.args.network, recipe.as_object_mut()) {
            fields.remove("discriminator");
        }
        let report = Report {
            seed: self.recipe.seed,
            device: self.args.common.device.clone(),
            network: self.args.network,
            concept: self.pairs.name.clone(),
            quality: self.network.metric_name("frechet"),
            recipe,
            configs: self.configs.clone(),
            curve,
        };
        files::write_json(&self.out.join("report.json"), &report)?;
        self.args.common.write_json(&report)
    }
}
