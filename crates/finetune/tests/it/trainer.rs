//! Training one concept: that it learns, what it leaves alone, that it repeats, and its errors.

use crate::common::{base, changed, negatives, recipe, tiny};
use burn::tensor::Tensor;
use finetune::{ConceptTrainer, Error, PairSet, Recipe, translate};
use lora_gan::{GeneratorConfig, HybridGenerator, Pass, PatchGanConfig};
use weight_blocks::{NamedTensors, WeightSpace, module_to_named};

fn trainer(base: &HybridGenerator, recipe: Recipe) -> ConceptTrainer {
    ConceptTrainer::new(
        base,
        &base.read_weights().unwrap(),
        recipe,
        &test_device::device(),
    )
    .unwrap()
}

/// Mean absolute difference of the generator's outputs to the targets.
fn l1(generator: &HybridGenerator, pairs: &PairSet) -> f32 {
    (translate(generator, &pairs.photos).unwrap() - pairs.targets.clone())
        .abs()
        .mean()
        .into_scalar::<f32>()
}

#[test]
fn a_few_epochs_bring_the_outputs_towards_the_targets() {
    let config = GeneratorConfig::compact();
    let base = base(&config);
    let before = module_to_named(&base).unwrap();
    let pairs = negatives(64, 8);
    for gan_weight in [1.0, 0.0] {
        let recipe = Recipe {
            epochs: 8,
            discriminator: PatchGanConfig::compact(),
            gan_weight,
            ..recipe()
        };
        let mut trainer = trainer(&base, recipe);
        let start = l1(&trainer.generator(), &pairs);
        assert_eq!(start, l1(&base, &pairs));
        for epoch in 1..=8 {
            let losses = trainer.epoch(&pairs).unwrap();
            assert_eq!(losses.epoch, epoch);
            // ln 2 is what a discriminator starts from; without one nothing is reported.
            let judged = losses.discriminator > 0.2 && losses.gan > 0.2;
            assert_eq!(judged, gan_weight > 0.0, "{losses:?}");
        }
        let end = l1(&trainer.generator(), &pairs);
        assert!(end < 0.8 * start, "gan {gan_weight}: {start} → {end}");
        let history = trainer.history();
        assert_eq!((history.len(), trainer.epochs_done()), (8, 8));
        assert!(history[7].l1 < history[0].l1);
        assert!(trainer.train_seconds() > 0.0);

        // Only the adapter moved, in the trainer's copy.
        let after = module_to_named(&trainer.generator()).unwrap();
        let adapter: Vec<String> = base.read_weights().unwrap().into_keys().collect();
        assert_eq!(changed(&before, &after), adapter);
        assert_eq!(
            changed(&before, &module_to_named(&base).unwrap()),
            Vec::<String>::new()
        );
        // And the adapter on a fresh base is the same generator.
        let mut other = crate::common::base(&config);
        other.load_weights(&trainer.adapter().unwrap()).unwrap();
        assert_eq!(l1(&other, &pairs), end);
    }
}

fn run(recipe: Recipe, pairs: &PairSet, epochs: usize) -> NamedTensors {
    let mut trainer = trainer(&base(&tiny()), recipe);
    for _ in 0..epochs {
        trainer.epoch(pairs).unwrap();
    }
    trainer.adapter().unwrap()
}

#[test]
fn a_seed_fixes_every_bit_of_the_adapter() {
    let pairs = negatives(16, 6);
    let one = run(recipe(), &pairs, 3);
    assert_eq!(
        changed(&one, &run(recipe(), &pairs, 3)),
        Vec::<String>::new()
    );
    let other = run(
        Recipe {
            seed: 1,
            ..recipe()
        },
        &pairs,
        3,
    );
    assert!(changed(&one, &other).len() > 40);
    // Without a discriminator the seed still fixes the order.
    let quiet = |seed| {
        run(
            Recipe {
                seed,
                gan_weight: 0.0,
                ..recipe()
            },
            &pairs,
            3,
        )
    };
    assert_eq!(quiet(0), quiet(0));
    assert_ne!(quiet(0), quiet(1));
    assert_ne!(quiet(0), one);
}

#[test]
fn measuring_between_epochs_changes_nothing() {
    let pairs = negatives(16, 6);
    let base = base(&tiny());
    let mut trainer = trainer(&base, recipe());
    for _ in 0..3 {
        l1(&trainer.generator(), &pairs);
        trainer.epoch(&pairs).unwrap();
    }
    assert_eq!(trainer.adapter().unwrap(), run(recipe(), &pairs, 3));
}

#[test]
fn training_begins_at_the_given_start() {
    let pairs = negatives(16, 4);
    let start = run(recipe(), &pairs, 2);
    let base = base(&tiny());
    let trainer = ConceptTrainer::new(&base, &start, recipe(), &test_device::device()).unwrap();
    assert_eq!(trainer.adapter().unwrap(), start);
    assert_eq!(trainer.epochs_done(), 0);
    let mut wrong = start;
    wrong.remove("stem.norm.bias");
    let error = ConceptTrainer::new(&base, &wrong, recipe(), &test_device::device())
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("`stem.norm.bias`"), "{error}");
}

#[test]
fn rates_fall_to_zero_and_no_further() {
    let pairs = negatives(16, 4);
    let decaying = Recipe {
        epochs: 2,
        decay: 1.0,
        ..recipe()
    };
    let end = run(decaying.clone(), &pairs, 2);
    assert_ne!(end, run(decaying.clone(), &pairs, 1));
    // Epochs past the recipe's have a rate of 0: not of less, which would climb the loss.
    assert_eq!(end, run(decaying.clone(), &pairs, 3));
    assert_eq!(end, run(decaying, &pairs, 5));
    // Without decay the rate stays: as many epochs more train as in a longer recipe.
    let steady = |epochs| Recipe {
        epochs,
        decay: 0.0,
        ..recipe()
    };
    assert_eq!(run(steady(1), &pairs, 4), run(steady(4), &pairs, 4));
    // Half of the epochs at full rate, then ever less.
    let half = |epochs| Recipe {
        epochs,
        decay: 0.5,
        ..recipe()
    };
    assert_eq!(run(half(4), &pairs, 2), run(steady(4), &pairs, 2));
    assert_ne!(run(half(4), &pairs, 4), run(steady(4), &pairs, 4));
}

#[test]
fn impossible_recipes_name_the_field() {
    let r = Recipe::compact;
    let bad = [
        (
            Recipe {
                batch_size: 0,
                ..r()
            },
            "batch_size",
        ),
        (
            Recipe {
                lr_generator: 0.0,
                ..r()
            },
            "lr_generator",
        ),
        (
            Recipe {
                lr_generator: f64::NAN,
                ..r()
            },
            "lr_generator",
        ),
        (
            Recipe {
                lr_discriminator: -1e-3,
                ..r()
            },
            "lr_discriminator",
        ),
        (
            Recipe {
                lr_discriminator: f64::INFINITY,
                ..r()
            },
            "lr_discriminator",
        ),
        (Recipe { decay: 1.5, ..r() }, "decay"),
        (
            Recipe {
                decay: f64::NAN,
                ..r()
            },
            "decay",
        ),
        (
            Recipe {
                lambda_l1: -1.0,
                ..r()
            },
            "lambda_l1",
        ),
        (
            Recipe {
                gan_weight: f64::NAN,
                ..r()
            },
            "gan_weight",
        ),
    ];
    let base = base(&tiny());
    let start = base.read_weights().unwrap();
    for (recipe, name) in bad {
        match ConceptTrainer::new(&base, &start, recipe, &test_device::device()) {
            Err(Error::Recipe { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {:?}", other.map(drop)),
        }
    }
    for recipe in [Recipe::compact(), Recipe::paper(), recipe()] {
        recipe.validate().unwrap();
    }
    let mut narrow = recipe();
    narrow.discriminator.width = 0;
    let error = ConceptTrainer::new(&base, &start, narrow, &test_device::device())
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, Error::Network(_)), "{error}");
}

#[test]
fn a_misspelt_field_is_named() {
    let text = serde_json::to_string(&recipe()).unwrap();
    assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe());
    for (field, misspelt) in [("warmup_steps", "warm_up_steps"), ("norm", "norms")] {
        let text = text.replace(field, misspelt);
        let error = serde_json::from_str::<Recipe>(&text).unwrap_err();
        assert!(error.to_string().contains(misspelt), "{error}");
    }
}

#[test]
fn a_nan_loss_stops_the_epoch() {
    let poison = |t: &Tensor<4>| {
        t.clone().slice_assign(
            [0..1, 0..1, 5..6, 5..6],
            Tensor::full([1, 1, 1, 1], f32::NAN, &test_device::device()),
        )
    };
    let clean = negatives(16, 2);
    let photo = PairSet {
        photos: poison(&clean.photos),
        ..clean.clone()
    };
    let target = PairSet {
        targets: poison(&clean.targets),
        ..clean
    };
    for (pairs, gan_weight, who) in [
        (&photo, 1.0, "discriminator"),
        (&target, 1.0, "discriminator"),
        (&photo, 0.0, "generator"),
        (&target, 0.0, "generator"),
    ] {
        let image = if std::ptr::eq(pairs, &photo) {
            "photo"
        } else {
            "target"
        };
        let base = base(&tiny());
        let mut trainer = trainer(
            &base,
            Recipe {
                gan_weight,
                ..recipe()
            },
        );
        match trainer.epoch(pairs) {
            Err(Error::NotFinite {
                epoch,
                step,
                which,
                value,
                layer,
                found,
                learning_rate,
            }) => {
                assert_eq!(layer, image);
                assert!(found.is_nan());
                let rate = match who {
                    "discriminator" => recipe().lr_discriminator,
                    _ => recipe().lr_generator,
                };
                assert_eq!((epoch, step, which, learning_rate), (1, 1, who, rate));
                assert!(value.is_nan());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(trainer.epochs_done(), 0);
        assert_eq!(trainer.adapter().unwrap(), base.read_weights().unwrap());
    }
}

#[test]
fn an_empty_pair_set_is_an_error() {
    match PairSet::new(&[], 16, &test_device::device()) {
        Err(Error::NoPairs { needed, .. }) => assert_eq!(needed, 1),
        other => panic!("{:?}", other.map(drop)),
    }
    let none = || Tensor::<4>::zeros([0, 3, 16, 16], &test_device::device());
    let empty = PairSet {
        photos: none(),
        targets: none(),
    };
    assert!(empty.is_empty());
    match trainer(&base(&tiny()), recipe()).epoch(&empty) {
        Err(Error::NoPairs { what, needed }) => assert_eq!((what, needed), ("training", 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn translating_in_batches_is_translating_one_by_one() {
    let base = base(&tiny());
    // More than one batch of 32.
    let photos = negatives(16, 35).photos;
    let all = translate(&base, &photos).unwrap();
    assert_eq!(all.dims(), [35, 3, 16, 16]);
    for i in [0, 31, 32, 34] {
        let one = base
            .forward(photos.clone().narrow(0, i, 1), None, Pass::Eval)
            .unwrap();
        let far = (one - all.clone().narrow(0, i, 1))
            .abs()
            .max()
            .into_scalar::<f32>();
        assert!(far < 1e-6, "{i}: {far}");
    }
}

#[test]
fn a_warm_up_shortens_the_first_steps() {
    let pairs = negatives(16, 4);
    let base = base(&tiny());
    let start = base.read_weights().unwrap();
    // One step: Adam's first moves a weight by the rate itself.
    let moved = |warmup_steps| {
        let recipe = Recipe {
            warmup_steps,
            batch_size: 4,
            lr_generator: 1e-2,
            ..recipe()
        };
        let after = run(recipe, &pairs, 1);
        let pairs = start["head.lora_B.weight"].data.iter();
        (pairs.zip(&after["head.lora_B.weight"].data))
            .map(|(a, b)| (a - b).abs())
            .fold(0.0f32, f32::max)
    };
    assert!((moved(0) - 1e-2).abs() < 1e-4, "{}", moved(0));
    assert!((moved(10) - 1e-3).abs() < 1e-5, "{}", moved(10));
}

#[test]
fn observing_within_an_epoch_changes_nothing_and_can_stop_it() {
    let pairs = negatives(16, 6);
    let base = base(&tiny());
    let mut trainer = trainer(&base, recipe());
    let mut seen = Vec::new();
    for _ in 0..3 {
        trainer
            .epoch_observed(&pairs, |trainer, done, total| {
                l1(&trainer.generator(), &pairs);
                seen.push((done, total));
                Ok::<(), Error>(())
            })
            .unwrap();
    }
    // Batches of 4 out of 6 pairs.
    assert_eq!(seen, [(1, 2), (2, 2)].repeat(3));
    assert_eq!(trainer.adapter().unwrap(), run(recipe(), &pairs, 3));
    let stop = |_: &ConceptTrainer, _, _| {
        Err(Error::NoPairs {
            what: "test",
            needed: 1,
        })
    };
    let dir = tempfile::tempdir().unwrap();
    trainer.save_state(dir.path()).unwrap();
    let error = trainer.epoch_observed(&pairs, stop).unwrap_err();
    assert!(matches!(error, Error::NoPairs { what: "test", .. }));
    // Half an epoch is neither saved nor trained further; the state before it goes on.
    for refused in [
        trainer.save_state(dir.path()),
        trainer.epoch(&pairs).map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, Error::UnfinishedEpoch { epoch: 4, step: 7 }),
            "{error}"
        );
    }
    let mut trainer = trainer.resumed(dir.path()).unwrap();
    assert_eq!(trainer.epochs_done(), 3);
    trainer.epoch(&pairs).unwrap();
    trainer.save_state(dir.path()).unwrap();
    assert_eq!(trainer.adapter().unwrap(), run(recipe(), &pairs, 4));
}
