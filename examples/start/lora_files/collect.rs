//! From a folder of LoRA files to a zoo.

use std::path::PathBuf;

use denoised_weights::collecting::CollectEvent;
use denoised_weights::lora_files::{LoraCollecting, collect_lora_files, list_lora_files};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{JsonArg, display};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::options::zoo_files;
use denoised_weights_examples::progress::Progress;
use serde::Serialize;

/// Make a zoo of a folder of LoRA files: NAME.safetensors with the prompt in NAME.txt, folders of PEFT with the prompt in
/// NAME/prompt.txt, or a metadata.jsonl with file_name and text. Interrupted, the same command continues.
#[derive(clap::Args)]
pub(crate) struct Collect {
    #[command(flatten)]
    json: JsonArg,
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

#[derive(Serialize)]
struct Collected<'a> {
    adapters: usize,
    layers: usize,
    weights: usize,
    blocks: usize,
    block_size: usize,
    base: &'a str,
}

impl Collect {
    pub(crate) fn run(&self) -> Result<()> {
        let places = Places::new()
            .reads(&self.folder)
            .reads_all(&self.like)
            .writes_all(zoo_files(&self.out))
            .writes(self.out.join("like"));
        self.json.check_places(places)?;
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
        self.json.write_json(&report)
    }
}
