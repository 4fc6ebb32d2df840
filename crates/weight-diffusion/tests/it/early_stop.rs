//! Stopping on the loss of held-out concepts, and what a resumed run makes of it.

use crate::common::{WIDTH, dataset, device, layout, text, train, unet, weights};
use weight_blocks::{Normalization, Normalizer, module_to_named};
use weight_diffusion::train::{EarlyStop, Validation};
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, Error, Parameterization, TrainConfig,
};

/// Concepts whose weights have nothing to do with the training set's: their loss falls while the
/// network learns scales, and rises when it learns the training concepts.
fn held_out() -> BlockDataset {
    let layout = layout("first");
    let entries = vec![(0, weights(&layout, 11)), (1, weights(&layout, 12))];
    BlockDataset::new(
        layout,
        dataset().normalizer().clone(),
        vec![text(11, 2), text(12, 3)],
        WIDTH,
        entries,
    )
    .unwrap()
}

fn config() -> TrainConfig {
    TrainConfig {
        early_stop: Some(EarlyStop {
            every: 5,
            patience: 3,
            rows: 48,
        }),
        ..train()
    }
}

fn trainer(config: TrainConfig) -> BlockTrainer {
    let unet = unet(Parameterization::Skip);
    BlockTrainer::new(config, &unet, dataset().spec(), 1, &device()).unwrap()
}

/// Steps and looks until training ends.
fn go_on(trainer: &mut BlockTrainer) -> Vec<Validation> {
    let (data, held_out) = (dataset(), held_out());
    let mut found = Vec::new();
    while !trainer.is_finished() {
        trainer.step(&data).unwrap();
        found.extend(trainer.watch(&held_out).unwrap());
    }
    found
}

#[test]
fn training_ends_when_patience_does_and_keeps_the_best_weights() {
    let mut whole = trainer(config());
    let found = go_on(&mut whole);
    let last = found.last().unwrap();
    assert!(last.stop && last.since == 3, "{found:?}");
    assert!(whole.steps_done() < 250, "{}", whole.steps_done());
    assert_eq!(last.step, whole.steps_done());
    let best = found
        .iter()
        .min_by(|a, b| a.loss.total_cmp(&b.loss))
        .unwrap();
    assert_eq!((best.step, best.loss), (last.best_step, last.best_loss));
    assert_eq!(last.step, best.step + 15);
    for (i, validation) in found.iter().enumerate() {
        assert_eq!(validation.step, 5 * (i as u64 + 1));
        assert_eq!(validation.stop, i + 1 == found.len());
    }
    // The best model is the averaged one of that step.
    let mut again = trainer(TrainConfig {
        early_stop: None,
        ..config()
    });
    let data = dataset();
    for _ in 0..best.step {
        again.step(&data).unwrap();
    }
    assert_eq!(
        module_to_named(&again.ema_model()).unwrap(),
        module_to_named(&whole.best_model()).unwrap()
    );
    assert_ne!(
        module_to_named(&whole.ema_model()).unwrap(),
        module_to_named(&whole.best_model()).unwrap()
    );
    // Looking changes no step.
    assert_eq!(
        again.watch(&held_out()).unwrap(),
        None,
        "nothing to look for without `early_stop`"
    );
}

#[test]
fn a_resumed_run_stops_where_an_uninterrupted_one_does() {
    let mut whole = trainer(config());
    let expected = go_on(&mut whole);
    let best = module_to_named(&whole.best_model()).unwrap();
    let (data, held_out) = (dataset(), held_out());
    // Before, at and after an evaluation, and after the end.
    for interrupted in [3, 5, 6, 12, whole.steps_done()] {
        let dir = tempfile::tempdir().unwrap();
        let mut part = trainer(config());
        let mut found = Vec::new();
        for _ in 0..interrupted {
            part.step(&data).unwrap();
            found.extend(part.watch(&held_out).unwrap());
        }
        part.save_state(dir.path()).unwrap();
        let mut part = BlockTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
        assert_eq!(part.watch(&held_out).unwrap(), None, "seen already");
        found.extend(go_on(&mut part));
        assert_eq!(found, expected, "interrupted at {interrupted}");
        assert_eq!(module_to_named(&part.best_model()).unwrap(), best);
    }
}

#[test]
fn states_of_before_have_nothing_to_watch() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = trainer(train());
    before.step(&dataset()).unwrap();
    before.save_state(dir.path()).unwrap();
    let json = std::fs::read_to_string(dir.path().join("state.json")).unwrap();
    for field in ["watch", "early_stop", "min_snr_gamma"] {
        assert!(!json.contains(field), "{field}");
    }
    let again = BlockTrainer::resume(dir.path(), &dataset().spec(), &device()).unwrap();
    assert_eq!(
        module_to_named(&again.best_model()).unwrap(),
        module_to_named(&again.ema_model()).unwrap()
    );
}

#[test]
fn a_state_without_its_best_weights_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = trainer(train());
    before.step(&dataset()).unwrap();
    before.save_state(dir.path()).unwrap();
    let path = dir.path().join("state.json");
    let mut json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    json["watch"] = serde_json::json!(
        { "best_loss": 0.5, "best_step": 1, "since": 0, "last_step": 1 }
    );
    std::fs::write(&path, json.to_string()).unwrap();
    let error = BlockTrainer::resume(dir.path(), &dataset().spec(), &device());
    let message = error.err().unwrap().to_string();
    assert!(message.contains("`best` is missing"), "{message}");
}

#[test]
fn held_out_concepts_of_another_layout_are_refused() {
    let layout = layout("renamed");
    let flat = weights(&layout, 1);
    let normalizer = Normalizer::fit(&layout, Normalization::None, [flat.as_slice()]).unwrap();
    let other =
        BlockDataset::new(layout, normalizer, vec![text(1, 2)], WIDTH, vec![(0, flat)]).unwrap();
    let mut trainer = trainer(TrainConfig {
        early_stop: Some(EarlyStop {
            every: 1,
            ..EarlyStop::default()
        }),
        ..train()
    });
    trainer.step(&dataset()).unwrap();
    assert!(matches!(trainer.watch(&other), Err(Error::Layout { .. })));
    assert!(trainer.watch(&held_out()).unwrap().is_some());
}
