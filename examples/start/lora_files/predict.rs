//! From prompts to LoRA files.

use std::path::PathBuf;

use denoised_weights::lora_files::LoraWriter;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display};
use denoised_weights_examples::far::far_prompts;
use denoised_weights_examples::files::Places;
use denoised_weights_examples::options::{SampleArgs, TextArgs};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::prompts::{self, NamedPrompt};
use serde::Serialize;
use weight_blocks::Zoo;
use weight_diffusion::WeightGenerator;

/// Write a LoRA file for a prompt, in the format of the files that the zoo was made of: DIR/NAME.safetensors, or a folder of
/// PEFT, DIR/NAME.
#[derive(clap::Args)]
pub(crate) struct Predict {
    #[command(flatten)]
    common: Common,
    /// The zoo that `collect` wrote.
    #[arg(long, value_name = "DIR")]
    zoo: PathBuf,
    /// The weight generator that was trained on it.
    #[arg(long, value_name = "DIR")]
    generator: PathBuf,
    /// What the adapter should do, in words; a leading `NAME: ` names the file.
    #[arg(long, required_unless_present = "prompts", conflicts_with = "prompts", value_parser = prompts::parse)]
    prompt: Option<NamedPrompt>,
    /// A file with a prompt per line.
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Folder for the files.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    sampling: SampleArgs,
}

#[derive(Serialize)]
struct Predicted<'a> {
    prompt: &'a str,
    file: PathBuf,
    norm: f64,
    zoo_norm_mean: f64,
    zoo_norm_std: f64,
    warning: Option<String>,
}

impl Predict {
    pub(crate) fn run(&self) -> Result<()> {
        let prompts = match &self.prompts {
            Some(file) => prompts::read(file)?,
            None => self.prompt.iter().cloned().collect(),
        };
        let zoo = Zoo::open(&self.zoo)?;
        let writer = LoraWriter::open(&zoo)?;
        let path = |name: &str| writer.path(&self.out, name);
        let places = Places::new()
            .reads(&self.zoo)
            .reads(&self.generator)
            .reads_all(&self.prompts)
            .reads_all(self.text.folder())
            .writes_all(prompts.iter().map(|prompt| path(&prompt.name)));
        self.common.check_places(places)?;
        let device = self.common.device()?;
        let encoder = self.text.load(&device)?;
        let generator = WeightGenerator::load(&self.generator, &device)?;
        generator.check_encoder(&encoder.id())?;
        writer.check(&generator, &self.generator)?;
        let texts = prompts.iter().map(|prompt| prompt.prompt.as_str());
        let far = far_prompts(&zoo, &encoder, texts)?;
        let options = self.sampling.options(&generator, self.common.seed);
        let mut report = Vec::new();
        let mut progress = Progress::new("predict", prompts.len() as u64, 0);
        for (i, (NamedPrompt { name, prompt }, far)) in prompts.iter().zip(far).enumerate() {
            let prediction = generator.predict(&encoder.tokens(prompt)?, &options, &device)?;
            let warnings: Vec<String> = far.into_iter().chain(prediction.norm_warning()).collect();
            let made = Predicted {
                prompt,
                file: path(name),
                norm: prediction.norm,
                zoo_norm_mean: prediction.zoo_norm_mean,
                zoo_norm_std: prediction.zoo_norm_std,
                warning: (!warnings.is_empty()).then(|| warnings.join(" ")),
            };
            writer.write(&made.file, prompt, &prediction.weights)?;
            let file = display(&made.file);
            progress.line(&match &made.warning {
                Some(warning) => format!("{file}: warning: {warning}"),
                None => file,
            });
            report.push(made);
            progress.set(i as u64 + 1, String::new());
        }
        progress.finish();
        self.common.write_json(&report)
    }
}
