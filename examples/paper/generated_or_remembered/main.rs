//! Does the weight generator generate weights, or look up those it was trained on?
//!
//! ```sh
//! cargo run --release --example generated_or_remembered
//! ```

mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::{Device, Tensor};
use clap::Parser;
use clean_fid::FeatureNet;
use concepts::{Concept, Split};
use denoised_weights::AdapterPredictor;
use denoised_weights::comparison::median;
use denoised_weights::pairs::{
    ConceptPairs, PairCounts, PhotoSplits, concepts_of, edit_photos, spread,
};
use denoised_weights::weights::{adapt, cosine, distance};
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::options::ModelArgs;
use denoised_weights_examples::picture::{Column, write_grid};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use finetune::{
    ConceptTrainer, Evaluator, Initializer, Recipe, ZooMean, images_to_tensor, tensor_to_images,
    translate,
};
use image::RgbImage;
use lora_gan::BaseGenerator;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_blocks::{NamedTensors, WeightSpace, Zoo, load_safetensors, save_safetensors};
use weight_diffusion::{HostText, SampleOptions};

use report::{ConceptReport, Interpolation, InterpolationStep, Report, summary};

/// For each held-out concept, compare its predicted adapter with the closest adapter of the zoo,
/// with the zoo's mean and with the adapter that training from zero ends at: as weights, and as
/// edited test photos. Also asks the generator with a wrong and with a random prompt, and between
/// two prompts. Writes remembered.json, remembered.md and interpolation.png.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    /// At most this many held-out concepts.
    #[arg(long)]
    limit: Option<usize>,
    /// Epochs of the training from zero.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Training pairs.
    #[arg(long, default_value_t = 64)]
    n_train: usize,
    /// Test photos that are measured.
    #[arg(long, default_value_t = 60)]
    n_test: usize,
    /// Test photos on which outputs of all zoo adapters are compared.
    #[arg(long, default_value_t = 12)]
    n_compared: usize,
    /// Pairs of prompts between which is interpolated.
    #[arg(long, default_value_t = 4)]
    interpolations: usize,
    /// Folder to write to; trained adapters are kept there and used again.
    #[arg(long, value_name = "DIR", default_value = "out/remembered")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| compare(&args))
}

struct Bench<'a> {
    args: &'a Args,
    device: &'a Device,
    base: &'a BaseGenerator,
    predictor: &'a AdapterPredictor,
    options: SampleOptions,
    network: &'a dyn FeatureNet,
    photos: &'a PhotoSplits,
    /// Test photos to compare outputs on.
    compared: Vec<RgbImage>,
}

/// Concepts, weights and outputs of all checkpoints of the zoo.
struct ZooOutputs {
    names: Vec<String>,
    weights: Vec<NamedTensors>,
    outputs: Vec<Tensor<4>>,
}

/// The zoo's mean adapter and what it does.
struct Mean {
    weights: NamedTensors,
    outputs: Tensor<4>,
}

fn compare(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let assets = args.model.paths();
    let predictor = args.model.load_predictor(&device)?;
    let (base, generator) = (predictor.base(), predictor.generator());
    let zoo = Zoo::open(&assets.zoo)?;
    zoo.check(generator.layout(), &base.digest)?;
    let network = assets.load_feature_network(&device)?;
    let photos = PhotoSplits::read(&assets.photos, base.config.image_size)?;
    let bench = Bench {
        args,
        options: SampleOptions {
            seed: args.common.seed,
            ..generator.defaults()
        },
        device: &device,
        base,
        predictor: &predictor,
        network: &network,
        compared: spread(&photos.test, args.n_compared, 0.5),
        photos: &photos,
    };
    let held_out = concepts_of(Split::Test);
    let concepts = &held_out[..held_out.len().min(args.limit.unwrap_or(usize::MAX))];
    let stored = bench.zoo_outputs(&zoo)?;
    let weights = ZooMean::from_zoo(&zoo)?.start("")?.weights;
    let mean = Mean {
        outputs: bench.outputs(&weights)?,
        weights,
    };
    let mut report = Report {
        seed: args.common.seed,
        device: args.common.device.clone(),
        quality: network.metric_name("frechet"),
        zoo_nearest_weights: stored
            .nearest(|i, j| distance(&stored.weights[i], &stored.weights[j])),
        zoo_nearest_outputs: stored.nearest(|i, j| apart(&stored.outputs[i], &stored.outputs[j])),
        concepts: Vec::new(),
        interpolations: Vec::new(),
    };
    let mut progress = Progress::new("compare", concepts.len() as u64, 0);
    for (done, concept) in (1..).zip(concepts) {
        let others = held_out.iter().map(|other| other.prompt.as_str());
        let wrong = predictor.encoder().least_similar(&concept.prompt, others)?;
        report
            .concepts
            .push(bench.concept(concept, &wrong, &stored, &mean)?);
        progress.set(done, concept.name.clone());
        files::write_json(&args.out.join("remembered.json"), &report)?;
    }
    progress.finish();
    report.interpolations = bench.interpolations(&held_out)?;
    files::write_json(&args.out.join("remembered.json"), &report)?;
    let summary = summary(&report)?;
    files::write(&args.out.join("remembered.md"), summary.as_bytes())?;
    println!("{summary}\nwrote {}", display(&args.out));
    args.common.write_json(&report)
}

impl Bench<'_> {
    fn tensor(&self, images: &[RgbImage]) -> Result<Tensor<4>> {
        let images: Vec<&RgbImage> = images.iter().collect();
        Ok(images_to_tensor(
            &images,
            self.base.config.image_size,
            self.device,
        )?)
    }

    /// The compared photos as the base edits them with `weights`.
    fn outputs(&self, weights: &NamedTensors) -> Result<Tensor<4>> {
        let generator = adapt(&self.base.generator, weights)?;
        Ok(translate(&generator, &self.tensor(&self.compared)?)?)
    }

    fn targets(&self, concept: &Concept) -> Result<Tensor<4>> {
        let targets: Vec<RgbImage> = (edit_photos(&self.compared, concept).into_iter())
            .map(|(_, target)| target)
            .collect();
        self.tensor(&targets)
    }

    fn predict(&self, tokens: &HostText) -> Result<NamedTensors> {
        let prediction = self
            .predictor
            .generator()
            .predict(tokens, &self.options, self.device)?;
        Ok(prediction.weights)
    }

    fn zoo_outputs(&self, zoo: &Zoo) -> Result<ZooOutputs> {
        let mut stored = ZooOutputs {
            names: Vec::new(),
            weights: Vec::new(),
            outputs: Vec::new(),
        };
        for entry in zoo.entries() {
            let weights = zoo.load(entry)?;
            stored.outputs.push(self.outputs(&weights)?);
            stored.weights.push(weights);
            stored.names.push(entry.concept.clone());
        }
        if stored.names.is_empty() {
            return Err("the zoo is empty; collect some concepts first".into());
        }
        Ok(stored)
    }

    /// Trains from zero, or reads what an earlier run trained.
    fn trained(&self, pairs: &ConceptPairs) -> Result<NamedTensors> {
        let recipe = Recipe {
            epochs: self.args.epochs,
            seed: self.args.common.seed,
            ..Recipe::compact()
        };
        let key = serde_json::to_string(&(&recipe, self.args.n_train, &self.base.digest))?;
        let name = format!("{}.safetensors", pairs.name);
        let path = self.args.out.join("trained").join(name);
        if path.exists() {
            let (weights, kept) = load_safetensors(&path)?;
            if kept.get("recipe") == Some(&key) {
                return Ok(weights);
            }
        }
        let start = self.base.generator.read_weights()?;
        let mut trainer = ConceptTrainer::new(&self.base.generator, &start, recipe, self.device)?;
        for _ in 0..self.args.epochs {
            trainer.epoch(&pairs.train)?;
        }
        let weights = trainer.adapter()?;
        save_safetensors(&path, &weights, &BTreeMap::from([("recipe".into(), key)]))?;
        Ok(weights)
    }

    fn concept(
        &self,
        concept: &Concept,
        wrong: &str,
        stored: &ZooOutputs,
        mean: &Mean,
    ) -> Result<ConceptReport> {
        let counts = PairCounts {
            train: self.args.n_train,
            test: self.args.n_test,
            shown: 0,
        };
        let size = self.base.config.image_size;
        let (train, test) = (&self.photos.train, &self.photos.test);
        let pairs = ConceptPairs::edited(concept, train, test, counts, size, self.device)?;
        let held_out = Evaluator::new(self.network, &pairs.test)?;
        let measure = |weights: &NamedTensors| -> Result<f64> {
            Ok(held_out
                .measure(&adapt(&self.base.generator, weights)?)?
                .frechet)
        };
        let tokens = self
            .predictor
            .encoder()
            .tokens(&concept.prompt, self.device)?;
        let predicted = self.predict(&tokens)?;
        let trained = self.trained(&pairs)?;
        let outputs = self.outputs(&predicted)?;
        let targets = self.targets(concept)?;
        let (i, weights_to_closest) = stored.closest(|i| distance(&predicted, &stored.weights[i]));
        let (_, trained_to_closest) = stored.closest(|i| distance(&trained, &stored.weights[i]));
        let (j, outputs_to_closest) = stored.closest(|j| apart(&outputs, &stored.outputs[j]));
        let (_, best_zoo_to_target) = stored.closest(|j| apart(&targets, &stored.outputs[j]));
        let random = random_like(&tokens, self.args.common.seed);
        let quality = BTreeMap::from([
            ("predicted", measure(&predicted)?),
            ("trained", measure(&trained)?),
            ("zero", measure(&self.base.generator.read_weights()?)?),
            ("mean", measure(&mean.weights)?),
            ("closest_weights", measure(&stored.weights[i])?),
            ("closest_outputs", measure(&stored.weights[j])?),
            (
                "wrong_prompt",
                measure(&self.predict(&self.predictor.encoder().tokens(wrong, self.device)?)?)?,
            ),
            ("random_prompt", measure(&self.predict(&random)?)?),
        ]);
        Ok(ConceptReport {
            concept: concept.name.clone(),
            prompt: concept.prompt.clone(),
            closest_weights: stored.names[i].clone(),
            weights_to_closest,
            weights_to_mean: distance(&predicted, &mean.weights),
            weights_to_trained: distance(&predicted, &trained),
            trained_to_closest,
            cosine_to_trained: cosine(&predicted, &trained, &mean.weights),
            cosine_to_closest: cosine(&predicted, &stored.weights[i], &mean.weights),
            closest_outputs: stored.names[j].clone(),
            outputs_to_closest,
            outputs_to_mean: apart(&outputs, &mean.outputs),
            outputs_to_trained: apart(&outputs, &self.outputs(&trained)?),
            outputs_to_target: apart(&outputs, &targets),
            best_zoo_to_target,
            quality,
        })
    }

    /// Between held-out prompts of as many tokens, from one to the other.
    fn interpolations(&self, concepts: &[Concept]) -> Result<Vec<Interpolation>> {
        const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
        let encoded = (concepts.iter())
            .map(|concept| {
                Ok((
                    concept,
                    self.predictor
                        .encoder()
                        .tokens(&concept.prompt, self.device)?,
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut by_length: BTreeMap<usize, Vec<&(&Concept, HostText)>> = BTreeMap::new();
        for entry in &encoded {
            by_length.entry(entry.1.len).or_default().push(entry);
        }
        // The first with the one from the middle, and so on: neighbours in the list are alike.
        let pairs = (by_length.values())
            .flat_map(|same| same.iter().zip(&same[same.len() / 2..]))
            .filter(|(a, b)| a.0.name != b.0.name)
            .take(self.args.interpolations);
        let mut found = Vec::new();
        let mut columns: Vec<Column> = (SHARES.iter())
            .map(|share| Column::new(share.to_string(), Vec::new()))
            .collect();
        for (&(first, a), &(second, b)) in pairs {
            let (target_a, target_b) = (self.targets(first)?, self.targets(second)?);
            let mix = |x: &Tensor<4>, y: &Tensor<4>, share: f64| {
                x.clone().mul_scalar(1.0 - share) + y.clone().mul_scalar(share)
            };
            let ends = [a, b].map(|tokens| self.outputs(&self.predict(tokens)?));
            let [end_a, end_b] = ends;
            let (end_a, end_b) = (end_a?, end_b?);
            let mut steps = Vec::new();
            for (share, column) in SHARES.into_iter().zip(&mut columns) {
                let tokens = (a.tokens.iter().zip(&b.tokens))
                    .map(|(x, y)| x + (y - x) * share as f32)
                    .collect();
                let tokens = HostText { tokens, len: a.len };
                let outputs = self.outputs(&self.predict(&tokens)?)?;
                let mixed = mix(&target_a, &target_b, share);
                steps.push(InterpolationStep {
                    share,
                    to_mixed_target: apart(&outputs, &mixed),
                    ends_mixed_to_mixed_target: apart(&mix(&end_a, &end_b, share), &mixed),
                    to_first_target: apart(&outputs, &target_a),
                    to_second_target: apart(&outputs, &target_b),
                });
                let shown = self.compared.len() / 2;
                column
                    .images
                    .extend(tensor_to_images(outputs.slice([shown..shown + 1])));
            }
            found.push(Interpolation {
                from: first.prompt.clone(),
                to: second.prompt.clone(),
                steps,
            });
        }
        if !found.is_empty() {
            write_grid(&self.args.out.join("interpolation.png"), &columns)?;
        }
        Ok(found)
    }
}

impl ZooOutputs {
    fn closest(&self, distance: impl Fn(usize) -> f64) -> (usize, f64) {
        (0..self.names.len())
            .map(|i| (i, distance(i)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((0, f64::NAN))
    }

    /// Median distance of an adapter to the closest other one.
    fn nearest(&self, distance: impl Fn(usize, usize) -> f64) -> f64 {
        let count = self.names.len();
        let mut nearest: Vec<f64> = vec![f64::INFINITY; count];
        for i in 0..count {
            // Checkpoints of one concept are no neighbours.
            for j in (0..i).filter(|&j| self.names[j] != self.names[i]) {
                let apart = distance(i, j);
                nearest[i] = nearest[i].min(apart);
                nearest[j] = nearest[j].min(apart);
            }
        }
        median(&mut nearest)
    }
}

/// Mean absolute difference of images in -1..1, as of values in 0..1.
fn apart(a: &Tensor<4>, b: &Tensor<4>) -> f64 {
    let difference = (a.clone() - b.clone()).abs().mean().into_scalar::<f32>();
    f64::from(difference) / 2.0
}

/// Random tokens with the mean square of real ones.
fn random_like(text: &HostText, seed: u64) -> HostText {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let squares: f32 = text.tokens.iter().map(|v| v * v).sum();
    // A uniform draw of the same deviation is √3 times as wide to each side.
    let bound = (3.0 * squares / text.tokens.len().max(1) as f32).sqrt();
    HostText {
        tokens: (text.tokens.iter())
            .map(|_| bound * (2.0 * rng.random::<f32>() - 1.0))
            .collect(),
        len: text.len,
    }
}
