//! From a zoo to a weight generator, and on through the edits made with its weights.

use std::path::Path;

use burn::tensor::Device;
use denoised_weights::collecting::{CollectOptions, Collector};
use denoised_weights::pairs::{ConceptDraws, PairCounts, TrainingConcepts, training_sources};
use denoised_weights::pretraining::{Pretraining, PretrainingData};
use denoised_weights::training::{
    GeneratorTraining, Refinement, TrainingEvent, TrainingFolder, refine, train,
};
use denoised_weights::{AdapterPredictor, Assets, Error, PhotoEditor, PromptEncoder};
use finetune::PretrainConfig;
use lora_gan::{BaseGenerator, GeneratorConfig, HybridGenerator};
use weight_blocks::{NamedTensors, Zoo, module_to_named};
use weight_diffusion::{Precision, SampleOptions, TrainConfig, UNet1dConfig, WeightGenerator};

use crate::common::{Quarters, SIZE, pair_folder, photo, tiny_prompted_base, tiny_recipe};

pub(crate) fn zoo(dir: &Path, pairs: &Path, base: &BaseGenerator) -> Zoo {
    pair_folder(pairs, "ink", "ink drawing");
    pair_folder(pairs, "fog", "morning fog");
    let options = CollectOptions {
        recipe: tiny_recipe(2),
        keep: 1,
        plateau: None,
        counts: PairCounts {
            train: 8,
            test: 2,
            shown: 0,
        },
    };
    let (encoder, device) = (PromptEncoder::embedded().unwrap(), Device::flex());
    let collector = Collector::open(dir, base, &encoder, &Quarters, options, &device);
    let mut collector = collector.unwrap();
    let sources = training_sources(Some(pairs), &[]).unwrap();
    collector.collect(&sources, None, |_| ()).unwrap();
    collector.zoo().clone()
}

pub(crate) fn folder(dir: &Path) -> TrainingFolder {
    TrainingFolder {
        dir: dir.to_owned(),
        save_every: 1,
        precision: Precision::Full,
    }
}

pub(crate) fn config(steps: u64) -> TrainConfig {
    TrainConfig {
        steps,
        batch_size: 4,
        ..TrainConfig::compact()
    }
}

pub(crate) fn unet(zoo: &Zoo, encoder: &PromptEncoder) -> UNet1dConfig {
    UNet1dConfig {
        base_channels: 16,
        block_size: zoo.layout().block_size(),
        context_width: encoder.id().width,
        block_heads: Some(zoo.layout().blocks()),
        ..UNet1dConfig::compact()
    }
}

fn run(
    zoo: &Zoo,
    encoder: &PromptEncoder,
    steps: u64,
    dir: &Path,
    observe: &mut dyn FnMut(TrainingEvent),
) -> Result<WeightGenerator, Error> {
    let unet = unet(zoo, encoder);
    let training = GeneratorTraining {
        zoo,
        held_out: None,
        encoder,
        stream: false,
        defaults: SampleOptions::noise_end(&unet.schedule),
        unet,
        config: config(steps),
        other_devices: &[],
    };
    Ok(train(&training, &folder(dir), &Device::flex(), observe)?.0)
}

#[test]
fn a_zoo_becomes_a_generator_that_predicts_edits_and_is_refined() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (device, base) = (Device::flex(), tiny_prompted_base());
    let zoo = zoo(&at("zoo"), &at("pairs"), &base);
    let encoder = PromptEncoder::embedded().unwrap();
    let mut steps = Vec::new();
    let generator = run(&zoo, &encoder, 3, &at("generator"), &mut |event| {
        if let TrainingEvent::Step { stats, .. } = event {
            steps.push(stats.step);
        }
    })
    .unwrap();
    assert_eq!(steps, [1, 2, 3]);
    assert!(!at("generator/state").exists(), "the state is removed");
    let curves = folder(&at("generator")).loss_curves().unwrap();
    assert_eq!(curves.training.len(), 3);

    let predictor = AdapterPredictor::new(base.clone(), encoder, generator, &device).unwrap();
    let stored = predictor.load_generator(&at("generator")).unwrap();
    let prediction = predictor.predict("ink drawing").unwrap();
    let tokens = predictor.encoder().tokens("ink drawing").unwrap();
    let again = stored
        .predict(&tokens, &stored.defaults(), &device)
        .unwrap();
    assert_eq!(again.weights, prediction.weights);
    let own = photo(20, 20, 0);
    let edited = predictor.editor("ink drawing").unwrap();
    let edited = edited.edit(own.clone()).unwrap();
    // The same weights under another prompt: the generator reads it.
    let other = predictor.prompted_base("morning fog").unwrap();
    let other = PhotoEditor::new(&other, &prediction.weights).unwrap();
    assert_ne!(other.edit(own).unwrap(), edited);
    let none = PhotoEditor::new(&base, &prediction.weights);
    assert!(matches!(none, Err(Error::Network(_))), "no prompt");

    let photos = [photo(SIZE as u32, SIZE as u32, 3)];
    let refine_on = |name: &str, concepts| {
        let refinement = Refinement {
            predictor: &predictor,
            zoo: &zoo,
            concepts,
            n_pairs: 1,
            config: TrainConfig {
                batch_size: 2,
                weight_decay: 0.0,
                ..config(2)
            },
        };
        refine(refinement, &folder(&at(name)), &device, &mut |_| ())
    };
    let refine = |name: &str, concepts| {
        let (refined, report) = refine_on(name, concepts).unwrap();
        assert_eq!((report.steps, report.prompts), (2, 2));
        assert!(refined.trained_norm().is_some());
        module_to_named(refined.unet()).unwrap()
    };
    let ready = || {
        let sources = training_sources(Some(&at("pairs")), &[]).unwrap();
        TrainingConcepts::sources(sources, &[], 0).unwrap()
    };
    let before = module_to_named(stored.unet()).unwrap();
    // The moving average of a weight that stands still is not that weight to the last bit.
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-6);
    let moved = |after: &NamedTensors| {
        (before.iter())
            .filter(|&(name, tensor)| apart(&after[name].data, &tensor.data))
            .count()
    };
    let on_pairs = refine("on-pairs", ready());
    assert!(moved(&on_pairs) > 20);
    let endless = || TrainingConcepts::Drawn(ConceptDraws::endless(Vec::new(), 1), &photos);
    let drawn = refine("drawn", endless());
    assert!(drawn != on_pairs && moved(&drawn) > 20);
    assert_eq!(drawn, refine("again", endless()));

    let none = ConceptDraws::of_list(Vec::new(), 1);
    let refused = refine_on("none", TrainingConcepts::Drawn(none, &photos));
    assert!(matches!(refused, Err(Error::NoConcepts)));
    let refused = refine_on("none", TrainingConcepts::Folders(Vec::new()));
    assert!(matches!(refused, Err(Error::NoConcepts)));
    let endless = ConceptDraws::endless(Vec::new(), 1);
    let refused = refine_on("none", TrainingConcepts::Drawn(endless, &[]));
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::NoPhotos { .. }), "{error}");
    assert!(error.to_string().contains("the grammar"), "{error}");
    assert!(!at("none").exists(), "nothing is written before that");
}

#[test]
fn a_balanced_base_starts_one_that_is_not_balanced() {
    let dir = tempfile::tempdir().unwrap();
    let (device, encoder) = (Device::flex(), PromptEncoder::embedded().unwrap());
    let network = tiny_prompted_base().config;
    let balanced = GeneratorConfig {
        balanced_up: true,
        ..network.clone()
    };
    let generator = HybridGenerator::new(&balanced, 3, &device).unwrap();
    BaseGenerator::save(&dir.path().join("start"), &generator, Some(&encoder.id())).unwrap();
    let start = BaseGenerator::load(&dir.path().join("start"), &device).unwrap();
    let photos = [photo(16, 16, 3)];
    let data = PretrainingData {
        concepts: TrainingConcepts::Drawn(ConceptDraws::endless(Vec::new(), 1), &photos),
        encoder: &encoder,
    };
    let pretraining = Pretraining {
        dir: dir.path().join("base"),
        network,
        start: Some(start),
        config: PretrainConfig {
            steps: 2,
            batch_size: 1,
            lr: 1e-7,
            ..PretrainConfig::compact()
        },
        save_every: 1,
    };
    pretraining.run(&data, &device, |_| ()).unwrap();
    let trained = BaseGenerator::load(&dir.path().join("base"), &device).unwrap();
    let kernel = |generator: &HybridGenerator| {
        let weights = module_to_named(&generator.clone().merge_adapter()).unwrap();
        weights["up2.weight"].data.clone()
    };
    let apart = kernel(&generator)
        .into_iter()
        .zip(kernel(&trained.generator));
    assert!(apart.clone().all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn a_generator_is_refined_for_a_base_of_another_image_size() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (device, base) = (Device::flex(), tiny_prompted_base());
    let zoo = zoo(&at("zoo"), &at("pairs"), &base);
    let encoder = || PromptEncoder::embedded();
    run(&zoo, &encoder().unwrap(), 2, &at("generator"), &mut |_| ()).unwrap();

    // A base of 32 pixels that starts from the one of 16, trained on squares of 16.
    let photos = [photo(32, 32, 3), photo(32, 32, 4)];
    let encoder_of_base = encoder().unwrap();
    let data = || PretrainingData {
        concepts: TrainingConcepts::Drawn(ConceptDraws::endless(Vec::new(), 1), &photos),
        encoder: &encoder_of_base,
    };
    let pretraining = |crop, widths| Pretraining {
        dir: at("base"),
        network: GeneratorConfig {
            image_size: 32,
            widths,
            ..base.config.clone()
        },
        start: Some(base.clone()),
        config: PretrainConfig {
            steps: 2,
            batch_size: 2,
            lr: 1e-6,
            crop,
            ..PretrainConfig::compact()
        },
        save_every: 1,
    };
    for (concepts, photos) in [
        (ConceptDraws::of_list(Vec::new(), 1), &photos[..]),
        (ConceptDraws::endless(Vec::new(), 1), &photos[..0]),
    ] {
        let data = PretrainingData {
            concepts: TrainingConcepts::Drawn(concepts, photos),
            encoder: &encoder_of_base,
        };
        let refused = pretraining(None, base.config.widths).run(&data, &device, |_| ());
        let error = refused.unwrap_err();
        let known = matches!(error, Error::NoConcepts | Error::NoPhotos { .. });
        assert!(known && !at("base").exists(), "{error}");
    }
    for crop in [8, 20, 40] {
        let refused = pretraining(Some(crop), base.config.widths).run(&data(), &device, |_| ());
        assert!(
            matches!(refused, Err(Error::Crop { size: 32, .. })),
            "{crop}"
        );
    }
    let refused = pretraining(None, [6, 8, 16]).run(&data(), &device, |_| ());
    assert!(matches!(refused, Err(Error::OtherShape { .. })));
    pretraining(Some(16), base.config.widths)
        .run(&data(), &device, |_| ())
        .unwrap();
    let larger = BaseGenerator::load(&at("base"), &device).unwrap();
    assert_eq!(larger.config.image_size, 32);
    // Two steps of 1e-6 leave the weights where they started.
    let weights = |base: &BaseGenerator| module_to_named(&base.generator).unwrap();
    let (before, after) = (weights(&base), weights(&larger));
    let stem = |named: &NamedTensors| named["stem.weight"].data.clone();
    let apart = stem(&before).into_iter().zip(stem(&after));
    assert!(apart.clone().all(|(a, b)| (a - b).abs() < 1e-5));
    assert!(apart.clone().any(|(a, b)| a != b));

    let assets = Assets {
        base: at("base"),
        weight_generator: at("generator"),
        ..Assets::new(dir.path())
    };
    let refused = AdapterPredictor::load_with_encoder(&assets, &device, encoder);
    assert!(matches!(refused, Err(Error::OtherBase { .. })));
    let predictor = AdapterPredictor::load_for_another_base(&assets, &device, encoder).unwrap();
    let refinement = Refinement {
        predictor: &predictor,
        zoo: &zoo,
        concepts: TrainingConcepts::Drawn(ConceptDraws::endless(Vec::new(), 1), &photos),
        n_pairs: 1,
        config: config(1),
    };
    let refined = folder(&at("refined"));
    refine(refinement, &refined, &device, &mut |_| ()).unwrap();
    let assets = Assets {
        weight_generator: at("refined"),
        ..assets
    };
    let predictor = AdapterPredictor::load(&assets, &device).unwrap();
    let edited = predictor
        .editor("ink drawing")
        .unwrap()
        .edit(photo(32, 32, 5));
    assert_eq!(edited.unwrap().dimensions(), (32, 32));
}

#[test]
fn an_interrupted_training_ends_like_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let base = tiny_prompted_base();
    let zoo = zoo(&at("zoo"), &at("pairs"), &base);
    let encoder = PromptEncoder::embedded().unwrap();
    run(&zoo, &encoder, 3, &at("whole"), &mut |_| ()).unwrap();

    // A panic in the observer ends the run as a killed process would: after the state of step 1.
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&zoo, &encoder, 3, &at("parts"), &mut |event| match event {
            TrainingEvent::Step { stats, .. } if stats.step == 2 => panic!("killed"),
            _ => (),
        })
    }));
    assert!(killed.is_err());
    let refused = || {
        let other = run(&zoo, &encoder, 4, &at("parts"), &mut |_| ()).err();
        let other = other.unwrap().to_string();
        assert!(other.contains("config.steps: was 3, now 4"), "{other}");
    };
    refused();
    let mut resumed_at = None;
    run(&zoo, &encoder, 3, &at("parts"), &mut |event| {
        if let TrainingEvent::Begin { done, .. } = event {
            resumed_at = Some(done);
        }
    })
    .unwrap();
    assert_eq!(resumed_at, Some(1));
    for file in [
        WeightGenerator::WEIGHTS_FILE,
        WeightGenerator::CONFIG_FILE,
        "metrics.jsonl",
    ] {
        let read = |run: &str| std::fs::read(at(run).join(file)).unwrap();
        assert_eq!(read("whole"), read("parts"), "{file}");
    }
    // A finished generator is not replaced by another one either.
    refused();
}
