//! Pretraining of a base.

use std::path::Path;

use crate::common::{base, changed, negatives, tiny};
use burn::tensor::{Tensor, TensorData};
use encoded_text::TextCondition;
use finetune::{Error, PairSet, PretrainBatch, PretrainConfig, Pretrainer};
use lora_gan::{HybridGenerator, NoiseInput, Pass};
use weight_blocks::{NamedTensors, module_to_named};

fn text(values: [f32; 4]) -> TextCondition {
    let device = test_device::device();
    TextCondition {
        tokens: Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 4]), &device),
        mask: Tensor::from_data(TensorData::new(vec![true], [1, 1]), &device),
    }
}

/// A concept with its prompt and its pairs.
struct Learned {
    context: TextCondition,
    pairs: PairSet,
}

/// "All red" and "all dark red".
fn concepts() -> Vec<Learned> {
    let flat = |red: f32| {
        let pairs = negatives(16, 4);
        let channels =
            [red, -0.8, -0.8].map(|v| Tensor::full([4, 1, 16, 16], v, &test_device::device()));
        PairSet {
            targets: Tensor::cat(channels.to_vec(), 1),
            ..pairs
        }
    };
    vec![
        Learned {
            context: text([1.0, 0.0, -1.0, 0.5]),
            pairs: flat(0.8),
        },
        Learned {
            context: text([-1.0, 1.0, 0.5, 0.0]),
            pairs: flat(0.2),
        },
    ]
}

fn config() -> PretrainConfig {
    PretrainConfig {
        steps: 20,
        batch_size: 4,
        lr: 2e-2,
        identity: 0.1,
        crop: None,
        start: None,
        seed: 0,
    }
}

/// Two samples of either concept; which ones depends on the step.
fn batch(step: usize) -> PretrainBatch {
    let concepts = concepts();
    let device = test_device::device();
    let parts = concepts.iter().map(|concept| {
        let picked = [step % 4, (step + 1) % 4];
        let PairSet { photos, targets } = concept.pairs.select(&picked);
        (photos, targets)
    });
    let (photos, targets): (Vec<_>, Vec<_>) = parts.unzip();
    let tokens = concepts
        .iter()
        .map(|concept| concept.context.tokens.clone());
    let tokens = Tensor::cat(tokens.collect(), 0);
    PretrainBatch {
        pairs: PairSet {
            photos: Tensor::cat(photos, 0),
            targets: Tensor::cat(targets, 0),
        },
        text: TextCondition {
            tokens: tokens.repeat_dim(1, 2).reshape([4, 1, 4]),
            mask: Tensor::from_data(TensorData::new(vec![true; 4], [4, 1]), &device),
        },
    }
}

fn steps(trainer: &mut Pretrainer, count: usize) -> Vec<f32> {
    (0..count)
        .map(|_| {
            let batch = batch(trainer.steps_done());
            trainer.step(&batch).unwrap()
        })
        .collect()
}

fn named(trainer: &Pretrainer) -> NamedTensors {
    module_to_named(&trainer.generator()).unwrap()
}

/// L1 on both concepts, with batch norm on its running statistics.
fn error(generator: &HybridGenerator) -> f32 {
    let concepts = concepts();
    let sum: f32 = concepts
        .iter()
        .map(|c| {
            let edited = generator
                .forward_base(c.pairs.photos.clone(), Some(&c.context), Pass::Eval)
                .unwrap();
            (edited - c.pairs.targets.clone())
                .abs()
                .mean()
                .into_scalar::<f32>()
        })
        .sum();
    sum / concepts.len() as f32
}

#[test]
fn twenty_steps_lower_the_loss_and_leave_lora_alone() {
    let start = base(&tiny());
    let before = module_to_named(&start).unwrap();
    let mut trainer = Pretrainer::new(start.clone(), config(), &test_device::device()).unwrap();
    let losses = steps(&mut trainer, 20);
    assert_eq!(trainer.steps_done(), 20);
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    assert!(mean(&losses[15..]) < 0.7 * mean(&losses[..5]), "{losses:?}");
    // On the base without gradients too, whose batch norms take the running statistics.
    let (untrained, trained) = (error(&start), error(&trainer.generator()));
    assert!(trained < 0.7 * untrained, "{untrained} → {trained}");
    let moved = changed(&before, &named(&trainer));
    assert!(
        moved.iter().all(|name| !name.contains(".lora_")),
        "{moved:?}"
    );
    assert!(
        [
            "stem.weight",
            "head.bias",
            "null_context",
            "stem.norm.running_var"
        ]
        .iter()
        .all(|name| moved.contains(&(*name).to_owned())),
        "{moved:?}"
    );
    // The generator given is as it was, its batch norms' shared statistics included.
    assert_eq!(module_to_named(&start).unwrap(), before);
}

#[test]
fn the_networks_noise_is_drawn_from_the_seed() {
    let first = |noise, dropout, seed| {
        let mut generator = tiny();
        generator.noise = noise;
        generator.lora.dropout = dropout;
        let config = PretrainConfig {
            identity: 0.0,
            seed,
            ..config()
        };
        let mut trainer =
            Pretrainer::new(base(&generator), config, &test_device::device()).unwrap();
        trainer.step(&batch(0)).unwrap()
    };
    let half = NoiseInput::Dropout { p: 0.5 };
    for noise in [half, NoiseInput::Channel] {
        assert_eq!(first(noise, 0.0, 1), first(noise, 0.0, 1));
        assert_ne!(first(noise, 0.0, 1), first(noise, 0.0, 2));
    }
    // Without z nothing is drawn, LoRA's dropout included.
    let none = NoiseInput::None;
    assert_eq!(first(none, 0.0, 1), first(none, 0.5, 2));
}

fn resume(dir: &Path) -> Pretrainer {
    Pretrainer::resume(base(&tiny()), config(), &test_device::device(), dir).unwrap()
}

#[test]
fn six_and_six_steps_are_twelve() {
    let dir = tempfile::tempdir().unwrap();
    let mut whole = resume(dir.path());
    let losses = steps(&mut whole, 12);

    let mut first = resume(dir.path());
    assert_eq!(steps(&mut first, 6), losses[..6]);
    // Saved before anything reads the network, which would bring the last batch's statistics in.
    first.save_state(dir.path()).unwrap();
    let half = named(&first);
    steps(&mut first, 1);

    let mut second = resume(dir.path());
    assert_eq!(second.steps_done(), 6);
    // The last batch's share in the running statistics included.
    assert_eq!(changed(&named(&second), &half), Vec::<String>::new());
    assert_eq!(steps(&mut second, 6), losses[6..]);
    assert_eq!(
        changed(&named(&second), &named(&whole)),
        Vec::<String>::new()
    );
}

#[test]
fn a_state_of_another_configuration_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = resume(dir.path());
    steps(&mut trainer, 1);
    trainer.save_state(dir.path()).unwrap();
    let other = PretrainConfig {
        lr: 1e-3,
        ..config()
    };
    match Pretrainer::resume(base(&tiny()), other, &test_device::device(), dir.path()) {
        Err(Error::OtherRecipe { path }) => assert!(path.ends_with("at-000001/state.json")),
        other => panic!("{:?}", other.map(drop)),
    }
    let file = dir.path().join("at-000001/generator.safetensors");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    match Pretrainer::resume(base(&tiny()), config(), &test_device::device(), dir.path()) {
        Err(Error::State { path, .. }) => assert_eq!(path, file),
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn impossible_configurations_name_the_field() {
    for (config, name) in [
        (
            PretrainConfig {
                steps: 0,
                ..config()
            },
            "steps",
        ),
        // The first step has the rate 0.
        (
            PretrainConfig {
                steps: 1,
                ..config()
            },
            "steps",
        ),
        (
            PretrainConfig {
                batch_size: 0,
                ..config()
            },
            "batch_size",
        ),
        (
            PretrainConfig {
                lr: 0.0,
                ..config()
            },
            "lr",
        ),
        (
            PretrainConfig {
                lr: f64::NAN,
                ..config()
            },
            "lr",
        ),
        (
            PretrainConfig {
                identity: -0.1,
                ..config()
            },
            "identity",
        ),
        (
            PretrainConfig {
                identity: 1.1,
                ..config()
            },
            "identity",
        ),
        (
            PretrainConfig {
                identity: f64::NAN,
                ..config()
            },
            "identity",
        ),
    ] {
        match Pretrainer::new(base(&tiny()), config, &test_device::device()) {
            Err(Error::Recipe { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {:?}", other.map(drop)),
        }
    }
    Pretrainer::new(
        base(&tiny()),
        PretrainConfig::compact(),
        &test_device::device(),
    )
    .unwrap();
}

#[test]
fn a_misspelt_field_is_named() {
    let text = serde_json::to_string(&config()).unwrap();
    let text = text.replace("crop", "cropped");
    let error = serde_json::from_str::<PretrainConfig>(&text).unwrap_err();
    assert!(error.to_string().contains("cropped"), "{error}");
}

#[test]
fn one_text_does_for_all_samples() {
    let config = || PretrainConfig {
        identity: 0.5,
        ..config()
    };
    let one = || text([1.0, 0.0, -1.0, 0.5]);
    let each = TextCondition {
        tokens: one().tokens.repeat_dim(0, 4),
        mask: Tensor::from_data(
            TensorData::new(vec![true; 4], [4, 1]),
            &test_device::device(),
        ),
    };
    let train = |text: TextCondition| {
        let mut trainer = Pretrainer::new(base(&tiny()), config(), &test_device::device()).unwrap();
        let batch = PretrainBatch { text, ..batch(0) };
        // The first step has the learning rate 0.
        let losses = [(); 3].map(|()| trainer.step(&batch).unwrap());
        (losses, named(&trainer))
    };
    assert_eq!(train(one()), train(each));
}

#[test]
fn batches_whose_parts_do_not_fit_are_errors() {
    let device = test_device::device();
    let first = |images: &Tensor<4>, count: usize| images.clone().slice([0..count]);
    let with_text = |tokens: [usize; 3], mask: [usize; 2]| PretrainBatch {
        text: TextCondition {
            tokens: Tensor::zeros(tokens, &device),
            mask: Tensor::from_data(
                TensorData::new(vec![true; mask[0] * mask[1]], mask),
                &device,
            ),
        },
        ..batch(0)
    };
    let (mut photos, mut targets) = (batch(0), batch(0));
    photos.pairs.photos = first(&photos.pairs.photos, 3);
    targets.pairs.targets = first(&targets.pairs.targets, 3);
    // Of four pairs, with one text for all of them.
    let mut one_photo = with_text([1, 1, 4], [1, 1]);
    one_photo.pairs.photos = first(&one_photo.pairs.photos, 1);
    for (batch, expected, shape) in [
        (photos, "text tokens", vec![4, 1, 4]),
        (targets, "targets", vec![3, 3, 16, 16]),
        (one_photo, "targets", vec![4, 3, 16, 16]),
        (with_text([2, 1, 4], [2, 1]), "text tokens", vec![2, 1, 4]),
        (with_text([4, 1, 3], [4, 1]), "text tokens", vec![4, 1, 3]),
        (with_text([4, 2, 4], [4, 1]), "text mask", vec![4, 1]),
    ] {
        let mut trainer = Pretrainer::new(base(&tiny()), config(), &device).unwrap();
        match trainer.step(&batch) {
            Err(Error::Network(lora_gan::Error::Input { what, found, .. })) => {
                assert_eq!((what, found), (expected, shape));
            }
            other => panic!("{expected} {shape:?}: {other:?}"),
        }
        assert_eq!(trainer.steps_done(), 0);
    }
}

#[test]
fn empty_sets_and_nan_losses_are_errors() {
    let mut trainer = Pretrainer::new(base(&tiny()), config(), &test_device::device()).unwrap();
    let none = || Tensor::<4>::zeros([0, 3, 16, 16], &test_device::device());
    let empty = PretrainBatch {
        text: text([0.0; 4]),
        pairs: PairSet {
            photos: none(),
            targets: none(),
        },
    };
    match trainer.step(&empty) {
        Err(Error::NoPairs { what, needed }) => assert_eq!((what, needed), ("pretraining", 1)),
        other => panic!("{other:?}"),
    }
    let mut broken = batch(0);
    broken.pairs.photos = broken.pairs.photos.mul_scalar(f32::NAN);
    match trainer.step(&broken) {
        Err(Error::NotFinite { which, value, .. }) => {
            assert_eq!(which, "base");
            assert!(value.is_nan());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(trainer.steps_done(), 0);
}
