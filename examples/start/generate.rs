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
use denoised_weights::{PhotoEditor, plan_edits};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, prompt, run};
use denoised_weights_examples::options::{ModelArgs, SampleArgs};
use serde::Serialize;

/// Predict the LoRA weights of a prompt and write them as safetensors; with --apply, also edit photos with
/// them, before any fine-tuning.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    /// The concept, in words.
    #[arg(long, value_parser = prompt)]
    prompt: String,
    /// Where to write the adapter.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    sampling: SampleArgs,
    /// Edit the photos of this folder with the predicted adapter.
    #[arg(long, value_name = "DIR", requires = "images")]
    apply: Option<PathBuf>,
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
    prompt: String,
    out: PathBuf,
    load_seconds: f64,
    predict_seconds: f64,
    norm: f64,
    zoo_norm_mean: f64,
    zoo_norm_std: f64,
    warning: Option<String>,
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| generate(&args))
}

fn generate(args: &Args) -> Result<()> {
    args.check_places()?;
    let device = args.common.device()?;
    let started = Instant::now();
    let predictor = args.model.load_predictor(&device)?;
    let (base, generator) = (predictor.base(), predictor.generator());
    let load_seconds = started.elapsed().as_secs_f64();

    let options = args.sampling.options(generator, args.common.seed);
    let started = Instant::now();
    let prediction = predictor.predict_with(&args.prompt, &options)?;
    let predict_seconds = started.elapsed().as_secs_f64();
    base.save_adapter(&args.out, &prediction.weights)?;

    let report = Report {
        prompt: args.prompt.clone(),
        out: args.out.clone(),
        load_seconds,
        predict_seconds,
        norm: prediction.norm,
        zoo_norm_mean: prediction.zoo_norm_mean,
        zoo_norm_std: prediction.zoo_norm_std,
        warning: prediction.norm_warning(),
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
        let editor = PhotoEditor::new(base, &prediction.weights)?;
        let count = editor.edit_folder(photos, images)?;
        println!("{count} photos edited into {}", display(images));
    }
    if let Some(dir) = &args.export {
        let photos = (args.apply.clone()).unwrap_or(args.model.paths().photos);
        let photos = read_photos(&photos, base.config.image_size)?;
        let photo = photos
            .first()
            .ok_or("there is no photo to edit for the check")?;
        export_pytorch(base, &prediction.weights, &photo.image, dir)?;
        println!("exported into {}", display(dir));
    }
    args.common.write_json(&report)
}

impl Args {
    /// Refuses outputs that would replace photos, files of the model or one another.
    fn check_places(&self) -> Result<()> {
        let mut places = self.model.places().writes(&self.out);
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
