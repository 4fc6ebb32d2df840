//! Predicts the weights of a held-out concept in one step, and fine-tunes them beside other starts.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```

mod args;
mod compare;
mod output;
mod results;

use std::process::ExitCode;

use clean_fid::FeatureNet;
use denoised_weights::Preset;
use denoised_weights::comparison::ComparisonReport;
use denoised_weights::memory::training_mib;
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::{Result, files};

pub(crate) use args::Args;
use compare::Bench;
use output::{print_summary, print_table};
pub(crate) use results::make_room;

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| quickstart(&args))
}

fn quickstart(args: &Args) -> Result<()> {
    let (sources, split) = args.sources()?;
    args.check_places(&sources)?;
    let device = args.common.device()?;
    let assets = args.paths();
    let predictor = args.model.load_predictor(&device)?;
    let zoo = assets.open_zoo(predictor.base())?;
    let network = assets.load_feature_network(&device)?;
    // A prompt without a word that the encoder knows is refused before anything is trained.
    for source in &sources {
        predictor.encoder().tokens(source.prompt())?;
    }
    let size = predictor.base().config.image_size;
    let base = predictor.base();
    let recipe = args.recipe(Preset::of(&base.config));
    let photos = args.photos(size)?;
    let bench = Bench {
        args,
        methods: args.methods(&zoo),
        predictor: &predictor,
        zoo: &zoo,
        network: &network,
    };
    let quality = network.metric_name("frechet");
    let mut report = ComparisonReport::new(args.common.seed, &args.common.device, &quality);
    for (number, source) in sources.iter().enumerate() {
        let pairs = source.pairs(photos.as_ref(), split, args.counts(), size, &device)?;
        let held = pairs.train.len() + pairs.test.len();
        let needed = training_mib(&base.generator, recipe.batch_size, size, held);
        args.memory.check(needed)?;
        files::check_writable(&args.out)?;
        if number == 0 {
            make_room(&args.out)?;
        }
        let dir = match sources.len() {
            1 => args.out.clone(),
            _ => args.out.join(&pairs.name),
        };
        let concept = bench.compare(&pairs, &dir)?;
        print_table(&quality, &concept);
        report.add(concept);
        // After each concept, so that an interrupted run leaves what it measured.
        files::write_json(&args.out.join("report.json"), &report)?;
    }
    if sources.len() != 1 {
        print_summary(&report);
    }
    println!("wrote {}", display(&args.out));
    args.common.write_json(&report)
}
