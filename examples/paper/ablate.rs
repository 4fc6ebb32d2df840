//! Block sizes and grouping rules, by overfitting the weight generator on one concept (paper, §4.3).
//!
//! ```sh
//! cargo run --release --example ablate
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use clean_fid::FeatureNet;
use concepts::{art_concepts, find};
use denoised_weights::PromptEncoder;
use denoised_weights::comparison::median;
use denoised_weights::pairs::{ConceptPairs, PairCounts, PhotoSplits};
use denoised_weights::training::{
    CombinedLoss, Cut, EditLoss, Overfitting, Subject, TrainingFolder, overfit, timed_prediction,
};
use denoised_weights::weights::{adapt, relative_distance};
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::options::ModelArgs;
use denoised_weights_examples::picture::{Column, write_grid};
use denoised_weights_examples::training::{TrainingProgress, write_loss_chart};
use denoised_weights_examples::{Result, files};
use finetune::{
    AdapterLoss, Evaluator, PairSet, Quality, Recipe, images_to_tensor, tensor_to_images, translate,
};
use image::RgbImage;
use lora_gan::BaseGenerator;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use weight_blocks::{GroupingRule, Layout, NamedTensors, WeightSpace, Zoo};
use weight_diffusion::unet::DictionarySize;
use weight_diffusion::{Precision, SampleOptions, TrainConfig, UNet1dConfig};

/// Overfit the weight generator on one trained adapter at a time, for each block size and grouping
/// rule, and compare what its one-step prediction does to photos with what the adapter itself does.
/// Writes ablate.json, tables.md and a grid.png per concept. Run again after an interruption, it
/// goes on with the training in flight.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    /// Concepts of the zoo whose adapters are learnt.
    #[arg(long, value_delimiter = ',', default_values_t = [String::from("charcoal-sketch"), String::from("stained-glass-window")])]
    concepts: Vec<String>,
    /// Block sizes b.
    #[arg(long, value_delimiter = ',', default_values_t = [128, 256, 512])]
    block_sizes: Vec<usize>,
    /// Grouping rules: 1 appends a layer's tensors, 2 concatenates its factors along the rank, 3
    /// takes each tensor alone.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3], value_parser = clap::value_parser!(u8).range(1..=3))]
    rules: Vec<u8>,
    /// Optimizer steps of each training; each sees 32,768 weights.
    #[arg(long, default_value_t = 600)]
    steps: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// Width of the UNet.
    #[arg(long, default_value_t = 128)]
    channels: usize,
    /// Directions per block beside the UNet; 0 for the paper's network.
    #[arg(long, default_value_t = 0)]
    dictionary: usize,
    /// Weight of Eq. 4 (λ·L1 + conditional GAN of the predicted adapter on --pairs-per-step training
    /// photos) beside the paper's loss: the combination that the paper tried and dropped. An
    /// interrupted training of this kind starts anew, its discriminator is not in the state.
    #[arg(long, value_name = "WEIGHT")]
    combined: Option<f64>,
    /// Training pairs that each step of --combined sees.
    #[arg(long, default_value_t = 4)]
    pairs_per_step: usize,
    /// Predictions of which the median time is taken.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Test photos.
    #[arg(long, default_value_t = 60)]
    n_test: usize,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "out/ablate")]
    out: PathBuf,
}

/// Rows of grid.png.
const SHOWN: usize = 5;
/// Training pairs that --combined draws from.
const TRAIN: usize = 64;

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| ablate(&args))
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    device: String,
    quality: String,
    steps: u64,
    channels: usize,
    dictionary: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    combined: Option<f64>,
    concepts: Vec<ConceptReport>,
    cells: Vec<CellReport>,
}

#[derive(Serialize)]
struct ConceptReport {
    concept: String,
    /// The base without an adapter.
    base: Quality,
    /// The adapter that is learnt.
    ground_truth: Quality,
}

#[derive(Serialize)]
struct CellReport {
    concept: String,
    block_size: usize,
    rule: u8,
    blocks: usize,
    /// Of this run; absent where an earlier one had finished the training.
    #[serde(skip_serializing_if = "Option::is_none")]
    train_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f64>,
    predict_seconds: f64,
    /// ‖ŵ − w‖ / ‖w − w_base‖, w_base the adapter that changes nothing.
    weight_error: f64,
    quality: Quality,
    /// The deciding quality over the ground truth's.
    ratio: f64,
}

fn ablate(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let assets = args.model.paths();
    let base = assets.load_base(&device)?;
    let text = args.model.text.load(&device)?;
    let zoo = assets.open_zoo(&base)?;
    let network = assets.load_feature_network(&device)?;
    let photos = PhotoSplits::read(&assets.photos, base.config.image_size)?;
    let mut report = Report {
        seed: args.common.seed,
        device: args.common.device.clone(),
        quality: network.metric_name("frechet"),
        steps: args.steps,
        channels: args.channels,
        dictionary: args.dictionary,
        combined: args.combined,
        concepts: Vec::new(),
        cells: Vec::new(),
    };
    for concept in &args.concepts {
        let bench = Bench {
            args,
            device: &device,
            base: &base,
            text: &text,
            network: &network,
        };
        bench.concept(concept, &zoo, &photos, &mut report)?;
        files::write_json(&args.out.join("ablate.json"), &report)?;
    }
    let tables = tables(&report)?;
    files::write(&args.out.join("tables.md"), tables.as_bytes())?;
    println!("\n{tables}\nwrote {}", display(&args.out));
    args.common.write_json(&report)
}

struct Bench<'a> {
    args: &'a Args,
    device: &'a Device,
    base: &'a BaseGenerator,
    text: &'a PromptEncoder,
    network: &'a dyn FeatureNet,
}

impl Bench<'_> {
    fn concept(
        &self,
        name: &str,
        zoo: &Zoo,
        photos: &PhotoSplits,
        report: &mut Report,
    ) -> Result<()> {
        let Some(entry) = zoo.last_entries().into_iter().find(|e| e.concept == name) else {
            return Err(format!("the zoo has no concept {name}; choose one of its own").into());
        };
        let truth = zoo.load(entry)?;
        let list = art_concepts();
        let size = self.base.config.image_size;
        let counts = PairCounts {
            train: TRAIN,
            test: self.args.n_test,
            shown: SHOWN,
        };
        let (train, test) = (&photos.train, &photos.test);
        let pairs =
            ConceptPairs::edited(find(&list, name)?, train, test, counts, size, self.device)?;
        let held_out = Evaluator::new(self.network, &pairs.test)?;
        let inputs: Vec<&RgbImage> = pairs.shown.iter().map(|pair| &pair.0).collect();
        let shown = images_to_tensor(&inputs, size, self.device)?;
        let measure = |weights: &NamedTensors| -> Result<(Quality, Vec<RgbImage>)> {
            let generator = adapt(&self.base.generator, weights)?;
            let images = tensor_to_images(translate(&generator, &shown)?);
            Ok((held_out.measure(&generator)?, images))
        };
        let initial = self.base.generator.read_weights()?;
        let (ground_truth, pictures) = measure(&truth)?;
        let (unadapted, _) = measure(&initial)?;
        println!(
            "\n{name}: {} {:.2} for its adapter, {:.2} for the base",
            report.quality, ground_truth.frechet, unadapted.frechet
        );
        let mut columns = Vec::from(Column::of_pairs(&pairs.shown));
        columns.push(Column::new("ground\ntruth", pictures));
        report.concepts.push(ConceptReport {
            concept: name.to_owned(),
            base: unadapted,
            ground_truth,
        });
        let tokens = self.text.tokens(&entry.prompt, self.device)?;
        let encoder = self.text.spec();
        let groups = self.base.generator.layer_groups();
        let subject = Subject {
            groups: &groups,
            weights: &truth,
            text: &tokens,
            encoder: &encoder,
            base_digest: &self.base.digest,
        };
        for cut in self.cuts() {
            let (rule, block_size) = (cut.rule_number(), cut.block_size);
            let folder = TrainingFolder {
                dir: (self.args.out.join(name)).join(format!("rule{rule}-{block_size}")),
                save_every: match self.args.combined {
                    None => 100,
                    Some(_) => u64::MAX,
                },
                precision: Precision::Full,
            };
            let layout = Layout::new("", groups.clone(), cut.rule, block_size)?;
            let unet = self.unet(layout.blocks());
            let mut edits = match self.args.combined {
                None => None,
                Some(weight) => Some((self.edit_loss(&layout, &pairs)?, weight)),
            };
            let combined = edits.as_mut().map(|(loss, weight)| CombinedLoss {
                loss,
                weight: *weight,
                pairs: self.args.pairs_per_step,
            });
            let training = self.training();
            let overfitting = Overfitting {
                subject: &subject,
                cut,
                unet: &unet,
                train: &training,
            };
            let mut progress = TrainingProgress::new(&format!("rule {rule}, b = {block_size}"));
            let learnt = overfit(&overfitting, combined, &folder, self.device, &mut |event| {
                progress.show(event)
            })?;
            if learnt.loss.is_some() {
                write_loss_chart(&folder)?;
            }
            let options = SampleOptions {
                seed: self.args.common.seed,
                ..learnt.generator.defaults()
            };
            let (mut seconds, weights) = timed_prediction(
                &learnt.generator,
                &tokens,
                &options,
                self.args.repeats,
                self.device,
            )?;
            let predict_seconds = median(&mut seconds);
            let (quality, pictures) = measure(&weights)?;
            let cell = CellReport {
                concept: name.to_owned(),
                block_size,
                rule,
                blocks: layout.blocks(),
                train_seconds: learnt.loss.map(|_| learnt.train_seconds),
                loss: learnt.loss,
                predict_seconds,
                weight_error: relative_distance(&weights, &truth, &initial),
                ratio: quality.frechet / ground_truth.frechet,
                quality,
            };
            println!(
                "rule {rule}, b = {block_size}: N = {}, {:.3} s, weight error {:.3}, {} {:.2} ({:.2}x the adapter's)",
                cell.blocks,
                predict_seconds,
                cell.weight_error,
                report.quality,
                quality.frechet,
                cell.ratio
            );
            columns.push(Column::new(
                format!("rule {rule}\nb={block_size}"),
                pictures,
            ));
            report.cells.push(cell);
        }
        write_grid(&self.args.out.join(name).join("grid.png"), &columns)
    }

    fn cuts(&self) -> impl Iterator<Item = Cut> {
        let sizes = &self.args.block_sizes;
        (self.args.rules.iter()).flat_map(move |number| {
            let rule = match number {
                2 => GroupingRule::Concatenated,
                3 => GroupingRule::Separate,
                _ => GroupingRule::Appended,
            };
            (sizes.iter()).map(move |&block_size| Cut { rule, block_size })
        })
    }

    fn unet(&self, blocks: usize) -> UNet1dConfig {
        let entries = self.args.dictionary;
        UNet1dConfig {
            base_channels: self.args.channels,
            dictionary: (entries > 0).then_some(DictionarySize { blocks, entries }),
            ..UNet1dConfig::compact()
        }
    }

    fn training(&self) -> TrainConfig {
        TrainConfig {
            steps: self.args.steps,
            learning_rate: self.args.lr,
            // One text: dropping it would only ask for the same weights without it.
            text_dropout: 0.0,
            // Nothing to generalise to.
            weight_decay: 0.0,
            seed: self.args.common.seed,
            ..TrainConfig::compact()
        }
    }

    /// Eq. 4 of the adapter that the generator predicts, on training pairs that each step picks.
    fn edit_loss<'p>(&self, layout: &Layout, pairs: &'p ConceptPairs) -> Result<EditLoss<'p>> {
        let seed = self.args.common.seed;
        let recipe = Recipe {
            seed,
            ..Recipe::compact()
        };
        let loss = AdapterLoss::with_discriminator(&self.base.generator, recipe, self.device)?;
        let (pairs, device) = (&pairs.train, self.device.clone());
        let count = self.args.pairs_per_step.clamp(1, pairs.len());
        Ok(EditLoss::new(vec![loss], layout.clone(), move |step, _| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(step);
            let picked = sample(&mut rng, pairs.len(), count).into_vec();
            let (photos, targets) = pairs.select(&picked, &device);
            Ok(PairSet { photos, targets })
        }))
    }
}

/// One row per cut, one column of quality per concept.
fn tables(report: &Report) -> Result<String> {
    let mut cuts: BTreeMap<(u8, usize), Vec<&CellReport>> = BTreeMap::new();
    for cell in &report.cells {
        cuts.entry((cell.rule, cell.block_size))
            .or_default()
            .push(cell);
    }
    let mut text = String::new();
    write!(text, "| rule | b | N | s per prediction | weight error |")?;
    for concept in &report.concepts {
        write!(text, " {} |", concept.concept)?;
    }
    writeln!(text)?;
    writeln!(
        text,
        "| ---: | ---: | ---: | ---: | ---: |{}",
        " ---: |".repeat(report.concepts.len())
    )?;
    for (label, pick) in [
        (
            "base",
            (|c: &ConceptReport| c.base.frechet) as fn(&ConceptReport) -> f64,
        ),
        ("ground truth", |c| c.ground_truth.frechet),
    ] {
        write!(text, "| {label} | | | | |")?;
        for concept in &report.concepts {
            write!(text, " {:.2} |", pick(concept))?;
        }
        writeln!(text)?;
    }
    for ((rule, block_size), cells) in &cuts {
        let mean = |pick: fn(&CellReport) -> f64| {
            cells.iter().map(|c| pick(c)).sum::<f64>() / cells.len() as f64
        };
        write!(
            text,
            "| {rule} | {block_size} | {} | {:.3} | {:.3} |",
            cells[0].blocks,
            mean(|c| c.predict_seconds),
            mean(|c| c.weight_error)
        )?;
        for cell in cells {
            write!(text, " {:.2} |", cell.quality.frechet)?;
        }
        writeln!(text)?;
    }
    Ok(text)
}
