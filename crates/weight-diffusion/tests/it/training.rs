//! Training, resuming, and the whole chain from weights to weights.

use crate::common::{dataset, device, distance, files, text_spec, train, unet, weights};
use weight_blocks::{load_named, module_to_named};
use weight_diffusion::train::TimestepSampling;
use weight_diffusion::{
    BlockSource, BlockTrainer, Error, Parameterization, Precision, SampleOptions, TrainConfig,
    WeightGenerator,
};

fn trainer(config: TrainConfig) -> BlockTrainer {
    let spec = dataset().spec();
    BlockTrainer::new(config, &unet(Parameterization::Skip), spec, 1, &device()).unwrap()
}

#[test]
fn one_step_gives_each_concept_its_weights_from_its_text() {
    let data = dataset();
    let mut trainer = trainer(train());
    let first = trainer.step(&data).unwrap();
    let mut last = first;
    while !trainer.is_finished() {
        last = trainer.step(&data).unwrap();
    }
    assert_eq!(last.step, 250);
    assert!(last.loss < 0.1 * first.loss, "{first:?} {last:?}");

    let model = trainer.ema_model();
    let options = SampleOptions::noise_end(&model.config().schedule);
    let generator = WeightGenerator::new(
        model,
        data.layout().clone(),
        data.normalizer().clone(),
        text_spec(),
        data.norm(),
        "base",
        options,
    )
    .unwrap();
    let (one, two) = (weights(data.layout(), 1), weights(data.layout(), 2));
    for (concept, own, other) in [(0, &one, &two), (1, &two, &one)] {
        let prediction = generator
            .predict(&data.texts()[concept], &options, &device())
            .unwrap();
        let near = distance(&prediction.encoded, own);
        let far = distance(&prediction.encoded, other);
        assert!(near < 0.1, "concept {concept}: {near} from its weights");
        assert!(far > 0.5, "concept {concept}: {far} from the other's");
        assert_eq!(
            prediction.weights,
            data.layout().decode(&prediction.encoded).unwrap()
        );
        assert_eq!(prediction.norm_warning(), None);
    }
}

#[test]
fn the_papers_loss_recovers_weights_too() {
    let data = dataset();
    let config = TrainConfig {
        timesteps: TimestepSampling::Uniform,
        ..train()
    };
    let mut trainer = BlockTrainer::new(
        config,
        &unet(Parameterization::Epsilon),
        data.spec(),
        1,
        &device(),
    )
    .unwrap();
    let mut losses = Vec::new();
    while !trainer.is_finished() {
        losses.push(trainer.step(&data).unwrap().loss);
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (start, end) = (mean(&losses[..5]), mean(&losses[230..]));
    // ε̂ = 0 has loss 1.
    assert!((start - 1.0).abs() < 0.3, "{start}");
    assert!(end < 0.2, "{end}");
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_for_bit() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        text_dropout: 0.2,
        noises_per_block: 2,
        micro_batch: 20,
        ..train()
    };
    let mut whole = trainer(config.clone());
    let whole_stats: Vec<_> = (0..10).map(|_| whole.step(&data).unwrap()).collect();

    let mut half = trainer(config);
    for expected in &whole_stats[..5] {
        assert_eq!(half.step(&data).unwrap(), *expected);
    }
    assert!(!BlockTrainer::has_state(dir.path()));
    half.save_state(dir.path()).unwrap();
    assert!(BlockTrainer::has_state(dir.path()));
    drop(half);
    let mut half = BlockTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    assert_eq!(half.steps_done(), 5);
    for expected in &whole_stats[5..] {
        assert_eq!(half.step(&data).unwrap(), *expected);
    }
    assert_eq!(
        module_to_named(&whole.model()).unwrap(),
        module_to_named(&half.model()).unwrap()
    );
    assert_eq!(
        module_to_named(&whole.ema_model()).unwrap(),
        module_to_named(&half.ema_model()).unwrap()
    );
}

#[test]
fn an_untrained_state_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let trainer = trainer(train());
    trainer.save_state(dir.path()).unwrap();
    let again = BlockTrainer::resume(dir.path(), &dataset().spec(), &device()).unwrap();
    assert_eq!(again.steps_done(), 0);
    assert_eq!(
        module_to_named(&trainer.model()).unwrap(),
        module_to_named(&again.model()).unwrap()
    );
}

#[test]
fn sample_and_v_prediction_recover_weights_in_one_step() {
    let data = dataset();
    for parameterization in [Parameterization::Sample, Parameterization::Velocity] {
        let unet = unet(parameterization);
        let mut trainer = BlockTrainer::new(train(), &unet, data.spec(), 1, &device()).unwrap();
        while !trainer.is_finished() {
            trainer.step(&data).unwrap();
        }
        let generator = WeightGenerator::new(
            trainer.ema_model(),
            data.layout().clone(),
            data.normalizer().clone(),
            text_spec(),
            data.norm(),
            "base",
            SampleOptions::noise_end(&unet.schedule),
        )
        .unwrap();
        // As loaded from disk.
        let dir = tempfile::tempdir().unwrap();
        generator.save(dir.path(), Precision::Full).unwrap();
        let generator = WeightGenerator::load(dir.path(), &device()).unwrap();
        for concept in 0..2 {
            let options = generator.defaults();
            let prediction = generator
                .predict(&data.texts()[concept], &options, &device())
                .unwrap();
            let own = weights(data.layout(), concept as u64 + 1);
            let near = distance(&prediction.encoded, &own);
            assert!(near < 0.25, "{parameterization:?} {concept}: {near}");
        }
    }
}

#[test]
fn min_snr_weighs_each_row_of_the_loss() {
    let data = dataset();
    // At one timestep all rows weigh the same, so that the loss is a multiple of the plain one.
    for parameterization in [
        Parameterization::Epsilon,
        Parameterization::Sample,
        Parameterization::Skip,
    ] {
        let unet = unet(parameterization);
        let run = |min_snr_gamma| {
            let config = TrainConfig {
                min_snr_gamma,
                micro_batch: 10,
                timesteps: TimestepSampling::NoiseEnd {
                    share: 1.0,
                    from: 0.999,
                },
                ..train()
            };
            let mut trainer = BlockTrainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
            trainer.step(&data).unwrap()
        };
        let (plain, weighted) = (run(None), run(Some(1e-5)));
        let snr = unet.schedule.snr(999);
        assert!(snr > 1e-5);
        let expected = match parameterization {
            Parameterization::Epsilon => 1e-5 / snr,
            Parameterization::Sample => 1e-5,
            _ => 1e-5 / (snr + 1.0),
        };
        assert!(expected < 1.0);
        let ratio = weighted.loss / plain.loss;
        assert!(
            (ratio / expected - 1.0).abs() < 1e-4,
            "{parameterization:?}: {ratio} {expected}"
        );
        let ratio = weighted.grad_norm / plain.grad_norm;
        assert!(
            (ratio / expected - 1.0).abs() < 1e-3,
            "{parameterization:?}: {ratio} {expected}"
        );
    }
}

#[test]
fn divergence_is_reported_and_changes_nothing() {
    let data = dataset();
    let mut trainer = trainer(TrainConfig {
        learning_rate: 1e30,
        warmup_steps: 0,
        clip_norm: None,
        ..train()
    });
    let mut outcome = Ok(());
    for _ in 0..10 {
        match trainer.step(&data) {
            Ok(_) => {}
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    let steps = trainer.steps_done();
    match outcome {
        Err(Error::NotFinite {
            step,
            learning_rate,
            value,
            ..
        }) => {
            assert!(!value.is_finite());
            assert_eq!(step, steps + 1);
            assert!(learning_rate > 1e29);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_of_a_batch_give_the_same_step() {
    let data = dataset();
    let run = |micro_batch| {
        let mut trainer = trainer(TrainConfig {
            micro_batch,
            ..train()
        });
        trainer.step(&data).unwrap();
        trainer.step(&data).unwrap()
    };
    let whole = run(32);
    for parts in [10, 16, 1_000] {
        let stats = run(parts);
        assert!(
            (stats.loss / whole.loss - 1.0).abs() < 1e-4,
            "{stats:?} {whole:?}"
        );
        assert!(
            (stats.grad_norm / whole.grad_norm - 1.0).abs() < 1e-3,
            "{stats:?} {whole:?}"
        );
    }
}

#[test]
fn seeds_give_equal_runs() {
    let data = dataset();
    let run = |network: u64, batches: u64| {
        let config = TrainConfig {
            seed: batches,
            ..train()
        };
        let unet = unet(Parameterization::Skip);
        let mut trainer =
            BlockTrainer::new(config, &unet, data.spec(), network, &device()).unwrap();
        (0..3)
            .map(|_| trainer.step(&data).unwrap().loss)
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1, 2), run(1, 2));
    assert_ne!(run(1, 2), run(1, 3));
    assert_ne!(run(1, 2)[2], run(2, 2)[2]);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let mut config = unet(Parameterization::Skip);
    config.context_width = 4;
    let made = BlockTrainer::new(train(), &config, dataset().spec(), 1, &device());
    assert!(matches!(
        made.err(),
        Some(Error::Config {
            field: "context_width",
            ..
        })
    ));
}

#[test]
fn divergence_names_the_layer_and_keeps_the_last_good_state() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let mut good = trainer(train());
    good.step(&data).unwrap();
    good.save_state(dir.path()).unwrap();
    let kept = files(dir.path());

    // A network with a NaN in one of its layers.
    let mut weights = module_to_named(&good.model()).unwrap();
    let name = weights.keys().find(|name| name.starts_with("down_1."));
    let name = name.unwrap().clone();
    weights.get_mut(&name).unwrap().data[3] = f32::NAN;
    let broken = load_named(good.model(), &weights).unwrap();
    let mut trainer = BlockTrainer::from_model(train(), &broken, data.spec(), &device()).unwrap();
    match trainer.step(&data) {
        Err(Error::NotFinite {
            step: 1,
            layer,
            found,
            ..
        }) => {
            assert_eq!(layer, name);
            assert!(found.is_nan());
        }
        other => panic!("{other:?}"),
    }
    // It is not saved over the good one either.
    match trainer.save_state(dir.path()) {
        Err(Error::NotFinite { what, layer, .. }) => {
            assert_eq!((what, layer), ("weights", name));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files(dir.path()), kept);
    let mut resumed = BlockTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    assert_eq!(resumed.steps_done(), 1);
    assert_eq!(
        module_to_named(&resumed.model()).unwrap(),
        module_to_named(&good.model()).unwrap()
    );
    assert_eq!(resumed.step(&data).unwrap(), good.step(&data).unwrap());
}

#[test]
fn an_overflow_is_reported_and_not_written() {
    let data = dataset();
    let mut weights = module_to_named(&trainer(train()).model()).unwrap();
    let name = weights.keys().find(|name| name.starts_with("up_1."));
    let name = name.unwrap().clone();
    weights.get_mut(&name).unwrap().data.fill(3e38);
    let model = load_named(trainer(train()).model(), &weights).unwrap();
    let mut trainer = BlockTrainer::from_model(train(), &model, data.spec(), &device()).unwrap();
    match trainer.step(&data) {
        // The loss overflows, and so do gradients; the weights are numbers still.
        Err(error @ Error::NotFinite { step: 1, .. }) => {
            let text = error.to_string();
            assert!(text.contains("step 1") && text.contains("holds"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    // The files of a generator are as careful as a state's.
    let dir = tempfile::tempdir().unwrap();
    let options = SampleOptions::noise_end(&model.config().schedule);
    let mut weights = module_to_named(&model).unwrap();
    weights.get_mut(&name).unwrap().data[0] = f32::INFINITY;
    let made = WeightGenerator::new(
        load_named(model, &weights).unwrap(),
        data.layout().clone(),
        data.normalizer().clone(),
        text_spec(),
        data.norm(),
        "base",
        options,
    );
    let error = made.unwrap().save(dir.path(), Precision::Full).unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    assert!(files(dir.path()).is_empty());
}
