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
use denoised_weights::AdapterPredictor;
use denoised_weights::export::export_pytorch;
use denoised_weights::weights::{mix, mixed_prompt, norm, with_strength};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::far::far_prompts;
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;
use weight_diffusion::Prediction;

pub(crate) use args::Args;
use report::Report;

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| generate(&args))
}

fn generate(args: &Args) -> Result<()> {
    args.check_places()?;
    if let Some(images) = &args.images {
        args.edits.check(images)?;
    }
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

    let mut warnings = far(args, &predictor)?;
    warnings.extend(prediction.and_then(|prediction| prediction.norm_warning()));
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    let seconds = [load_seconds, predict_seconds];
    let report = Report::new(args, generator, norm(&adapter), warnings, seconds);
    // What is printed comes last: whoever reads it may stop reading.
    let mut done = Vec::new();
    if let Some(images) = &args.images {
        done.extend(args.edits.edit(base, &adapter, images)?);
    }
    if let Some(dir) = &args.export {
        let photos = args.edits.apply.clone();
        let photos = photos.unwrap_or(args.photos.of(args.model.paths()).photos);
        let photos = read_photos(&photos, base.config.image_size)?;
        let photo = photos
            .first()
            .ok_or("there is no photo to edit for the check")?;
        export_pytorch(base, &adapter, &photo.image, dir)?;
        done.push(format!("exported into {}", display(dir)));
    }
    args.common.write_json(&report)?;
    report.print(generator.layout().blocks());
    for line in done {
        println!("{line}");
    }
    Ok(())
}

/// Warnings of prompts that are far from the shipped zoo's, if it is there and what the weight generator learned from.
fn far(args: &Args, predictor: &AdapterPredictor) -> Result<Vec<String>> {
    let (paths, shipped) = (args.model.paths(), args.model.assets.paths());
    if paths.weight_generator != shipped.weight_generator {
        return Ok(Vec::new());
    }
    match shipped.open_zoo(predictor.base()) {
        Ok(zoo) => {
            let warnings = far_prompts(&zoo, predictor.encoder(), args.prompts())?;
            Ok(warnings.into_iter().flatten().collect())
        }
        Err(_) => Ok(Vec::new()),
    }
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
