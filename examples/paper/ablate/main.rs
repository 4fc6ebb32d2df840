//! Block sizes and grouping rules, by overfitting the weight generator on one concept (paper, §4.3).
//!
//! ```sh
//! cargo run --release --example ablate
//! ```

mod args;
mod bench;
mod overfit;
mod report;

use std::process::ExitCode;

use clean_fid::FeatureNet;
use denoised_weights::pairs::PhotoSplits;
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::{Result, files};

use args::Args;
use bench::Bench;
use report::{Report, tables};

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| ablate(&args))
}

fn ablate(args: &Args) -> Result<()> {
    let assets = args.data.of(args.model.paths());
    args.check_places(&assets)?;
    files::check_writable(&args.out)?;
    let device = args.common.device()?;
    let base = assets.load_base(&device)?;
    let text = args.model.text.load(&device)?;
    let zoo = assets.open_zoo(&base)?;
    let network = assets.load_feature_network(&device)?;
    let photos = PhotoSplits::read(&assets.photos, base.config.image_size)?;
    let found = photos.test.len();
    if let Some(note) = limit("test photos", args.n_test, found, "--n-test") {
        println!("{note}");
    }
    let bench = Bench {
        args,
        device: &device,
        base: &base,
        text: &text,
        network: &network,
        zoo: &zoo,
        photos: &photos,
    };
    let mut report = Report {
        seed: args.common.seed,
        device: args.common.device.clone(),
        quality: network.metric_name("frechet"),
        steps: args.steps,
        channels: args.channels,
        block_heads: args.block_heads,
        combined: args.combined,
        concepts: Vec::new(),
        cells: Vec::new(),
    };
    for concept in &args.concepts {
        bench.concept(concept, &mut report)?;
        files::write_json(&args.out.join("ablate.json"), &report)?;
    }
    let tables = tables(&report)?;
    files::write(&args.out.join("tables.md"), tables.as_bytes())?;
    println!("\n{tables}\nwrote {}", display(&args.out));
    args.common.write_json(&report)
}
