//! A run that diverges says where, and keeps the last state that was good.

use std::path::Path;

use crate::common::{base, negatives, recipe, tiny};
use burn::tensor::{Tensor, TensorData};
use encoded_text::TextCondition;
use finetune::{
    AdapterLoss, ConceptTrainer, Error, PretrainBatch, PretrainConfig, Pretrainer, Recipe,
};
use lora_gan::HybridGenerator;
use weight_blocks::{NamedTensors, WeightSpace, load_named, module_to_named};

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn with_nan(mut weights: NamedTensors, name: &str) -> NamedTensors {
    weights.get_mut(name).unwrap().data[0] = f32::NAN;
    weights
}

fn trainer(start: &NamedTensors, recipe: Recipe) -> ConceptTrainer {
    ConceptTrainer::new(&base(&tiny()), start, recipe, &test_device::device()).unwrap()
}

#[test]
fn a_nan_in_a_weight_is_named_at_the_first_step() {
    let start = base(&tiny()).read_weights().unwrap();
    let name = "res2.conv1.lora_A.weight";
    // If the discriminator judges first, its loss is the first to fail; the layer is the generator's.
    for (gan_weight, network) in [(0.0, "generator"), (1.0, "discriminator")] {
        let recipe = Recipe {
            gan_weight,
            ..recipe()
        };
        let mut trainer = trainer(&with_nan(start.clone(), name), recipe);
        let error = trainer.epoch(&negatives(16, 4)).unwrap_err();
        let text = error.to_string();
        match error {
            Error::NotFinite {
                epoch,
                step,
                which,
                layer,
                found,
                ..
            } => {
                assert_eq!((epoch, step, which), (1, 1, network));
                assert_eq!(layer, format!("generator.{name}"));
                assert!(found.is_nan());
            }
            other => panic!("{other:?}"),
        }
        assert!(text.contains("step 1") && text.contains(name), "{text}");
    }
}

#[test]
fn a_run_that_diverges_keeps_its_last_good_state_and_continues_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = negatives(16, 6);
    let start = base(&tiny()).read_weights().unwrap();
    let mut good = trainer(&start, recipe());
    good.epoch(&pairs).unwrap();
    good.save_state(dir.path()).unwrap();
    let kept = good.adapter().unwrap();

    // An absurd rate: the weights of the first step are numbers still, those of later ones are not.
    let wild = Recipe {
        lr_generator: 1e30,
        ..recipe()
    };
    let mut wild = trainer(&start, wild);
    let error = (0..3).find_map(|_| wild.epoch(&pairs).err()).unwrap();
    let (step, layer) = match &error {
        Error::NotFinite { step, layer, .. } | Error::NotFiniteWeights { step, layer, .. } => {
            (*step, layer.clone())
        }
        other => panic!("{other:?}"),
    };
    assert!((1..=4).contains(&step), "{error}");
    assert!(layer.starts_with("generator."), "{error}");
    assert!(error.to_string().contains(&layer), "{error}");

    // What diverged is not saved over what did not.
    let name = "stem.lora_B.weight";
    let broken = trainer(&with_nan(start.clone(), name), recipe());
    match broken.save_state(dir.path()) {
        Err(Error::NotFiniteWeights { layer, found, .. }) => {
            assert_eq!(layer, format!("generator.{name}"));
            assert!(found.is_nan());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(names(dir.path()), ["at-000001"]);
    let resumed = ConceptTrainer::resume(
        &base(&tiny()),
        &start,
        recipe(),
        &test_device::device(),
        dir.path(),
    );
    let mut resumed = resumed.unwrap();
    assert_eq!(resumed.epochs_done(), 1);
    assert_eq!(resumed.adapter().unwrap(), kept);
    resumed.epoch(&pairs).unwrap();
    resumed.save_state(dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["at-000002"]);
}

fn batch() -> PretrainBatch {
    let device = test_device::device();
    PretrainBatch {
        text: TextCondition {
            tokens: Tensor::from_data(TensorData::new(vec![0.5; 8], [2, 1, 4]), &device),
            mask: Tensor::from_data(TensorData::new(vec![true; 2], [2, 1]), &device),
        },
        pairs: negatives(16, 2),
    }
}

fn pretrainer(network: HybridGenerator, lr: f64) -> Pretrainer {
    let config = PretrainConfig {
        steps: 20,
        batch_size: 2,
        lr,
        identity: 0.1,
        crop: None,
        start: None,
        seed: 0,
    };
    Pretrainer::new(network, config, &test_device::device()).unwrap()
}

#[test]
fn pretraining_names_the_layer_and_keeps_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let batch = batch();
    let mut good = pretrainer(base(&tiny()), 1e-3);
    good.step(&batch).unwrap();
    good.save_state(dir.path()).unwrap();

    let weights = module_to_named(&base(&tiny())).unwrap();
    let mut own = weights.keys().filter(|name| !name.contains("lora_"));
    let name = &own
        .find(|name| name.starts_with("transformer.ff_in"))
        .unwrap()
        .clone();
    let broken = load_named(base(&tiny()), &with_nan(weights, name)).unwrap();
    let mut broken = pretrainer(broken, 1e-3);
    match broken.save_state(dir.path()) {
        Err(Error::NotFiniteWeights { layer, step, .. }) => {
            assert_eq!((layer, step), (format!("base.{name}"), 0));
        }
        other => panic!("{other:?}"),
    }
    match broken.step(&batch) {
        Err(Error::NotFinite {
            step: 1,
            which: "base",
            layer,
            ..
        }) => assert_eq!(layer, format!("base.{name}")),
        other => panic!("{other:?}"),
    }
    let mut wild = pretrainer(base(&tiny()), 1e30);
    let error = (0..5).find_map(|_| wild.step(&batch).err()).unwrap();
    assert!(error.to_string().contains("`base."), "{error}");

    assert_eq!(names(dir.path()), ["at-000001"]);
    let config = PretrainConfig {
        steps: 20,
        batch_size: 2,
        lr: 1e-3,
        identity: 0.1,
        crop: None,
        start: None,
        seed: 0,
    };
    let resumed = Pretrainer::resume(base(&tiny()), config, &test_device::device(), dir.path());
    let mut resumed = resumed.unwrap();
    assert_eq!(resumed.steps_done(), 1);
    assert_eq!(resumed.step(&batch).unwrap(), good.step(&batch).unwrap());
}

#[test]
fn the_loss_on_an_adapter_names_the_layer_too() {
    let base = base(&tiny());
    let start = base.read_weights().unwrap();
    let name = "up2.lora_A.weight";
    let mut loss =
        AdapterLoss::with_discriminator(&base, recipe(), &test_device::device()).unwrap();
    match loss.value_and_gradient(&with_nan(start, name), None, &negatives(16, 2)) {
        Err(Error::NotFinite { step: 1, layer, .. }) => {
            assert_eq!(layer, format!("generator.{name}"));
        }
        other => panic!("{:?}", other.map(drop)),
    }
}
