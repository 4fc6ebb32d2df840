//! The loss as a function of the adapter: its value, and its gradient against differences.

use crate::common::{base, negatives, recipe, tiny};
use burn::tensor::Tensor;
use finetune::{AdapterLoss, ConceptTrainer, Error, PairDiscriminator, PairSet, Recipe, translate};
use lora_gan::{NormKind, PatchGan, PatchGanConfig};
use weight_blocks::WeightSpace;

#[test]
fn the_gradient_is_the_differences_of_the_value() {
    let device = test_device::device();
    let pairs = negatives(16, 3);
    let base = base(&tiny());
    // Away from the zero start, where every `down` has no gradient.
    let zero = base.read_weights().unwrap();
    let mut trainer = ConceptTrainer::new(&base, &zero, recipe(), &device).unwrap();
    for _ in 0..4 {
        trainer.epoch(&pairs).unwrap();
    }
    let weights = trainer.adapter().unwrap();

    let mut loss = AdapterLoss::new(&base);
    let (value, gradient) = loss.value_and_gradient(&weights, None, &pairs).unwrap();
    let outputs = translate(&trainer.generator(), &pairs.photos).unwrap();
    let direct = (outputs - pairs.targets.clone()).abs().mean();
    assert!((value - f64::from(direct.into_scalar::<f32>())).abs() < 1e-6);

    let (mut checked, mut wrong) = (0, Vec::new());
    for (name, tensor) in &weights {
        assert_eq!(gradient[name].shape, tensor.shape, "{name}");
        // The largest partial derivative of each tensor: the others drown in rounding.
        let partial = &gradient[name].data;
        let at = (0..partial.len())
            .max_by(|&a, &b| partial[a].abs().total_cmp(&partial[b].abs()))
            .unwrap();
        if partial[at].abs() < 2e-3 {
            continue;
        }
        let mut shifted = |by: f32| {
            let mut weights = weights.clone();
            weights.get_mut(name).unwrap().data[at] += by;
            loss.value_and_gradient(&weights, None, &pairs).unwrap().0
        };
        let step = 2e-3;
        let difference = (shifted(step) - shifted(-step)) / (2.0 * f64::from(step));
        checked += 1;
        if (difference / f64::from(partial[at]) - 1.0).abs() > 0.1 {
            wrong.push((name.clone(), difference, partial[at]));
        }
    }
    assert!(checked > 30, "only {checked} tensors have a gradient");
    // Kinks of ReLU and |x| within the step may spoil one or two.
    assert!(wrong.len() <= 2, "of {checked}: {wrong:?}");
}

#[test]
fn wrong_weights_and_no_pairs_are_errors() {
    let pairs = negatives(16, 2);
    let base = base(&tiny());
    let mut weights = base.read_weights().unwrap();
    let mut loss = AdapterLoss::new(&base);
    let none = PairSet {
        photos: pairs.photos.clone().slice([0..0]),
        targets: pairs.targets.clone().slice([0..0]),
    };
    let error = loss.value_and_gradient(&weights, None, &none).unwrap_err();
    assert!(matches!(error, Error::NoPairs { .. }), "{error}");
    weights.remove("stem.norm.bias");
    let error = loss.value_and_gradient(&weights, None, &pairs).unwrap_err();
    assert!(error.to_string().contains("`stem.norm.bias`"), "{error}");
}

#[test]
fn with_a_discriminator_it_is_the_whole_of_eq_4() {
    let device = test_device::device();
    let pairs = negatives(16, 2);
    let base = base(&tiny());
    let weights = base.read_weights().unwrap();
    let (l1, _) = AdapterLoss::new(&base)
        .value_and_gradient(&weights, None, &pairs)
        .unwrap();
    let recipe = Recipe {
        lambda_l1: 10.0,
        gan_weight: 1.0,
        ..recipe()
    };
    let mut both = AdapterLoss::with_discriminator(&base, recipe.clone(), &device).unwrap();
    let (first, gradient) = both.value_and_gradient(&weights, None, &pairs).unwrap();
    // A fresh discriminator says next to nothing: ln 2.
    assert!(
        (first - 10.0 * l1 - 2f64.ln()).abs() < 0.2,
        "{first}, L1 {l1}"
    );
    assert_eq!(gradient.len(), weights.len());
    // It learns meanwhile: the same fakes are told apart better and better.
    let mut last = first;
    for _ in 0..30 {
        last = both.value_and_gradient(&weights, None, &pairs).unwrap().0;
    }
    assert!(last > first + 0.01, "{first} to {last}");
    // The GAN term by itself reaches the adapter.
    let gan = Recipe {
        lambda_l1: 0.0,
        ..recipe.clone()
    };
    let mut gan = AdapterLoss::with_discriminator(&base, gan, &device).unwrap();
    let (_, gradient) = gan.value_and_gradient(&weights, None, &pairs).unwrap();
    let largest = (gradient.values().flat_map(|t| &t.data)).fold(0f32, |m, v| m.max(v.abs()));
    assert!(largest > 1e-6, "{largest}");
    let wrong = Recipe {
        batch_size: 0,
        ..recipe
    };
    assert!(AdapterLoss::with_discriminator(&base, wrong, &device).is_err());
}

#[test]
fn the_discriminator_follows_the_recipes_warm_up_and_r1() {
    let device = test_device::device();
    let pairs = negatives(16, 2);
    let base = base(&tiny());
    let weights = base.read_weights().unwrap();
    // The first call judges after the discriminator's first step.
    let first = |recipe: Recipe| {
        let mut loss = AdapterLoss::with_discriminator(&base, recipe, &device).unwrap();
        loss.value_and_gradient(&weights, None, &pairs).unwrap().0
    };
    let plain = Recipe {
        lr_discriminator: 1e-2,
        ..recipe()
    };
    let warm = Recipe {
        warmup_steps: 100,
        ..plain.clone()
    };
    let slow = Recipe {
        lr_discriminator: 1e-4,
        ..plain.clone()
    };
    assert_eq!(first(warm.clone()), first(slow));
    assert_ne!(first(warm), first(plain.clone()));
    // There are no epochs over which it could decay.
    for epochs in [0, 6] {
        let decaying = Recipe {
            epochs,
            decay: 1.0,
            ..plain.clone()
        };
        assert_eq!(first(decaying), first(plain.clone()), "{epochs}");
    }
    let penalised = Recipe {
        r1_gamma: 100.0,
        ..plain.clone()
    };
    assert_ne!(first(penalised), first(plain.clone()));

    let diverging = Recipe {
        lr_discriminator: 1e30,
        lr_generator: 0.125,
        ..plain
    };
    let mut loss = AdapterLoss::with_discriminator(&base, diverging, &device).unwrap();
    let error = (0..10).find_map(|_| loss.value_and_gradient(&weights, None, &pairs).err());
    let error = error.unwrap().to_string();
    assert!(error.contains("the discriminator loss"), "{error}");
    assert!(error.contains("(it was 1000000"), "{error}");
    assert!(!error.contains("step 0"), "{error}");
}

#[test]
fn photos_of_a_wrong_size_are_errors() {
    let device = test_device::device();
    let base = base(&tiny());
    let weights = base.read_weights().unwrap();
    let odd = negatives(60, 2);
    let message = |error: Error| {
        assert!(matches!(error, Error::Network(_)), "{error}");
        assert!(error.to_string().contains("[2, 3, 60, 60]"), "{error}");
    };
    message(translate(&base, &odd.photos).unwrap_err());
    let mut trainer = ConceptTrainer::new(&base, &weights, recipe(), &device).unwrap();
    message(trainer.epoch(&odd).unwrap_err());
    let mut loss = AdapterLoss::new(&base);
    message(loss.value_and_gradient(&weights, None, &odd).unwrap_err());
    // A discriminator whose patches are larger than the image, and unlike images.
    let config = PatchGanConfig {
        layers: 5,
        ..PatchGanConfig::compact()
    };
    for norm in [NormKind::Instance, NormKind::Batch] {
        let config = PatchGanConfig {
            norm,
            ..config.clone()
        };
        let judge = PatchGan::new(&config, 0, &device).unwrap();
        let image = |size| Tensor::<4>::zeros([1, 3, size, size], &device);
        assert!(judge.judge(image(60), image(60)).is_err());
        assert!(judge.judge_both(image(60), image(60), image(60)).is_err());
        assert!(judge.judge_both(image(96), image(96), image(104)).is_err());
        assert!(judge.judge_both(image(96), image(96), image(96)).is_ok());
    }
}
