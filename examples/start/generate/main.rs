//! From a prompt to LoRA weights, in one denoising step.
//!
//! ```sh
//! cargo run --release --example generate -- --prompt "teal charcoal sketch" --out out/teal.safetensors
//! ```

mod args;
mod report;

use std::process::ExitCode;
use std::time::Instant;

use concepts::read_photos;
use denoised_weights::export::export_pytorch;
use denoised_weights::weights::{mix, mixed_prompt, norm, with_strength};
use denoised_weights::{AdapterPredictor, PhotoEditor, plan_edits};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::progress::Progress;
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;
use weight_diffusion::Prediction;

use args::Args;
use report::Report;

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

    let warning = prediction.and_then(|prediction| prediction.norm_warning());
    let seconds = [load_seconds, predict_seconds];
    let report = Report::new(args, generator, norm(&adapter), warning, seconds);
    report.print(generator.layout().blocks());
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
