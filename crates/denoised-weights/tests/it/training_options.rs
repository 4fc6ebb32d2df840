//! What a training does with its options.

use burn::tensor::Device;
use denoised_weights::pairs::{TrainingConcepts, training_sources};
use denoised_weights::training::{GeneratorTraining, Refinement, refine, train};
use denoised_weights::{AdapterPredictor, Error, PromptEncoder};
use weight_diffusion::train::EarlyStop;
use weight_diffusion::{SampleOptions, TrainConfig};

use crate::common::tiny_prompted_base;
use crate::training::{config, folder, unet, zoo};

#[test]
fn a_refined_generator_samples_as_it_was_refined() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (device, base) = (Device::flex(), tiny_prompted_base());
    let zoo = zoo(&at("zoo"), &at("pairs"), &base);
    let encoder = PromptEncoder::embedded().unwrap();
    let unet = unet(&zoo, &encoder);
    let end = SampleOptions::noise_end(&unet.schedule);
    let training = GeneratorTraining {
        zoo: &zoo,
        held_out: None,
        encoder: &encoder,
        stream: false,
        defaults: SampleOptions {
            t: 500,
            guidance: 1.5,
            ..end
        },
        unet,
        config: config(1),
        other_devices: &[],
    };
    let trained = train(&training, &folder(&at("generator")), &device, &mut |_| ());
    let (generator, _) = trained.unwrap();
    assert_eq!(generator.defaults(), training.defaults);

    let predictor = AdapterPredictor::new(base, encoder, generator, &device).unwrap();
    let sources = training_sources(Some(&at("pairs")), &[]).unwrap();
    let refinement = Refinement {
        predictor: &predictor,
        zoo: &zoo,
        concepts: TrainingConcepts::sources(sources, &[], 0).unwrap(),
        n_pairs: 1,
        config: TrainConfig {
            batch_size: 2,
            ..config(1)
        },
    };
    let refined = refine(refinement, &folder(&at("refined")), &device, &mut |_| ());
    let (refined, _) = refined.unwrap();
    assert_eq!(refined.defaults(), end);
    let norms = ["ink drawing", "morning fog"].map(|prompt| {
        let tokens = predictor.encoder().tokens(prompt).unwrap();
        refined.predict(&tokens, &end, &device).unwrap().norm
    });
    let (mean, found) = ((norms[0] + norms[1]) / 2.0, refined.trained_norm());
    assert!((found.unwrap().mean - mean).abs() < 1e-9 * mean);
}

#[test]
fn early_stopping_and_held_out_concepts_need_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let zoo = zoo(&at("zoo"), &at("pairs"), &tiny_prompted_base());
    let encoder = PromptEncoder::embedded().unwrap();
    for (held_out, early_stop, only) in [
        (Some(&zoo), None, "held_out"),
        (None, Some(EarlyStop::default()), "early_stop"),
    ] {
        let unet = unet(&zoo, &encoder);
        let training = GeneratorTraining {
            zoo: &zoo,
            held_out,
            encoder: &encoder,
            stream: false,
            defaults: SampleOptions::noise_end(&unet.schedule),
            unet,
            config: TrainConfig {
                early_stop,
                ..config(1)
            },
            other_devices: &[],
        };
        let trained = train(
            &training,
            &folder(&at("generator")),
            &Device::flex(),
            &mut |_| (),
        );
        let error = trained.unwrap_err();
        assert!(
            matches!(error, Error::EarlyStop { given } if given == only),
            "{error}"
        );
        assert!(!at("generator").exists(), "nothing is written before that");
    }
}
