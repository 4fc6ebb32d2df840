//! What all runs share, and the record of it in the folder.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::Device;
use denoised_weights::run::{Lock, claim};
use denoised_weights_examples::Result;

use crate::args::Args;
use crate::measure::Bench;

/// Loads what the runs share, before anything is trained; `prompts` are those of all concepts.
pub(crate) fn open(args: &Args, mut prompts: BTreeSet<String>, device: Device) -> Result<Bench> {
    let assets = args.paths();
    let predictor = args.model.load_predictor(&device)?;
    let also = (args.also.iter())
        .map(|(_, dir)| Ok(predictor.load_generator(dir)?))
        .collect::<Result<Vec<_>>>()?;
    let zoo = assets.open_zoo(predictor.base())?;
    if prompts.len() < 2 {
        // For a single concept the wrong prompt comes from the zoo.
        prompts.extend(zoo.entries().iter().map(|entry| entry.prompt.clone()));
    }
    Ok(Bench {
        network: assets.load_feature_network(&device)?,
        predictor,
        also,
        zoo,
        prompts: prompts.into_iter().collect(),
    })
}

/// Claims the folder for runs of one protocol; concepts, seeds and methods may be added later.
pub(crate) fn claim_folder(args: &Args, bench: &Bench) -> Result<()> {
    let generator = generator_digest(&args.paths().weight_generator)?;
    let path = args.out.join("protocol.json");
    let _lock = Lock::wait(args.out.join("protocol.lock"))?;
    for (name, dir) in &args.also {
        let path = args.out.join(format!("also-{name}.json"));
        claim(&path, path.exists(), &generator_digest(dir)?)?;
    }
    Ok(claim(
        &path,
        path.exists(),
        &serde_json::json!({
            "base": bench.predictor.base().digest,
            "generator": generator,
            "text_encoder": bench.predictor.encoder().id().digest,
            "zoo_entries": bench.zoo.entries().len(),
            "pairs": args.pairs,
            "validation": args.validation,
            "device": args.common.device,
            "n_train": args.n_train,
            "cluster": args.cluster,
            "n_test": args.n_test,
            "epochs": args.epochs,
            "start_epochs": args.start_epochs,
            "pix2pix_epochs": args.pix2pix_epochs,
            "comod_epochs": args.comod_epochs,
        }),
    )?)
}

fn generator_digest(generator: &Path) -> Result<String> {
    Ok(tensor_file::digest::file_sha256(
        generator.join(weight_diffusion::WeightGenerator::WEIGHTS_FILE),
    )?)
}
