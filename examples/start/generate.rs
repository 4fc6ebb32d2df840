//! Prompt → LoRA weights, in one denoising step.
//!
//! ```sh
//! cargo run --release --example generate -- --prompt "teal charcoal sketch" --out out/teal.safetensors
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;
use clap::Parser;
use concepts::read_photos;
use denoised_weights_examples::assets::{AssetArgs, TextArgs, display};
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::denoised::load_all;
use denoised_weights_examples::{Result, files};
use finetune::{images_to_tensor, tensor_to_images, translate};
use lora_gan::{BaseGenerator, Mode};
use serde::Serialize;
use weight_blocks::{HostTensor, NamedTensors, WeightSpace, save_safetensors};

/// Ask the weight generator for the LoRA weights of a prompt and write them as safetensors; with
/// --apply also translate photos with them, before any fine-tuning.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    text: TextArgs,
    /// The concept, in words.
    #[arg(long)]
    prompt: String,
    /// Where to write the adapter.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Timestep of the one denoising step [default: the generator's].
    #[arg(long)]
    t: Option<usize>,
    /// Predictions from different noise that are averaged.
    #[arg(long)]
    noises: Option<usize>,
    /// Translate the photos of this folder with the base and the new adapter.
    #[arg(long, value_name = "DIR", requires = "images")]
    apply: Option<PathBuf>,
    /// Folder for the translated photos, PNG.
    #[arg(long, value_name = "DIR", requires = "apply")]
    images: Option<PathBuf>,
    /// Write the base with the new adapter for PyTorch: DIR merged, DIR/base and DIR/peft apart, and
    /// DIR/check.safetensors with a photo and its edit; tools/load_generator.py reads them.
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
    let device = args.common.device()?;
    let started = Instant::now();
    let (base, text, generator) = load_all(&args.assets, &args.text, &device)?;
    let load_seconds = started.elapsed().as_secs_f64();

    let mut options = generator.defaults();
    options.seed = args.common.seed;
    options.t = args.t.unwrap_or(options.t);
    options.noises = args.noises.unwrap_or(options.noises);
    let started = Instant::now();
    let tokens = text.tokens(&args.prompt, &device)?;
    let prediction = generator.predict(&tokens, &options, &device)?;
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
        apply(&base, &prediction.weights, photos, images, &device)?;
    }
    if let Some(dir) = &args.export {
        let photos = args.apply.clone().unwrap_or(args.assets.photos_dir());
        export(&base, &prediction.weights, dir, &photos, &device)?;
    }
    args.common.write_json(&report)
}

fn export(
    base: &BaseGenerator,
    adapter: &NamedTensors,
    dir: &std::path::Path,
    photos: &std::path::Path,
    device: &Device,
) -> Result<()> {
    base.generator.export(&dir.join("base"))?;
    let mut network = base.generator.clone();
    network.load_weights(adapter)?;
    network.export(dir)?;
    network.save_peft(&dir.join("peft"), Some(&base.digest))?;

    let size = base.config.image_size;
    let photos = read_photos(photos, size)?;
    let Some(photo) = photos.first() else {
        return Err("no photo to translate for the check".into());
    };
    let photo = images_to_tensor(&[&photo.image], size, device)?;
    let edited = network.try_forward(photo.clone(), None, Mode::Adapted)?;
    let mut check = NamedTensors::new();
    for (name, image) in [("photo", photo), ("edited", edited)] {
        let shape = image.dims().to_vec();
        let data = image.into_data().try_into_vec::<f32>()?;
        check.insert(name.into(), HostTensor::new(shape, data)?);
    }
    save_safetensors(&dir.join("check.safetensors"), &check, &BTreeMap::new())?;
    println!("exported into {}", display(dir));
    Ok(())
}

fn apply(
    base: &BaseGenerator,
    adapter: &NamedTensors,
    photos: &std::path::Path,
    images: &std::path::Path,
    device: &Device,
) -> Result<()> {
    let size = base.config.image_size;
    let photos = read_photos(photos, size)?;
    let mut network = base.generator.clone();
    network.load_weights(adapter)?;
    let inputs: Vec<_> = photos.iter().map(|photo| &photo.image).collect();
    let outputs = translate(
        &network.merge_adapter(),
        &images_to_tensor(&inputs, size, device)?,
    )?;
    for (photo, output) in photos.iter().zip(tensor_to_images(outputs)) {
        let stem = photo.path.file_stem().unwrap_or_default();
        let path = images.join(stem).with_extension("png");
        files::write_png(&path, &output)?;
    }
    println!(
        "{} photos translated into {}",
        photos.len(),
        display(images)
    );
    Ok(())
}
