//! The command line.

use std::path::PathBuf;

use clap::Parser;
use denoised_weights::export::exported_files;
use denoised_weights_examples::Result;
use denoised_weights_examples::apply::ApplyArgs;
use denoised_weights_examples::cli::{Common, prompt};
use denoised_weights_examples::options::{ModelArgs, PhotosArg, SampleArgs};

/// Predict the LoRA weights of a prompt and write them as safetensors; with --apply, also edit photos with
/// them, before any fine-tuning.
#[derive(Parser)]
#[command(mut_arg("apply", |apply| apply.requires("images")))]
#[command(mut_arg("photos", |photos| photos.requires("export")))]
pub(crate) struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub photos: PhotosArg,
    /// The concept, in words.
    #[arg(long, required_unless_present = "adapter", value_parser = prompt)]
    pub prompt: Option<String>,
    /// Take this adapter, as `your_style` writes it, in place of a prediction.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "mix", "t", "noises"])]
    pub adapter: Option<PathBuf>,
    /// Mix with the adapter predicted for a second concept.
    #[arg(long, value_name = "PROMPT", value_parser = prompt)]
    pub mix: Option<String>,
    /// Share of the second concept, 0 to 1.
    #[arg(long, default_value_t = 0.5, requires = "mix")]
    pub share: f32,
    /// How much of the adapter's effect to keep: 0 is the base alone, 1 the adapter, up to 4.
    #[arg(long, default_value_t = 1.0)]
    pub strength: f32,
    /// Where to write the adapter.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub sampling: SampleArgs,
    #[command(flatten)]
    pub edits: ApplyArgs,
    /// Folder for the edited photos, NAME.png each; it must be another folder than that of --apply. Photos whose names
    /// differ only in the extension keep it: dog.jpg.png, dog.png.png.
    #[arg(long, value_name = "DIR", requires = "apply")]
    pub images: Option<PathBuf>,
    /// Export for PyTorch: the adapted base to DIR, base and adapter apart to DIR/base and DIR/peft, and
    /// a photo with its edit to DIR/check.safetensors; tools/load_generator.py reads them.
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

impl Args {
    /// The predicted prompts; none with `--adapter`.
    pub(crate) fn prompts(&self) -> impl Iterator<Item = &str> {
        self.prompt.iter().chain(&self.mix).map(String::as_str)
    }

    /// Refuses outputs that would replace photos, files of the model or one another.
    pub(crate) fn check_places(&self) -> Result<()> {
        let mut places = self.model.places().writes(&self.out);
        places = places.reads_all(&self.adapter);
        if let Some(images) = &self.images {
            places = self.edits.places(places, images)?;
        }
        if let Some(dir) = &self.export {
            places = places.writes_all(exported_files(dir));
        }
        self.common.check_places(places)
    }
}
