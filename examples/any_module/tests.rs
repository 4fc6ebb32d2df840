//! The chain in miniature.

use std::path::Path;

use denoised_weights::PromptEncoder;
use weight_diffusion::TrainConfig;

use crate::chain::{Chain, Sizes, UNET};
use crate::digits::{Digits, Transform};
use crate::network::Classifier;
use crate::tasks::{Kind, Tasks};
use crate::training::Examples;
use weight_blocks::WeightSpace;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/digits");

#[test]
fn a_generated_adapter_beats_zero_on_its_training_task() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = Sizes {
        train_tasks: 4,
        per_kind: 1,
        reader_steps: 200,
        adapter_steps: 80,
    };
    let device = burn::tensor::Device::flex();
    let chain = Chain::new(dir.path(), DIGITS.as_ref(), sizes, 0, &device).unwrap();
    let zoo = chain.collect(|_| ()).unwrap();
    assert_eq!(zoo.entries().len(), 4);
    let config = TrainConfig {
        steps: 150,
        batch_size: 32,
        learning_rate: 4e-3,
        warmup_steps: 5,
        text_dropout: 0.0,
        ..TrainConfig::compact()
    };
    let generator = chain.train(UNET, false, config, &mut |_| ()).unwrap();
    let encoder = PromptEncoder::embedded().unwrap();
    let (base, digest) = chain.base().unwrap();
    assert_eq!(generator.base_digest(), digest);
    let mut sum = 0.0;
    for task in &chain.tasks.train {
        let tokens = encoder.tokens(&task.prompt).unwrap();
        let predicted = generator
            .predict(&tokens, &generator.defaults(), &device)
            .unwrap();
        let mut space = base.clone().space().unwrap();
        space.load_weights(&predicted.weights).unwrap();
        let test = Examples::of_task(task, &chain.splits.test, &device);
        let accuracy = |network: &Classifier| test.accuracy(network, Classifier::forward).unwrap();
        assert!((accuracy(&base) - 0.5).abs() < 1e-6, "guessing");
        sum += accuracy(space.module());
    }
    assert!(sum / 4.0 > 0.7, "mean accuracy {}", sum / 4.0);
}

#[test]
fn unseen_tasks_are_new_in_the_way_that_they_say() {
    let tasks = Tasks::draw(320, 12, 0);
    assert_eq!(
        (tasks.train.len(), tasks.validation.len(), tasks.test.len()),
        (320, 18, 36)
    );
    for (unseen, wording) in [(&tasks.test, 3), (&tasks.validation, 2)] {
        for task in unseen {
            let same_digits: Vec<_> = tasks
                .train
                .iter()
                .filter(|other| other.yes == task.yes)
                .collect();
            assert!(
                same_digits
                    .iter()
                    .all(|other| other.transform != task.transform)
            );
            let new_digits = task.kind == Some(Kind::Rule);
            assert_eq!(same_digits.is_empty(), new_digits, "{}", task.prompt);
            if task.kind == Some(Kind::Wording) {
                let sentence = crate::words::template(wording);
                let fixed = sentence
                    .split(' ')
                    .find(|word| word.starts_with(char::is_lowercase));
                assert!(task.prompt.contains(fixed.unwrap()), "{}", task.prompt);
            }
        }
    }
    let words = |tasks: &[crate::tasks::Task]| -> std::collections::BTreeSet<String> {
        tasks.iter().map(|task| task.prompt.clone()).collect()
    };
    assert_eq!(words(&tasks.train).len(), 320, "each prompt is one task");
    assert!(words(&tasks.train).is_disjoint(&words(&tasks.test)));
}

#[test]
fn the_digits_are_whole_and_split_without_overlap() {
    let digits = Digits::read(Path::new(DIGITS)).unwrap();
    assert_eq!(digits.labels.len(), 1797);
    // scikit-learn: `load_digits().data.sum()` is 561718, in units of a sixteenth.
    let ink: f64 = digits
        .pictures
        .iter()
        .flatten()
        .map(|&p| f64::from(p))
        .sum();
    assert!((ink * 16.0 - 561_718.0).abs() < 1.0, "{}", ink * 16.0);
    let splits = digits.split(3);
    let parts = [&splits.train, &splits.validation, &splits.test];
    assert_eq!(parts.map(|part| part.labels.len()), [988, 359, 450]);
    let mut all: Vec<String> = (parts.iter().flat_map(|part| &part.pictures))
        .map(|picture| format!("{picture:?}"))
        .collect();
    let mut whole: Vec<String> = digits.pictures.iter().map(|p| format!("{p:?}")).collect();
    all.sort();
    whole.sort();
    assert_eq!(all, whole);
}

#[test]
fn transforms_move_ink_where_they_say() {
    let mut picture = [0.0; 64];
    picture[8 + 2] = 1.0; // row 1, column 2
    let ink = |transform: Transform| -> Vec<usize> {
        let moved = transform.apply(&picture, 0);
        (0..64).filter(|&p| moved[p] > 0.5).collect()
    };
    assert_eq!(ink(Transform::Plain), [10]);
    assert_eq!(ink(Transform::UpsideDown), [6 * 8 + 5]);
    assert_eq!(ink(Transform::Mirrored), [8 + 5]);
    assert_eq!(ink(Transform::Left), [8]);
    assert_eq!(ink(Transform::Down), [3 * 8 + 2]);
    assert_eq!(ink(Transform::Rotated), [2 * 8 + 6]);
    assert_eq!(ink(Transform::Inverted).len(), 63);
    assert_eq!(ink(Transform::Thick).len(), 9);
    assert_eq!(ink(Transform::Thin), [10]);
}
