//! From a prompt to LoRA weights, in one denoising step.
//!
//! ```sh
//! cargo run --release --example generate -- --prompt "teal charcoal sketch" --out out/teal.safetensors
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use concepts::read_photos;
use denoised_weights::export::{export_pytorch, exported_files};
use denoised_weights::weights::{mix, mixed_prompt, norm, with_strength};
use denoised_weights::{AdapterPredictor, PhotoEditor, WholeSize, plan_edits};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, prompt, run};
use denoised_weights_examples::options::{ModelArgs, SampleArgs};
use denoised_weights_examples::progress::Progress;
use lora_gan::BaseGenerator;
use serde::Serialize;
use weight_blocks::NamedTensors;
use weight_diffusion::Prediction;

/// Predict the LoRA weights of a prompt and write them as safetensors; with --apply, also edit photos with
/// them, before any fine-tuning.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    /// The concept, in words.
    #[arg(long, required_unless_present = "adapter", value_parser = prompt)]
    prompt: Option<String>,
    /// Take this adapter, as `your_style` writes it, in place of a prediction.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "mix"])]
    adapter: Option<PathBuf>,
    /// Mix with the adapter predicted for a second concept.
    #[arg(long, value_name = "PROMPT", value_parser = prompt)]
    mix: Option<String>,
    /// Share of the second concept, 0 to 1.
    #[arg(long, default_value_t = 0.5, requires = "mix")]
    share: f32,
    /// How much of the adapter's effect to keep: 0 is the base alone, 1 the adapter, up to 4.
    #[arg(long, default_value_t = 1.0)]
    strength: f32,
    /// Where to write the adapter.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    sampling: SampleArgs,
    /// Edit the photos of this folder with the predicted adapter.
    #[arg(long, value_name = "DIR", requires = "images")]
    apply: Option<PathBuf>,
    /// Edit whole photos at their own size, of up to 1,048,576 pixels, instead of their middle squares at the
    /// size that the base was trained on.
    #[arg(long, requires = "apply")]
    whole: bool,
    /// Edit whole photos, scaled to this many pixels along the shorter side.
    #[arg(
        long,
        value_name = "PIXELS",
        requires = "apply",
        conflicts_with = "whole"
    )]
    shorter_side: Option<u32>,
    /// Folder for the edited photos, NAME.png each; it must be another folder than that of --apply. Photos whose names
    /// differ only in the extension keep it: dog.jpg.png, dog.png.png.
    #[arg(long, value_name = "DIR", requires = "apply")]
    images: Option<PathBuf>,
    /// Export for PyTorch: the adapted base to DIR, base and adapter apart to DIR/base and DIR/peft, and
    /// a photo with its edit to DIR/check.safetensors; tools/load_generator.py reads them.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    prompt: Option<String>,
    adapter: Option<PathBuf>,
    mix: Option<String>,
    share: Option<f32>,
    strength: f32,
    out: PathBuf,
    load_seconds: f64,
    predict_seconds: f64,
    norm: f64,
    zoo_norm_mean: f64,
    zoo_norm_std: f64,
    warning: Option<String>,
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| generate(&args))
}

fn generate(args: &Args) -> Result<()> {
    args.check_places()?;
    let device = args.common.device()?;
    let started = Instant::now();
    let predictor = args.model.load_predictor(&device)?;
    let generator = predictor.generator();
    let load_seconds = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let (base, adapter, prediction) = make(args, &predictor)?;
    let base = &base;
    let adapter = with_strength(base, &adapter, args.strength)?;
    let predict_seconds = started.elapsed().as_secs_f64();
    base.save_adapter(&args.out, &adapter)?;

    let report = Report {
        prompt: args.prompt.clone(),
        adapter: args.adapter.clone(),
        mix: args.mix.clone(),
        share: args.mix.is_some().then_some(args.share),
        strength: args.strength,
        out: args.out.clone(),
        load_seconds,
        predict_seconds,
        norm: norm(&adapter),
        zoo_norm_mean: generator.zoo_norm().mean,
        zoo_norm_std: generator.zoo_norm().std,
        warning: prediction.and_then(|prediction| prediction.norm_warning()),
    };
    println!(
        "{}: {} blocks in {predict_seconds:.3} s (loading took {load_seconds:.3} s); norm {:.2}, the zoo's {:.2} ± {:.2}",
        display(&args.out),
        generator.layout().blocks(),
        report.norm,
        report.zoo_norm_mean,
        report.zoo_norm_std
    );
    if let Some(warning) = &report.warning {
        eprintln!("warning: {warning}");
    }
    if let (Some(photos), Some(images)) = (&args.apply, &args.images) {
        let editor = PhotoEditor::new(base, &adapter)?;
        let count = match args.whole_size() {
            None => editor.edit_folder(photos, images)?,
            Some(size) => {
                let total = plan_edits(photos, images)?.len() as u64;
                let mut progress = Progress::new("edit", total, 0);
                let count = editor.edit_folder_whole(photos, images, size, |done| {
                    progress.set(done as u64, String::new());
                })?;
                progress.finish();
                count
            }
        };
        println!("{count} photos edited into {}", display(images));
    }
    if let Some(dir) = &args.export {
        let photos = (args.apply.clone()).unwrap_or(args.model.paths().photos);
        let photos = read_photos(&photos, base.config.image_size)?;
        let photo = photos
            .first()
            .ok_or("there is no photo to edit for the check")?;
        export_pytorch(base, &adapter, &photo.image, dir)?;
        println!("exported into {}", display(dir));
    }
    args.common.write_json(&report)
}

/// The adapter of a file, or the predicted one, mixed if asked for, with its base; and the prediction for the first prompt.
fn make(
    args: &Args,
    predictor: &AdapterPredictor,
) -> Result<(BaseGenerator, NamedTensors, Option<Prediction>)> {
    if let Some(path) = &args.adapter {
        let (base, adapter) = predictor.load_adapter(path)?;
        return Ok((base, adapter, None));
    }
    let options = args
        .sampling
        .options(predictor.generator(), args.common.seed);
    let prompt = args.prompt.as_deref().unwrap_or_default();
    let prediction = predictor.predict_with(prompt, &options)?;
    let adapter = match &args.mix {
        Some(other) => {
            let other = predictor.predict_with(other, &options)?;
            mix(&prediction.weights, &other.weights, args.share)?
        }
        None => prediction.weights.clone(),
    };
    let prompt = match &args.mix {
        Some(other) => mixed_prompt(prompt, other, args.share),
        None => prompt.to_owned(),
    };
    Ok((predictor.prompted_base(&prompt)?, adapter, Some(prediction)))
}

impl Args {
    /// The size of photos that are edited as a whole; none for their middle squares.
    fn whole_size(&self) -> Option<WholeSize> {
        match self.shorter_side {
            Some(side) => Some(WholeSize::ShorterSide(side)),
            None => self.whole.then_some(WholeSize::Own),
        }
    }

    /// Refuses outputs that would replace photos, files of the model or one another.
    fn check_places(&self) -> Result<()> {
        let mut places = self.model.places().writes(&self.out);
        places = places.reads_all(&self.adapter);
        if let (Some(photos), Some(images)) = (&self.apply, &self.images) {
            let plan = plan_edits(photos, images)?;
            places = places.reads_all(plan.iter().map(|edit| &edit.photo));
            places = places.writes_all(plan.iter().map(|edit| &edit.edited));
        }
        if let Some(dir) = &self.export {
            places = places.writes_all(exported_files(dir));
        }
        self.common.check_places(places)
    }
}
