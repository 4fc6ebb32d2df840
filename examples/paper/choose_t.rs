//! At which timestep, and from how many noises, the one-step prediction is best.
//!
//! ```sh
//! cargo run --release --example choose_t -- --generator out/denoiser
//! ```

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use clean_fid::FeatureNet;
use concepts::{Concept, Split};
use denoised_weights::AdapterPredictor;
use denoised_weights::comparison::median;
use denoised_weights::pairs::{ConceptPairs, PairCounts, PhotoSplits, concepts_of};
use denoised_weights::weights::{adapt, norm};
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::options::{ModelArgs, PhotosArg, at_least};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use finetune::Evaluator;
use lora_gan::BaseGenerator;
use result_figures::{Chart, Line, write_chart};
use serde::Serialize;
use weight_diffusion::SampleOptions;
use weight_diffusion::encoded_text::EncodedPrompt;

/// Measure the edits of the validation photos by the predicted weights of the validation concepts, before
/// any fine-tuning, for each timestep and for averages over several noises. Writes choose_t.json,
/// choose_t.md and choose_t.svg. A generator that `refine_generator` has refined predicts well only at the
/// noise end; use one that `train_generator` wrote.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    photos: PhotosArg,
    /// Timesteps t.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 300, 600, 800, 900, 950, 980, 990, 999])]
    timesteps: Vec<usize>,
    /// Numbers of predictions that are averaged.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16])]
    noises: Vec<usize>,
    /// Number of seeds, each with its own noise.
    #[arg(
        long,
        default_value_t = 2,
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true
    )]
    seeds: u64,
    /// Maximum number of concepts.
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    limit: Option<usize>,
    /// Number of validation photos.
    #[arg(
        long,
        default_value_t = 40,
        value_parser = at_least::<usize>(2),
        allow_negative_numbers = true
    )]
    n_test: usize,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "out/choose_t")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| choose(&args))
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    device: String,
    quality: String,
    concepts: Vec<String>,
    /// Mean quality of the base without an adapter.
    base: f64,
    points: Vec<PointReport>,
}

#[derive(Serialize)]
struct PointReport {
    t: usize,
    noises: usize,
    /// Mean over concepts and seeds.
    quality: f64,
    l1: f64,
    /// Standard deviation over the seeds of the mean over the concepts.
    seed_deviation: f64,
    /// Mean L2 norm of the predicted weights.
    norm: f64,
    /// Median over the predictions.
    predict_seconds: f64,
}

fn choose(args: &Args) -> Result<()> {
    let assets = args.photos.of(args.model.paths());
    let outputs = ["choose_t.json", "choose_t.md", "choose_t.svg"];
    let places = (args.model.places())
        .reads(&assets.feature_network)
        .reads_directly_in(&assets.photos)
        .writes_all(outputs.map(|name| args.out.join(name)));
    args.common.check_places(places)?;
    files::check_writable(&args.out)?;
    let device = args.common.device()?;
    let predictor = args.model.load_predictor(&device)?;
    let generator = predictor.generator();
    if generator.trained_norm().is_some() {
        eprintln!(
            "note: this generator was refined at the noise end; other timesteps will look worse than they are"
        );
    }
    let network = assets.load_feature_network(&device)?;
    let photos = PhotoSplits::read(&assets.photos, predictor.base().config.image_size)?;
    let found = photos.validation.len();
    if let Some(note) = limit("validation photos", args.n_test, found, "--n-test") {
        println!("{note}");
    }
    let mut concepts = concepts_of(Split::Validation);
    concepts.truncate(args.limit.unwrap_or(usize::MAX));
    let options = args.options(generator.defaults());
    for options in &options {
        options.validate(&generator.unet().config().schedule)?;
    }

    let per_concept = options.len() as u64 * args.seeds.max(1);
    let mut progress = Progress::new("measure", concepts.len() as u64 * per_concept, 0);
    let mut base_quality = 0.0;
    let seeds = args.seeds.max(1) as usize;
    let mut sums: Vec<Sums> = options.iter().map(|_| Sums::new(seeds)).collect();
    for (index, concept) in (0..).zip(&concepts) {
        let mut done = index * per_concept;
        let pairs = args.pairs(concept, &photos, &predictor)?;
        let evaluator = Evaluator::new(&network, &pairs.test)?;
        let base = predictor.prompted_base(&concept.prompt)?;
        base_quality += evaluator.measure(&base.generator)?.frechet;
        let tokens = predictor.encoder().tokens(&concept.prompt)?;
        for (options, sums) in options.iter().zip(&mut sums) {
            for seed in 0..args.seeds.max(1) {
                sums.add(seed, &predictor, (&base, &tokens), *options, &evaluator)?;
                done += 1;
                progress.set(done, format!("{} t = {}", concept.name, options.t));
            }
        }
    }
    progress.finish();
    let n = concepts.len().max(1) as f64;
    let points = (options.iter().zip(sums))
        .map(|(options, sums)| sums.report(*options, n))
        .collect();
    write(
        args,
        &Report {
            seed: args.common.seed,
            device: args.common.device.clone(),
            quality: network.metric_name("frechet"),
            concepts: concepts.into_iter().map(|c| c.name).collect(),
            base: base_quality / n,
            points,
        },
    )
}

fn write(args: &Args, report: &Report) -> Result<()> {
    let table = table(report)?;
    println!("{table}");
    files::write_json(&args.out.join("choose_t.json"), report)?;
    files::write(&args.out.join("choose_t.md"), table.as_bytes())?;
    draw(args, report)?;
    println!("wrote {}", display(&args.out));
    args.common.write_json(report)
}

impl Args {
    /// Every timestep with every number of noises.
    fn options(&self, defaults: SampleOptions) -> Vec<SampleOptions> {
        (self.noises.iter())
            .flat_map(|&noises| {
                (self.timesteps.iter()).map(move |&t| SampleOptions {
                    t,
                    noises,
                    seed: self.common.seed,
                    ..defaults
                })
            })
            .collect()
    }

    fn pairs(
        &self,
        concept: &Concept,
        photos: &PhotoSplits,
        predictor: &AdapterPredictor,
    ) -> Result<ConceptPairs> {
        let counts = PairCounts {
            train: 2,
            test: self.n_test,
            shown: 0,
        };
        let size = predictor.base().config.image_size;
        let (train, validation) = (&photos.train, &photos.validation);
        let device = predictor.device();
        Ok(ConceptPairs::edited(
            concept, train, validation, counts, size, device,
        )?)
    }
}

/// Sums over the concepts of one timestep and number of noises.
struct Sums {
    /// Per seed.
    quality: Vec<f64>,
    l1: f64,
    norm: f64,
    seconds: Vec<f64>,
}

impl Sums {
    fn new(seeds: usize) -> Self {
        Self {
            quality: vec![0.0; seeds],
            l1: 0.0,
            norm: 0.0,
            seconds: Vec::new(),
        }
    }

    /// Predicts with the noise of `seed` and adds the measurement.
    fn add(
        &mut self,
        seed: u64,
        predictor: &AdapterPredictor,
        (base, tokens): (&BaseGenerator, &EncodedPrompt),
        options: SampleOptions,
        evaluator: &Evaluator<'_>,
    ) -> Result<()> {
        let options = SampleOptions {
            seed: options.seed + seed,
            ..options
        };
        let (generator, device) = (predictor.generator(), predictor.device());
        let started = Instant::now();
        let weights = generator.predict(tokens, &options, device)?.weights;
        self.seconds.push(started.elapsed().as_secs_f64());
        let adapted = adapt(base, &weights)?;
        let quality = evaluator.measure(&adapted)?;
        self.quality[seed as usize] += quality.frechet;
        self.l1 += quality.l1;
        self.norm += norm(&weights);
        Ok(())
    }

    fn report(mut self, options: SampleOptions, concepts: f64) -> PointReport {
        let seeds = self.quality.len() as f64;
        let means = self.quality.iter().map(|sum| sum / concepts);
        let quality = means.clone().sum::<f64>() / seeds;
        let variance = means.map(|mean| (mean - quality).powi(2)).sum::<f64>() / seeds;
        PointReport {
            t: options.t,
            noises: options.noises,
            quality,
            l1: self.l1 / concepts / seeds,
            seed_deviation: variance.sqrt(),
            norm: self.norm / concepts / seeds,
            predict_seconds: median(&mut self.seconds),
        }
    }
}

fn table(report: &Report) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "Mean over {} validation concepts; the base without an adapter: {:.1}.\n",
        report.concepts.len(),
        report.base
    )?;
    writeln!(
        text,
        "| noises | t | {} | ± over seeds | L1 | norm | s |",
        report.quality
    )?;
    writeln!(text, "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for point in &report.points {
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.4} | {:.2} | {:.3} |",
            point.noises,
            point.t,
            point.quality,
            point.seed_deviation,
            point.l1,
            point.norm,
            point.predict_seconds
        )?;
    }
    Ok(text)
}

fn draw(args: &Args, report: &Report) -> Result<()> {
    let lines = (args.noises.iter())
        .map(|&noises| Line {
            name: format!("{noises} noise(s)"),
            points: (report.points.iter())
                .filter(|point| point.noises == noises)
                .map(|point| (point.t as f64, point.quality))
                .collect(),
            bold: noises == 1,
        })
        .collect();
    let chart = Chart {
        title: "untrained prediction by timestep, lower is better",
        x: "timestep t of the one denoising step",
        y: &report.quality,
        lines,
        ..Chart::default()
    };
    Ok(write_chart(&args.out.join("choose_t.svg"), &chart)?)
}
