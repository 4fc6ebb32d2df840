//! Predicting adapters with the shipped model.

use burn::tensor::Device;
use denoised_weights::pairs::concepts_of;
use denoised_weights::starts::{DenoisedStart, Interpolated, Ridge, StartKind, Starts};
use denoised_weights::weights::{distance, mix};
use denoised_weights::{AdapterPredictor, Error, PhotoEditor, PromptEncoder};
use finetune::{Initializer, Nearest, PairSet, Start, ZooMean};
use image::RgbImage;
use weight_blocks::Zoo;
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
    let base = predictor.prompted_base("teal charcoal sketch").unwrap();
    base.save_adapter(&path, &weights).unwrap();
    let (read, prompt) = predictor.base().load_adapter(&path).unwrap();
    assert_eq!(read, weights);
    assert_eq!(prompt.as_deref(), Some("teal charcoal sketch"));
    let (own, read) = predictor.load_adapter(&path).unwrap();
    assert_eq!((own.prompt, read), (prompt, weights.clone()));
    // A file without a prompt does for a base that reads none.
    predictor.base().save_adapter(&path, &weights).unwrap();
    let (mut own, read) = predictor.load_adapter(&path).unwrap();
    assert_eq!((&own.prompt, &read), (&None, &weights));
    let error = PhotoEditor::new(&own, &read).unwrap_err();
    assert!(
        matches!(error, Error::Network(lora_gan::Error::NoPrompt)),
        "{error}"
    );
    own.encoder = None;
    PhotoEditor::new(&own, &read).unwrap();
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
        loaded.unwrap_err().to_string()
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
    let error = AdapterPredictor::new(base, encoder, generator, &device).unwrap_err();
    assert!(
        matches!(&error, Error::OtherBase { found, .. } if found == "other"),
        "{error}"
    );
}

#[test]
fn every_start_gives_an_adapter_of_the_base() {
    let predictor = predictor();
    let zoo = assets().open_zoo(predictor.base()).unwrap();
    let photos = concepts::read_photos(&assets().photos, 64).unwrap();
    let concepts = concepts::art_concepts();
    let concept = concepts::find(&concepts, "teal-charcoal-sketch").unwrap();
    let pairs: Vec<_> = (photos.into_iter().step_by(60))
        .map(|photo| (photo.image.clone(), concept.apply(&photo.image)))
        .collect();
    let pairs = PairSet::new(&pairs, 64, &Device::flex()).unwrap();
    let starts = Starts {
        predictor: &predictor,
        generator: predictor.generator(),
        zoo: &zoo,
        pairs: &pairs,
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
        assert!(start.identity().unwrap().starts_with(kind.name()));
        let weights = start.start(prompt).unwrap().weights;
        let base = predictor.prompted_base(prompt).unwrap();
        denoised_weights::weights::adapt(&base, &weights).unwrap();
        // The choice may be one of the others.
        let chosen = kind == StartKind::Auto;
        assert!(
            chosen || !seen.contains(&weights),
            "{kind} is like another start"
        );
        seen.push(weights);
    }
}

#[test]
fn starts_say_what_they_are_made_of_and_what_they_lack() {
    let predictor = predictor();
    let zoo = assets().open_zoo(predictor.base()).unwrap();
    let one = zoo.filtered(|entry| entry.concept == "oil-painting");
    let between = |zoo: &Zoo| {
        let start = Interpolated::from_zoo(zoo, predictor.encoder()).unwrap();
        let made = start.start("oil painting").map_err(|e| e.to_string());
        (start.identity().unwrap(), made.map(|start| start.origin))
    };
    let (of_all, made) = between(&zoo);
    assert!(made.unwrap().unwrap().contains(" and "));
    let (of_one, made) = between(&one);
    assert!(made.unwrap_err().contains("needs two, and there are 1"));
    assert_ne!(of_all, of_one);

    let generator = predictor.generator();
    let digest = generator.digest().unwrap();
    let denoised = |seed| {
        let options = SampleOptions {
            seed,
            ..generator.defaults()
        };
        let start = DenoisedStart::new(&predictor, generator, options);
        start.identity().unwrap()
    };
    assert!(denoised(0).contains(&digest[..12]));
    assert_ne!(denoised(0), denoised(1));
}

#[test]
fn the_choice_is_the_best_on_the_pairs() {
    let predictor = predictor();
    let zoo = assets().open_zoo(predictor.base()).unwrap();
    let photos = concepts::read_photos(&assets().photos, 64).unwrap();
    let photos: Vec<_> = photos
        .into_iter()
        .step_by(60)
        .map(|photo| photo.image)
        .collect();
    let choose = |edit: &dyn Fn(&RgbImage) -> RgbImage| {
        let pairs: Vec<_> = photos
            .iter()
            .map(|photo| (photo.clone(), edit(photo)))
            .collect();
        let pairs = PairSet::new(&pairs, 64, &Device::flex()).unwrap();
        let starts = Starts {
            predictor: &predictor,
            generator: predictor.generator(),
            zoo: &zoo,
            pairs: &pairs,
            options: predictor.generator().defaults(),
            seed: 0,
        };
        let auto = starts.auto();
        let start = auto.start("teal charcoal sketch").unwrap();
        let choice = auto.take_choice().unwrap();
        assert_eq!(start.origin.as_ref(), Some(&choice.candidates[0].name));
        // The prompted base, four strengths, 16 adapters of the zoo and two mixtures with each of the best three: the best
        // four are measured on more pairs.
        let (second, first) = choice.candidates.split_at(4);
        assert_eq!(first.len(), 1 + 4 + 16 + 6 - 4, "{choice:?}");
        for (round, pairs) in [(second, 16), (first, 4)] {
            assert!(
                round.is_sorted_by(|a, b| a.distance <= b.distance),
                "{choice:?}"
            );
            assert!(round.iter().all(|one| one.pairs == pairs), "{choice:?}");
        }
        (start, choice)
    };
    // Pairs that are what the prompt says, and pairs that are what the zoo's most similar adapter does.
    let concepts = concepts::art_concepts();
    let sketch = concepts::find(&concepts, "teal-charcoal-sketch").unwrap();
    let (_, choice) = choose(&|photo| sketch.apply(photo));
    let base = choice
        .candidates
        .iter()
        .find(|candidate| candidate.name == "prompted base");
    let best = choice.candidates[0].distance;
    assert!(best < 0.8 * base.unwrap().distance, "{choice:?}");
    let nearest = starts_nearest(&predictor, &zoo);
    let base = predictor.prompted_base("teal charcoal sketch").unwrap();
    let editor = PhotoEditor::new(&base, &nearest.weights).unwrap();
    let (start, choice) = choose(&|photo| editor.edit(photo.clone()).unwrap());
    assert_eq!(start.origin, nearest.origin, "{choice:?}");
    assert_eq!(start.weights, nearest.weights);
}

fn starts_nearest(predictor: &AdapterPredictor, zoo: &Zoo) -> Start {
    let encoder = predictor.encoder();
    let nearest = Nearest::from_zoo(zoo, |prompt| Ok(encoder.pooled(prompt)?)).unwrap();
    nearest.start("teal charcoal sketch").unwrap()
}

#[test]
fn the_ridge_regression_is_that_of_its_normal_equations() {
    // Two concepts: the regression runs along the line between them, and by symmetry a prompt in the middle gives the mean.
    let predictor = predictor();
    let zoo = assets().open_zoo(predictor.base()).unwrap();
    let kept = ["blue-engraving", "oil-painting"];
    let two = zoo.filtered(|entry| kept.contains(&entry.concept.as_str()));
    assert_eq!(two.last_entries().len(), 2);
    let ridge = Ridge::from_zoo(&two, predictor.encoder()).unwrap();
    let mean = ZooMean::from_zoo(&two).unwrap().start("").unwrap().weights;
    let entries = two.last_entries();
    let starts = entries
        .iter()
        .map(|entry| ridge.start(&entry.prompt).unwrap().weights);
    let predicted: Vec<_> = starts.collect();
    let [a, b] = [0, 1].map(|i| two.load(entries[i]).unwrap());
    let shrink = distance(&predicted[0], &predicted[1]) / distance(&a, &b);
    // ‖x‖² of half the difference of the prompts' vectors: the shrinkage is 2‖x‖²/(2‖x‖² + λ).
    let [x, y] = [0, 1].map(|i| predictor.encoder().pooled(&entries[i].prompt).unwrap());
    let square: f64 = x
        .iter()
        .zip(&y)
        .map(|(x, y)| f64::from((x - y) / 2.0).powi(2))
        .sum();
    let expected = 2.0 * square / (2.0 * square + ridge.penalty());
    assert!((shrink - expected).abs() < 1e-4, "{shrink} {expected}");
    let middle = mix(&predicted[0], &predicted[1], 0.5).unwrap();
    assert!(distance(&middle, &mean) < 1e-4);
}
