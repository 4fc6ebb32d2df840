//! Predicting adapters with the shipped model.

use burn::tensor::Device;
use denoised_weights::pairs::concepts_of;
use denoised_weights::starts::{StartKind, Starts};
use denoised_weights::{AdapterPredictor, Error, PromptEncoder};
use finetune::Initializer;
use weight_diffusion::SampleOptions;

use crate::common::assets;

fn predictor() -> AdapterPredictor {
    AdapterPredictor::load(&assets(), &Device::flex()).unwrap()
}

#[test]
fn a_prompt_gives_the_same_adapter_each_time_and_another_prompt_another() {
    let predictor = predictor();
    let first = predictor.predict("teal charcoal sketch").unwrap();
    assert_eq!(first.norm_warning(), None);
    assert_eq!(first, predictor.predict("teal charcoal sketch").unwrap());
    assert_ne!(
        first.weights,
        predictor.predict("oil painting").unwrap().weights
    );
    let options = SampleOptions {
        seed: 1,
        ..predictor.generator().defaults()
    };
    assert_ne!(
        first.weights,
        predictor
            .predict_with("teal charcoal sketch", &options)
            .unwrap()
            .weights
    );
    let start = predictor.start("teal charcoal sketch").unwrap();
    assert_eq!(start.weights, first.weights);
    assert!(matches!(predictor.predict(""), Err(Error::Text(_))));
}

#[test]
fn a_saved_adapter_is_read_back_for_its_own_base_alone() {
    let predictor = predictor();
    let weights = predictor.predict("teal charcoal sketch").unwrap().weights;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter.safetensors");
    predictor.base().save_adapter(&path, &weights).unwrap();
    assert_eq!(predictor.base().load_adapter(&path).unwrap(), weights);
    let mut other = predictor.base().clone();
    other.digest = "other".into();
    assert!(other.load_adapter(&path).is_err());
}

#[test]
fn a_generator_takes_prompts_of_its_own_encoder_only() {
    let device = Device::flex();
    let fixtures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../text-encoder/tests/fixtures"
    );
    let refusal = |folder: &str| {
        let open = || PromptEncoder::open(format!("{fixtures}/{folder}"), &device);
        let loaded = AdapterPredictor::load_with_encoder(&assets(), &device, open);
        loaded.err().unwrap().to_string()
    };
    for (folder, found) in [("bert", "bert-mean-32"), ("clip-sd2", "clip-text-24")] {
        let text = refusal(folder);
        assert!(
            text.contains("trained with text encoder static-minilm-128"),
            "{text}"
        );
        assert!(
            text.contains(found) && text.contains("use that encoder"),
            "{text}"
        );
    }
    let text = refusal("nowhere");
    assert!(text.contains("nowhere/config.json"), "{text}");
}

#[test]
fn a_generator_makes_adapters_for_its_own_base_only() {
    let device = Device::flex();
    let predictor = predictor();
    let mut base = predictor.base().clone();
    base.digest = "other".into();
    let encoder = PromptEncoder::embedded().unwrap();
    let generator = predictor.generator().clone();
    let error = AdapterPredictor::new(base, encoder, generator, &device)
        .err()
        .unwrap();
    assert!(
        matches!(&error, Error::OtherBase { found, .. } if found == "other"),
        "{error}"
    );
}

#[test]
fn every_start_gives_an_adapter_of_the_base() {
    let predictor = predictor();
    let zoo = assets().open_zoo(predictor.base()).unwrap();
    let starts = Starts {
        predictor: &predictor,
        generator: predictor.generator(),
        zoo: &zoo,
        options: predictor.generator().defaults(),
        seed: 0,
    };
    let prompt = "teal charcoal sketch";
    let held_out = concepts_of(concepts::Split::Test).into_iter();
    let others: Vec<String> = held_out.map(|concept| concept.prompt).collect();
    let mut seen = Vec::new();
    for kind in StartKind::ALL {
        let start = starts.make(kind, prompt, &others).unwrap();
        assert_eq!(start.name(), kind.name());
        let weights = start.start(prompt).unwrap().weights;
        denoised_weights::weights::adapt(&predictor.base().generator, &weights).unwrap();
        assert!(!seen.contains(&weights), "{kind} is like another start");
        seen.push(weights);
    }
}
