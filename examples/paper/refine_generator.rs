//! Refines a weight generator through the edits of its predicted weights.
//!
//! ```sh
//! cargo run --release --example refine_generator -- --zoo out/zoo --generator out/denoiser --out out/weight-generator
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use concepts::Split;
use denoised_weights::pairs::{
    ConceptDraws, PhotoSplits, TrainingConcepts, concepts_of, training_sources,
};
use denoised_weights::training::{Refinement, refine, subset};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::options::{DataArgs, LeaveOutArgs, ModelArgs, at_least, zoo_files};
use denoised_weights_examples::training::{TrainingArgs, TrainingProgress};
use weight_blocks::Zoo;
use weight_diffusion::TrainConfig;

/// Continue the training of a weight generator with another loss: the L1 between the targets of concepts and
/// the edits by the weights that are predicted for them in one step. Concepts are drawn anew at every step.
/// After an interruption (kill -9 included), the same command continues from the last saved state and ends
/// with the same weights.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    leave_out: LeaveOutArgs,
    #[command(flatten)]
    training: TrainingArgs,
    /// Folder of prepared pairs (see collect) to learn from instead of drawn concepts.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// The concepts that are drawn.
    #[arg(long, value_enum, default_value_t = Draw::Endless, conflicts_with = "pairs")]
    draw: Draw,
    /// Draw at most this many concepts of the grammar, again and again [default: new ones without end].
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true,
        conflicts_with = "pairs"
    )]
    grammar_concepts: Option<u64>,
    /// Learn from only this many of the zoo's concepts, the same as train_generator with the same --seed; of the list, only
    /// these are drawn [default: all].
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    concepts: Option<usize>,
    /// Refine a weight generator of another base with the same layers for --base, such as one of another image size; --zoo is
    /// the zoo that the generator was trained on.
    #[arg(long)]
    transfer: bool,
    /// Optimizer steps.
    #[arg(
        long,
        default_value_t = 9000,
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true
    )]
    steps: u64,
    /// Number of concepts per step, each on its own thread.
    #[arg(
        long,
        default_value_t = 4,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    n_concepts: usize,
    /// Number of pairs per concept and step.
    #[arg(
        long,
        default_value_t = 1,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    n_pairs: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 5e-4, allow_negative_numbers = true)]
    lr: f64,
}

/// What concepts are drawn from.
#[derive(Clone, Copy, ValueEnum)]
enum Draw {
    /// The training concepts of the shipped list.
    List,
    /// The list, and three times as often the grammar, which has no end.
    Endless,
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| refine_generator(&args))
}

fn refine_generator(args: &Args) -> Result<()> {
    if args.grammar_concepts.is_some() && matches!(args.draw, Draw::List) {
        return Err(
            "--grammar-concepts limits what is drawn of the grammar, and --draw list draws nothing of it; \
                    leave one of them out"
                .into(),
        );
    }
    let assets = args.data.of(args.model.paths());
    let places = (args.model.places())
        .reads_all(zoo_files(&assets.zoo))
        .reads_all(&args.pairs)
        .writes_all(args.training.outputs());
    args.common.check_places(match args.pairs {
        Some(_) => places,
        None => places.reads_directly_in(&assets.photos),
    })?;
    let device = args.common.device()?;
    let predictor = match args.transfer {
        true => args.model.load_for_another_base(&device)?,
        false => args.model.load_predictor(&device)?,
    };
    let mut zoo = Zoo::open(&assets.zoo)?;
    if let Some(count) = args.concepts {
        zoo = subset(&zoo, count, args.common.seed)?;
    }
    let size = predictor.base().config.image_size;
    let photos = match args.pairs {
        Some(_) => Vec::new(),
        None => PhotoSplits::read(&assets.photos, size)?.train,
    };
    let seed = args.common.seed;
    let concepts = match (&args.pairs, args.draw) {
        (Some(_), _) => {
            let sources = training_sources(args.pairs.as_deref(), &[])?;
            TrainingConcepts::sources(sources, &photos, seed)?
        }
        (None, draw) => {
            let mut list = concepts_of(Split::Train);
            if let Some(count) = args.concepts {
                let kept: BTreeSet<&str> =
                    zoo.entries().iter().map(|e| e.concept.as_str()).collect();
                list.retain(|concept| kept.contains(concept.name.as_str()));
                if list.is_empty() {
                    let error = "of the zoo's concepts that it keeps, the shipped list has none to draw; give --pairs, or \
                                 a zoo of listed concepts";
                    return Err(format!("--concepts {count}: {error}").into());
                }
            }
            let draws = match draw {
                Draw::List => ConceptDraws::of_list(list, seed),
                Draw::Endless => {
                    let draws = ConceptDraws::endless(list, seed);
                    let draws = match args.grammar_concepts {
                        Some(count) => draws.limited_to(count),
                        None => draws,
                    };
                    draws.without(&args.leave_out.concepts()?)
                }
            };
            // Not those that the base has seen, and not those of the generator that is transferred.
            let stage = if args.transfer { 3 } else { 1 };
            TrainingConcepts::Drawn(draws.for_stage(stage), &photos)
        }
    };
    let refinement = Refinement {
        predictor: &predictor,
        zoo: &zoo,
        concepts,
        n_pairs: args.n_pairs,
        config: TrainConfig {
            steps: args.steps,
            batch_size: args.n_concepts,
            learning_rate: args.lr,
            weight_decay: 0.0,
            seed,
            ..TrainConfig::compact()
        },
    };
    let mut progress = TrainingProgress::new("refine");
    let folder = args.training.folder();
    let (_, report) = refine(refinement, &folder, &device, &mut |event| {
        progress.show(event);
    })?;
    args.common.write_json(&report)?;
    args.training.report(&report)
}
