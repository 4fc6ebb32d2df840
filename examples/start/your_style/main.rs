//! Your own style: from a prompt and a folder of pairs to a fine-tuned adapter.
//!
//! ```sh
//! cargo run --release --example prepare_pairs -- --split test --only teal-charcoal-sketch --out out/pairs
//! cargo run --release --example your_style -- --prompt "teal charcoal sketch" --pairs out/pairs/teal-charcoal-sketch
//! ```

mod args;
mod output;
mod training;

use std::process::ExitCode;

use clean_fid::FeatureNet;
use denoised_weights::Preset;
use denoised_weights::comparison::{Comparison, ComparisonReport, ConceptReport};
use denoised_weights::memory::training_mib;
use denoised_weights::pairs::ConceptPairs;
use denoised_weights::starts::Starts;
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::far::far_prompts;
use denoised_weights_examples::limits::pair_limits;
use denoised_weights_examples::{Result, files};
use finetune::Recipe;

pub(crate) use args::Args;
use args::Direction;
use output::{summary, write_pictures};
use training::Training;

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| your_style(&args))
}

fn your_style(args: &Args) -> Result<()> {
    args.check_places()?;
    let prompt = &args.prompt()?;
    args.edits.check(&args.edited())?;
    let device = args.common.device()?;
    let predictor = args.model.load_predictor(&device)?;
    // A prompt without a word that the encoder knows is refused before anything is trained.
    let base = &predictor.prompted_base(prompt)?;
    let size = base.config.image_size;
    let assets = args.paths();
    let zoo = assets.open_zoo(predictor.base())?;
    let far = far_prompts(&zoo, predictor.encoder(), [prompt.as_str()])?;
    for warning in far.into_iter().flatten() {
        eprintln!("warning: {warning}");
    }
    let network = assets.load_feature_network(&device)?;
    let mut pairs = ConceptPairs::folder(&args.pairs, prompt, args.counts(), size, &device)?;
    if args.direction == Direction::BToA {
        pairs = pairs.reversed();
    }
    if args.cluster {
        pairs = pairs.clustered(args.n_train, &network, args.common.seed)?;
    }
    let recipe = Recipe {
        epochs: args.epochs,
        seed: args.common.seed,
        ..Preset::of(&base.config).fine_tuning()
    };
    let held = pairs.train.len() + pairs.test.len();
    let needed = training_mib(&base.generator, recipe.batch_size, size, held);
    args.memory.check(needed)?;
    files::check_writable(&args.out)?;
    for note in pair_limits(&pairs, ["--n-train", "--n-test"]) {
        eprintln!("{note}");
    }

    let generator = predictor.generator();
    let mut options = generator.defaults();
    options.seed = args.common.seed;
    let starts = Starts {
        predictor: &predictor,
        generator,
        zoo: &zoo,
        pairs: &pairs.train,
        options,
        seed: args.common.seed,
    };
    let start = starts.make(args.start, prompt, &[])?;
    let comparison = Comparison::new(base, &pairs, &network, &recipe, &device)?;
    let training = Training::open(args, &comparison, &*start)?;
    let outcome = training.run()?;

    base.save_adapter(args.out.join("start.safetensors"), &outcome.start)?;
    base.save_adapter(args.out.join("adapter.safetensors"), &outcome.trained)?;
    let edited = (args.edits).edit(base, &outcome.trained, &args.edited())?;
    let method = write_pictures(args, &pairs, outcome)?;
    let mut lines = summary(args, &pairs, &method);
    lines.extend(edited);
    let methods = [(args.start.name().to_owned(), method)].into();
    let quality = network.metric_name("frechet");
    let mut report = ComparisonReport::new(args.common.seed, &args.common.device, &quality);
    report.add(ConceptReport::new(&pairs, args.common.seed, methods));
    files::write_json(&args.out.join("report.json"), &report)?;
    args.common.write_json(&report)?;
    training.finish()?;
    // What is printed comes last: whoever reads it may stop reading.
    lines.push(format!("wrote {}", display(&args.out)));
    for line in lines {
        println!("{line}");
    }
    Ok(())
}
