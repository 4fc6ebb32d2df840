//! Does the weight generator generate weights, or look up those it was trained on?
//!
//! ```sh
//! cargo run --release --example generated_or_remembered
//! ```

mod args;
mod bench;
mod interpolation;
mod report;
mod zoo_outputs;

use std::process::ExitCode;

use clean_fid::FeatureNet;
use concepts::Split;
use denoised_weights::pairs::{PhotoSplits, concepts_of};
use denoised_weights::weights::distance;
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use finetune::{Initializer, ZooMean};
use weight_blocks::Zoo;
use weight_diffusion::SampleOptions;
use weight_diffusion::encoded_text::EncodedPrompt;

use args::Args;
use bench::Bench;
use interpolation::interpolations;
use report::{Report, summary};
use zoo_outputs::{Mean, ZooOutputs, apart};

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| compare(&args))
}

fn compare(args: &Args) -> Result<()> {
    let assets = args.data.of(args.model.paths());
    args.check_places(&assets)?;
    files::check_writable(&args.out)?;
    let device = args.common.device()?;
    let predictor = args.model.load_predictor(&device)?;
    let (base, generator) = (predictor.base(), predictor.generator());
    let zoo = Zoo::open(&assets.zoo)?;
    zoo.check(generator.layout(), &base.digest)?;
    let network = assets.load_feature_network(&device)?;
    let photos = PhotoSplits::read(&assets.photos, base.config.image_size)?;
    for note in [
        limit(
            "training photos",
            args.n_train,
            photos.train.len(),
            "--n-train",
        ),
        limit("test photos", args.n_test, photos.test.len(), "--n-test"),
    ] {
        note.iter().for_each(|note| println!("{note}"));
    }
    let bench = Bench {
        args,
        options: SampleOptions {
            seed: args.common.seed,
            ..generator.defaults()
        },
        device: &device,
        base,
        predictor: &predictor,
        network: &network,
        compared: photos.test.iter().take(args.n_compared).cloned().collect(),
        photos: &photos,
    };
    let held_out = concepts_of(Split::Test);
    let concepts = &held_out[..held_out.len().min(args.limit.unwrap_or(usize::MAX))];
    let stored = ZooOutputs::of(&zoo, &bench)?;
    let weights = ZooMean::from_zoo(&zoo)?.start("")?.weights;
    let mean = Mean {
        // Of no concept in particular.
        outputs: bench.outputs(&EncodedPrompt::empty(), &weights)?,
        weights,
    };
    let mut report = Report {
        seed: args.common.seed,
        device: args.common.device.clone(),
        quality: network.metric_name("frechet"),
        zoo_nearest_weights: stored
            .nearest(|i, j| distance(&stored.weights[i], &stored.weights[j])),
        zoo_nearest_outputs: stored.nearest(|i, j| apart(&stored.outputs[i], &stored.outputs[j])),
        concepts: Vec::new(),
        interpolations: Vec::new(),
    };
    let mut progress = Progress::new("compare", concepts.len() as u64, 0);
    for (done, concept) in (1..).zip(concepts) {
        let others = held_out.iter().map(|other| other.prompt.as_str());
        let wrong = predictor.encoder().least_similar(&concept.prompt, others)?;
        report
            .concepts
            .push(bench.concept(concept, &wrong, &stored, &mean)?);
        progress.set(done, concept.name.clone());
        files::write_json(&args.out.join("remembered.json"), &report)?;
    }
    progress.finish();
    report.interpolations = interpolations(&bench, &held_out)?;
    files::write_json(&args.out.join("remembered.json"), &report)?;
    let summary = summary(&report)?;
    files::write(&args.out.join("remembered.md"), summary.as_bytes())?;
    println!("{summary}\nwrote {}", display(&args.out));
    args.common.write_json(&report)
}
