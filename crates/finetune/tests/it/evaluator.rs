//! Measuring, on a network whose features can be read off: pooled pixels.

use crate::common::{base, negatives, tiny};
use burn::tensor::Tensor;
use clean_fid::FeatureNet;
use finetune::{Error, Evaluator, PairSet, translate};
use lora_gan::HybridGenerator;
use weight_blocks::{WeightSpace, load_named, module_to_named};

/// The mean of each channel over each quarter of the picture.
struct Pooled;

impl FeatureNet for Pooled {
    fn name(&self) -> &str {
        "pooled"
    }

    fn width(&self) -> usize {
        12
    }

    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, clean_fid::Error> {
        let [n, c, h, w] = images.dims();
        let halves = images.reshape([n, c, 2, h / 2, 2, w / 2]);
        Ok(halves.mean_dim(3).mean_dim(5).reshape([n as i32, 12]))
    }
}

fn other() -> HybridGenerator {
    let mut generator = base(&tiny());
    let mut weights = generator.read_weights().unwrap();
    for tensor in weights.values_mut() {
        for value in &mut tensor.data {
            *value = 0.3 - *value;
        }
    }
    generator.load_weights(&weights).unwrap();
    generator
}

/// Pairs whose targets are what `generator` makes of the photos.
fn own(generator: &HybridGenerator, count: u32) -> PairSet {
    let photos = negatives(16, count).photos;
    PairSet {
        targets: translate(generator, &photos).unwrap(),
        photos,
    }
}

#[test]
fn a_generator_that_hits_every_target_has_no_distance() {
    let generator = base(&tiny());
    // Fewer and more rows than features.
    for count in [5, 40] {
        let held_out = Evaluator::new(&Pooled, &own(&generator, count)).unwrap();
        assert_eq!(held_out.len(), count as usize);
        let quality = held_out.measure(&generator).unwrap();
        assert!(quality.frechet.abs() < 1e-9, "{quality:?}");
        assert!(quality.kid < 1e-6, "{quality:?}");
        assert_eq!(quality.l1, 0.0);
        assert!((quality.ssim - 1.0).abs() < 1e-6, "{quality:?}");

        let wrong = held_out.measure(&other()).unwrap();
        assert!(wrong.frechet > 1e-3, "{wrong:?}");
        // Unbiased, so of little meaning on five pictures.
        assert!(count < 40 || wrong.kid > quality.kid + 1e-3, "{wrong:?}");
        assert!(wrong.l1 > 1e-2, "{wrong:?}");
        assert!(wrong.ssim < 0.99, "{wrong:?}");
    }
}

#[test]
fn constant_shifts_have_literal_distances() {
    // A weak head, so that the shift below stays inside the range.
    let mut named = module_to_named(&base(&tiny())).unwrap();
    named.retain(|name, _| name == "head.weight");
    for value in named.values_mut().flat_map(|tensor| &mut tensor.data) {
        *value *= 0.1;
    }
    let generator = load_named(base(&tiny()), &named).unwrap();
    let photos = negatives(16, 6).photos;
    let outputs = translate(&generator, &photos).unwrap();
    let inside = outputs.clone().abs().max().into_scalar::<f32>();
    assert!(inside < 0.9, "{inside}");
    // 0.02 in −1..1 is 0.01 in 0..1: in each of twelve means, so 12 · 0.01².
    let pairs = PairSet {
        targets: outputs - 0.02,
        photos,
    };
    let quality = Evaluator::new(&Pooled, &pairs)
        .unwrap()
        .measure(&generator)
        .unwrap();
    assert!((quality.frechet - 0.0012).abs() < 1e-6, "{quality:?}");
    assert!((quality.l1 - 0.01).abs() < 1e-6, "{quality:?}");
}

#[test]
fn the_metric_carries_the_networks_name() {
    let generator = base(&tiny());
    let held_out = Evaluator::new(&Pooled, &own(&generator, 2)).unwrap();
    assert_eq!(held_out.metric_name(), "frechet-pooled");
}

#[test]
fn one_pair_has_no_spread() {
    let generator = base(&tiny());
    match Evaluator::new(&Pooled, &own(&generator, 1)) {
        Err(Error::NoPairs { what, needed }) => assert_eq!((what, needed), ("test", 2)),
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn no_photos_cannot_be_translated() {
    let none = negatives(16, 1).photos.slice([0..0]);
    match translate(&base(&tiny()), &none) {
        Err(Error::NoPairs { what, needed }) => assert_eq!((what, needed), ("photo", 1)),
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn nan_outputs_are_an_error() {
    let generator = base(&tiny());
    let held_out = Evaluator::new(&Pooled, &own(&generator, 3)).unwrap();
    let mut broken = base(&tiny());
    let mut weights = broken.read_weights().unwrap();
    weights.get_mut("head.lora_B.weight").unwrap().data[0] = f32::NAN;
    broken.load_weights(&weights).unwrap();
    match held_out.measure(&broken) {
        Err(Error::Metric(_)) => {}
        other => panic!("{other:?}"),
    }
}
