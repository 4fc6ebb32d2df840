//! Adapters that are mixed, weakened, compared with a zoo's, and fine-tuned in steps.

use std::cell::Cell;

use burn::tensor::Device;
use concepts::{Split, art_concepts};
use denoised_weights::pairs::{ConceptPairs, PairsGiven};
use denoised_weights::weights::{mix, with_strength};
use denoised_weights::{
    AdapterPredictor, Error, PhotoEditor, PromptNeighbours, SavedFineTuning, fine_tune,
};
use finetune::{Initializer, PairSet, Start, Zero};
use image::RgbImage;
use lora_gan::BaseGenerator;
use weight_blocks::{NamedTensors, WeightSpace};

use crate::common::{Quarters, SIZE, assets, photo, tiny_base, tiny_recipe};

/// Mean absolute difference, in levels.
fn apart(a: &RgbImage, b: &RgbImage) -> f64 {
    let sum: f64 = (a.iter().zip(b.iter()))
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum();
    sum / a.len() as f64
}

#[test]
fn strength_leads_from_the_base_to_the_adapter() {
    let predictor = AdapterPredictor::load(&assets(), &Device::flex()).unwrap();
    let base = &predictor.prompted_base("teal charcoal sketch").unwrap();
    let adapter = predictor.predict("teal charcoal sketch").unwrap().weights;
    let other = predictor.predict("oil painting").unwrap().weights;
    let photo = photo(64, 64, 3);
    let edit = |weights: &NamedTensors| {
        let editor = PhotoEditor::new(base, weights).unwrap();
        editor.edit(photo.clone()).unwrap()
    };
    let plain = edit(&base.generator.read_weights().unwrap());
    let full = edit(&adapter);
    assert_eq!(edit(&with_strength(base, &adapter, 0.0).unwrap()), plain);
    assert_eq!(with_strength(base, &adapter, 1.0).unwrap(), adapter);
    let changes: Vec<f64> = [0.25, 0.5, 0.75, 1.0]
        .map(|strength| {
            apart(
                &edit(&with_strength(base, &adapter, strength).unwrap()),
                &plain,
            )
        })
        .into();
    assert!(changes.is_sorted() && changes[0] > 0.0, "{changes:?}");
    // The middle of two styles is closer to each than they are to each other.
    let middle = edit(&mix(&adapter, &other, 0.5).unwrap());
    let ends = edit(&other);
    assert!(apart(&middle, &full) < apart(&full, &ends));
    assert!(apart(&middle, &ends) < apart(&full, &ends));
    for strength in [-1.0, 4.5, f32::NAN] {
        let error = with_strength(base, &adapter, strength).unwrap_err();
        assert!(error.to_string().contains("from 0 to 4"), "{error}");
    }
    assert!(matches!(
        with_strength(&tiny_base(), &adapter, 0.5),
        Err(Error::OtherTensors { .. })
    ));
}

#[test]
fn held_out_prompts_are_near_the_zoo_and_foreign_ones_are_far() {
    let device = Device::flex();
    let predictor = AdapterPredictor::load(&assets(), &device).unwrap();
    let encoder = predictor.encoder();
    let zoo = assets().open_zoo(predictor.base()).unwrap();
    let neighbours = PromptNeighbours::of_zoo(&zoo, encoder).unwrap();
    assert!(!neighbours.is_empty() && neighbours.len() > 250);
    let similarity = |prompt: &str| {
        let nearest = neighbours.nearest(encoder, prompt, 3).unwrap();
        assert_eq!(nearest.len(), 3);
        assert!(nearest.is_sorted_by(|a, b| a.similarity >= b.similarity));
        nearest[0].similarity
    };
    let entry = &zoo.entries()[0];
    let itself = neighbours.nearest(encoder, &entry.prompt, 1).unwrap();
    assert_eq!(itself[0].prompt, entry.prompt);
    assert!(itself[0].similarity > 0.999);

    let held_out = art_concepts()
        .into_iter()
        .filter(|c| c.split != Split::Train);
    let similarities: Vec<f32> = held_out.map(|c| similarity(&c.prompt)).collect();
    let far = (similarities.iter()).filter(|s| **s < neighbours.far_below());
    println!(
        "far below {}; held out {similarities:?}",
        neighbours.far_below()
    );
    assert_eq!(far.count(), 0);
    for prompt in [
        "quarterly report of the audit committee",
        "my cousin plays football",
        "a dog with three legs",
        "van gogh",
        "low poly render",
    ] {
        let similarity = similarity(prompt);
        assert!(
            similarity < neighbours.far_below(),
            "{prompt}: {similarity}"
        );
    }
    assert!(matches!(
        neighbours.nearest(encoder, "", 1),
        Err(Error::Text(_))
    ));
}

#[test]
fn clusters_choose_pairs_that_stand_for_all() {
    let size = SIZE as u32;
    let flat = |value| RgbImage::from_pixel(size, size, image::Rgb([value; 3]));
    // Eight dark photos, of which the middle one is the fifth, and a bright one.
    let mut pairs: Vec<_> = [10, 12, 14, 16, 20, 24, 26, 28]
        .map(|v| (flat(v), flat(255 - v)))
        .into();
    pairs.push((flat(240), flat(15)));
    let all = ConceptPairs {
        name: "flat".into(),
        prompt: "flat".into(),
        train: PairSet::new(&pairs, SIZE, &Device::flex()).unwrap(),
        test: PairSet::new(&pairs[..2], SIZE, &Device::flex()).unwrap(),
        shown: Vec::new(),
        given: PairsGiven { train: 9, test: 2 },
    };
    let two = all.clustered(2, &Quarters, 0).unwrap();
    let values = |images: burn::tensor::Tensor<4>| -> Vec<u8> {
        let images = finetune::tensor_to_images(images);
        images
            .iter()
            .map(|image| image.get_pixel(0, 0).0[0])
            .collect()
    };
    assert_eq!(values(two.train.photos.clone()), [20, 240]);
    assert_eq!(values(two.train.targets.clone()), [235, 15]);
    assert_eq!((two.given.train, two.test.len()), (9, 2));
    assert_eq!(two.clustered(5, &Quarters, 0).unwrap().train.len(), 2);
}

#[test]
fn a_fine_tuning_continues_from_its_folder_with_the_same_bytes() {
    let (base, recipe) = (tiny_base(), tiny_recipe(3));
    let size = SIZE as u32;
    let pairs: Vec<_> = (0..6)
        .map(|i| (photo(size, size, i), photo(size, size, i + 50)))
        .collect();
    let pairs = PairSet::new(&pairs, SIZE, &Device::flex()).unwrap();
    let zero = Zero::new(base.generator.read_weights().unwrap());
    let prompted = |prompt: &str| BaseGenerator {
        prompt: Some(prompt.into()),
        ..base.clone()
    };
    let expected = fine_tune(&prompted("stripes"), &zero, &pairs, &recipe, |_| {}).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let zero = Counted::new(&zero, "zero");
    let open = |prompt: &str, start: &Counted<'_>, pairs: &PairSet| {
        SavedFineTuning::open(&prompted(prompt), start, pairs, &recipe, dir.path())
    };
    let again = || open("stripes", &zero, &pairs);
    let tuning = again().unwrap();
    assert!(matches!(again(), Err(Error::Busy { .. })));
    let (tuning, losses) = tuning.epoch(|| true).unwrap().unwrap();
    assert_eq!(losses.epoch, 1);
    // Given up in the middle of the second epoch, as by a server that is asked to end.
    assert!(tuning.epoch(|| false).unwrap().is_none());
    let mut tuning = again().unwrap();
    assert_eq!(tuning.trainer().epochs_done(), 1);
    while !tuning.is_finished() {
        tuning = tuning.epoch(|| true).unwrap().unwrap().0;
    }
    assert_eq!(tuning.trainer().adapter().unwrap(), expected);
    assert_eq!(tuning.trainer().history().len(), 3);
    drop(tuning);
    assert!(again().unwrap().is_finished());
    assert_eq!(zero.made.get(), 1, "a state needs no start");

    let reversed = PairSet {
        photos: pairs.targets.clone(),
        targets: pairs.photos.clone(),
    };
    let other = Counted::new(zero.start, "other");
    for (refused, field) in [
        (open("dots", &zero, &pairs), "prompt"),
        (open("stripes", &other, &pairs), "start"),
        (open("stripes", &zero, &reversed), "pairs_sha256"),
    ] {
        let error = refused.unwrap_err().to_string();
        let named = error.contains(&format!("  {field}: was ")) && error.contains("training.json");
        assert!(named, "{error}");
    }
    let open = SavedFineTuning::open(&base, &zero, &pairs, &recipe, dir.path());
    assert!(matches!(open, Err(Error::UnpromptedBase)));
}

/// A start of this identity, and how often it was made.
struct Counted<'a> {
    start: &'a Zero,
    identity: &'static str,
    made: Cell<usize>,
}

impl<'a> Counted<'a> {
    fn new(start: &'a Zero, identity: &'static str) -> Self {
        let made = Cell::new(0);
        Self {
            start,
            identity,
            made,
        }
    }
}

impl Initializer for Counted<'_> {
    fn name(&self) -> &str {
        self.start.name()
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        Ok(self.identity.to_owned())
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.made.set(self.made.get() + 1);
        self.start.start(prompt)
    }
}
