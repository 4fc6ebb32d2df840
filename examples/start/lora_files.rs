//! LoRA files of PEFT, diffusers or kohya's sd-scripts: from a folder of them, each with a prompt, to one for a new prompt.
//!
//! ```sh
//! cargo run --release --example lora_files -- collect my-adapters --out out/lora-zoo
//! cargo run --release --example train_generator -- --zoo out/lora-zoo --out out/lora-generator
//! cargo run --release --example lora_files -- predict --zoo out/lora-zoo --generator out/lora-generator \
//!     --prompt "a fresco in blue" --out out/generated
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use denoised_weights::collecting::CollectEvent;
use denoised_weights::lora_files::{
    LoraCollecting, LoraWriter, collect_lora_files, list_lora_files,
};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::options::{SampleArgs, TextArgs, zoo_files};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::prompts::{self, NamedPrompt};
use serde::Serialize;
use weight_blocks::Zoo;
use weight_diffusion::WeightGenerator;

/// Turn LoRA files that other tools wrote into a zoo to train a weight generator on, and write its predictions as files of
/// the same format.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Collect(Collect),
    Predict(Predict),
}

/// Make a zoo of a folder of LoRA files: NAME.safetensors with the prompt in NAME.txt, folders of PEFT with the prompt in
/// NAME/prompt.txt, or a metadata.jsonl with file_name and text. Interrupted, the same command continues.
#[derive(clap::Args)]
struct Collect {
    #[command(flatten)]
    common: Common,
    /// The folder of LoRA files.
    folder: PathBuf,
    /// Folder to write the zoo to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The file (or folder of PEFT) that the others should be like, and whose format predictions get [default: the one with the most values].
    #[arg(long, value_name = "FILE")]
    like: Option<PathBuf>,
    /// Fill up smaller ranks and missing layers with zeros, which leaves each adapter's effect as it is.
    #[arg(long)]
    pad: bool,
    /// Keep the factors as they are. Without this, those of each layer are brought as near to those of the file of --like as
    /// is possible without changing their product, because adapters come from different initialisations.
    #[arg(long)]
    keep_factors: bool,
    /// The base that all files belong to [default: what they state].
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// Weights per block.
    #[arg(long, default_value_t = LoraCollecting::default().block_size)]
    block_size: usize,
}

/// Write a LoRA file for a prompt, in the format of the files that the zoo was made of: DIR/NAME.safetensors, or a folder of
/// PEFT, DIR/NAME.
#[derive(clap::Args)]
struct Predict {
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
struct Collected<'a> {
    adapters: usize,
    layers: usize,
    weights: usize,
    blocks: usize,
    block_size: usize,
    base: &'a str,
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

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| match &args.command {
        Command::Collect(collect) => collect.run(),
        Command::Predict(predict) => predict.run(),
    })
}

impl Collect {
    fn run(&self) -> Result<()> {
        let places = Places::new()
            .reads(&self.folder)
            .reads_all(&self.like)
            .writes_all(zoo_files(&self.out))
            .writes(self.out.join("like"));
        self.common.check_places(places)?;
        let files = list_lora_files(&self.folder)?;
        let options = LoraCollecting {
            like: self.like.as_deref(),
            pad: self.pad,
            align: !self.keep_factors,
            base: self.base.as_deref(),
            block_size: self.block_size,
        };
        let mut progress = Progress::new("collect", files.len() as u64, 0);
        let mut done = 0;
        let zoo = collect_lora_files(&files, &self.out, &options, |event| {
            if let CollectEvent::Collected { concept, .. } = event {
                done += 1;
                progress.set(done, concept.to_owned());
            }
        })?;
        progress.finish();
        let layout = zoo.layout();
        let report = Collected {
            adapters: zoo.entries().len(),
            layers: layout.groups().len(),
            weights: layout.values(),
            blocks: layout.blocks(),
            block_size: layout.block_size(),
            base: zoo.base_digest(),
        };
        println!(
            "{}: {} adapters of {} layers and {} weights, {} blocks of {}, for base {:?}",
            display(&self.out),
            report.adapters,
            report.layers,
            report.weights,
            report.blocks,
            report.block_size,
            report.base,
        );
        if report.adapters > files.len() {
            let others = report.adapters - files.len();
            println!("{others} of them are not in {}", display(&self.folder));
        }
        self.common.write_json(&report)
    }
}

impl Predict {
    fn run(&self) -> Result<()> {
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
        let options = self.sampling.options(&generator, self.common.seed);
        let mut report = Vec::new();
        let mut progress = Progress::new("predict", prompts.len() as u64, 0);
        for (i, NamedPrompt { name, prompt }) in prompts.iter().enumerate() {
            let prediction = generator.predict(&encoder.tokens(prompt)?, &options, &device)?;
            let made = Predicted {
                prompt,
                file: path(name),
                norm: prediction.norm,
                zoo_norm_mean: prediction.zoo_norm_mean,
                zoo_norm_std: prediction.zoo_norm_std,
                warning: prediction.norm_warning(),
            };
            writer.write(&made.file, prompt, &prediction.weights)?;
            let file = display(&made.file);
            progress.line(&match &made.warning {
                Some(warning) => format!("{file}: {warning}"),
                None => file,
            });
            report.push(made);
            progress.set(i as u64 + 1, String::new());
        }
        progress.finish();
        self.common.write_json(&report)
    }
}
