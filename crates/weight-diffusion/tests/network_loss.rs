//! Training the block dictionary through a loss on whole networks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{dataset, device, distance, text_spec, train, unet, uniform};
use weight_blocks::module_to_named;
use weight_diffusion::{
    BlockDataset, DictionarySize, Error, LossError, NetworkLoss, Parameterization, SampleOptions,
    TrainConfig, Trainer, UNet1dConfig, WeightGenerator,
};

/// ½‖w − target‖², with its own target per text: not what the data set's weights say.
struct Squares {
    targets: Vec<Vec<f32>>,
    seen: Vec<(u64, Vec<usize>)>,
}

impl NetworkLoss for Squares {
    fn values_and_gradients(
        &mut self,
        step: u64,
        texts: &[usize],
        weights: &[Vec<f32>],
    ) -> Result<Vec<(f64, Vec<f32>)>, LossError> {
        self.seen.push((step, texts.to_vec()));
        Ok((texts.iter().zip(weights))
            .map(|(&text, weights)| {
                let gradient: Vec<f32> = (weights.iter().zip(&self.targets[text]))
                    .map(|(w, t)| w - t)
                    .collect();
                let squares: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
                (squares / 2.0, gradient)
            })
            .collect())
    }
}

fn squares(data: &BlockDataset) -> Squares {
    let (values, all) = (
        data.layout().values(),
        data.layout().blocks() * data.layout().block_size(),
    );
    let target = |seed| {
        let mut target: Vec<f32> = uniform(seed, all).iter().map(|v| 0.05 * v).collect();
        target[values..].fill(0.0);
        target
    };
    Squares {
        targets: vec![target(11), target(12)],
        seen: Vec::new(),
    }
}

fn network(data: &BlockDataset) -> UNet1dConfig {
    UNet1dConfig {
        dictionary: Some(DictionarySize {
            blocks: data.layout().blocks(),
            entries: 4,
        }),
        ..unet(Parameterization::Skip)
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        steps: 400,
        batch_size: 2,
        weight_decay: 0.0,
        learning_rate: 1e-2,
        ..train()
    }
}

fn trainer(data: &BlockDataset, config: TrainConfig) -> Trainer {
    Trainer::new(config, &network(data), data.spec(), 1, &device()).unwrap()
}

#[test]
fn predictions_come_to_minimise_the_loss_and_only_the_dictionary_moves() {
    let data = dataset();
    let mut loss = squares(&data);
    let mut trainer = trainer(&data, config());
    let before = module_to_named(&trainer.model()).unwrap();
    let first = trainer.step_dictionary(&data, &mut loss).unwrap().loss;
    while !trainer.is_finished() {
        trainer.step_dictionary(&data, &mut loss).unwrap();
    }
    let after = module_to_named(&trainer.model()).unwrap();
    for (name, tensor) in &before {
        let moved = tensor != &after[name];
        assert_eq!(moved, name.starts_with("dictionary."), "{name}");
    }

    let options = SampleOptions::noise_end(&trainer.unet_config().schedule);
    let generator = WeightGenerator::new(
        trainer.ema_model(),
        data.layout().clone(),
        data.normalizer().clone(),
        text_spec(),
        data.norm(),
        "base",
        options,
    )
    .unwrap();
    assert!(first > 0.01, "{first}");
    for (text, target) in loss.targets.iter().enumerate() {
        let prediction = generator
            .predict(&data.texts()[text], &options, &device())
            .unwrap();
        let far = distance(&prediction.encoded, target);
        assert!(far < 0.05, "text {text}: {far} from its target");
        // The noise of inference is not that of training, and says nothing at the noise end.
        let other = SampleOptions { seed: 5, ..options };
        let again = generator
            .predict(&data.texts()[text], &other, &device())
            .unwrap();
        let far = distance(&again.encoded, target);
        assert!(far < 0.1, "text {text}, other noise: {far} from its target");
    }
}

#[test]
fn a_resumed_run_takes_the_same_steps() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let (mut whole, mut cut) = (squares(&data), squares(&data));
    let config = TrainConfig {
        batch_size: 1,
        ..config()
    };
    let mut one = trainer(&data, config.clone());
    let mut two = trainer(&data, config);
    for _ in 0..3 {
        one.step_dictionary(&data, &mut whole).unwrap();
        two.step_dictionary(&data, &mut cut).unwrap();
    }
    two.save_state(dir.path()).unwrap();
    let mut two = Trainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    for _ in 0..6 {
        let own = one.step_dictionary(&data, &mut whole).unwrap();
        assert_eq!(two.step_dictionary(&data, &mut cut).unwrap(), own);
    }
    assert_eq!(whole.seen, cut.seen);
    assert!(whole.seen.iter().any(|(_, texts)| texts == &[0]));
    assert!(whole.seen.iter().any(|(_, texts)| texts == &[1]));
    assert_eq!(
        module_to_named(&one.ema_model()).unwrap(),
        module_to_named(&two.ema_model()).unwrap()
    );
}

#[test]
fn it_goes_on_from_a_trained_network() {
    let data = dataset();
    let mut first = trainer(&data, config());
    first.step(&data).unwrap();
    let model = first.ema_model();
    let second = Trainer::from_model(config(), &model, data.spec(), &device()).unwrap();
    assert_eq!(second.steps_done(), 0);
    for taken in [second.model(), second.ema_model()] {
        assert_eq!(
            module_to_named(&taken).unwrap(),
            module_to_named(&model).unwrap()
        );
    }
}

#[test]
fn what_cannot_work_is_an_error() {
    let data = dataset();
    let mut loss = squares(&data);
    let decayed = TrainConfig {
        weight_decay: 0.01,
        ..config()
    };
    let error = trainer(&data, decayed)
        .step_dictionary(&data, &mut loss)
        .unwrap_err();
    assert!(error.to_string().contains("weight_decay"), "{error}");

    let plain = unet(Parameterization::Skip);
    let error = Trainer::new(config(), &plain, data.spec(), 1, &device())
        .unwrap()
        .step_dictionary(&data, &mut loss)
        .unwrap_err();
    assert!(error.to_string().contains("dictionary"), "{error}");

    struct Wrong(Result<Vec<(f64, Vec<f32>)>, &'static str>);
    impl NetworkLoss for Wrong {
        fn values_and_gradients(
            &mut self,
            _: u64,
            _: &[usize],
            _: &[Vec<f32>],
        ) -> Result<Vec<(f64, Vec<f32>)>, LossError> {
            Ok(self.0.clone()?)
        }
    }
    let len = data.layout().blocks() * data.layout().block_size();
    let answer = |result| {
        trainer(&data, config())
            .step_dictionary(&data, &mut Wrong(result))
            .unwrap_err()
    };
    let error = answer(Err("no pairs there"));
    assert!(matches!(error, Error::NetworkLoss { step: 1, .. }));
    assert!(error.to_string().contains("no pairs there"), "{error}");
    assert!(matches!(answer(Ok(Vec::new())), Error::Shape { .. }));
    let short = vec![(1.0, vec![0.0; len - 1]); 2];
    assert!(matches!(answer(Ok(short)), Error::Shape { .. }));
    let nan = vec![(f64::NAN, vec![0.0; len]); 2];
    assert!(matches!(answer(Ok(nan)), Error::NotFinite { .. }));
}

#[test]
fn a_combined_loss_of_weight_zero_is_the_plain_one() {
    let data = dataset();
    let moved = |take: &dyn Fn(&mut Trainer) -> f64| {
        let mut trainer =
            Trainer::new(config(), &network(&data), data.spec(), 1, &device()).unwrap();
        let loss = take(&mut trainer);
        (loss, trainer)
    };
    let (plain, _) = moved(&|t| t.step(&data).unwrap().loss);
    let (without, a) =
        moved(&|t| (t.step_combined(&data, &mut squares(&data), 0.0, 2).unwrap()).loss);
    let (_, b) = moved(&|t| {
        t.step(&data).unwrap();
        0.0
    });
    assert_eq!(plain, without);
    assert_eq!(
        module_to_named(&a.model()).unwrap(),
        module_to_named(&b.model()).unwrap()
    );
    let (both, _) = moved(&|t| (t.step_combined(&data, &mut squares(&data), 2.0, 2).unwrap()).loss);
    assert!(both > plain, "{both} against {plain}");
}

#[test]
fn the_combined_loss_pulls_the_whole_network_to_what_the_loss_asks_for() {
    let data = dataset();
    let mut loss = squares(&data);
    // No dictionary: the gradient has to reach the UNet.
    let unet = unet(Parameterization::Skip);
    let config = TrainConfig {
        batch_size: 8,
        learning_rate: 3e-3,
        ..config()
    };
    let mut trainer = Trainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
    // A weight that leaves the paper's loss no say.
    let first = (trainer.step_combined(&data, &mut loss, 1e3, 2).unwrap()).loss;
    let mut last = first;
    while trainer.steps_done() < 200 {
        last = (trainer.step_combined(&data, &mut loss, 1e3, 2).unwrap()).loss;
    }
    assert!(last < first / 3.0, "{first} to {last}");
}

#[test]
fn a_combined_loss_without_sense_is_refused() {
    let data = dataset();
    let mut trainer = trainer(&data, config());
    for (weight, networks) in [(f64::NAN, 1), (-1.0, 1), (1.0, 0)] {
        let error = trainer.step_combined(&data, &mut squares(&data), weight, networks);
        assert!(
            matches!(error, Err(Error::Config { .. })),
            "{weight} {networks}"
        );
    }
    assert_eq!(trainer.steps_done(), 0);
}

#[test]
fn steps_of_different_kinds_do_not_mix() {
    type Take = fn(&mut Trainer, &BlockDataset) -> Result<(), Error>;
    let takes: [Take; 3] = [
        |t, data| t.step(data).map(drop),
        |t, data| t.step_combined(data, &mut squares(data), 1.0, 1).map(drop),
        |t, data| t.step_dictionary(data, &mut squares(data)).map(drop),
    ];
    let data = dataset();
    for (first, take) in takes.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = trainer(&data, config());
        take(&mut one, &data).unwrap();
        one.save_state(dir.path()).unwrap();
        let mut resumed = Trainer::resume(dir.path(), &data.spec(), &device()).unwrap();
        for (other, take) in takes.iter().enumerate() {
            for trainer in [&mut one, &mut resumed] {
                let before = trainer.steps_done();
                match take(trainer, &data) {
                    Ok(()) => assert_eq!(first, other),
                    Err(Error::Config { field: "step", .. }) => {
                        assert_ne!(first, other);
                        assert_eq!(trainer.steps_done(), before);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        // A new trainer of the model takes any.
        for take in takes {
            let model = one.ema_model();
            let mut fresh = Trainer::from_model(config(), &model, data.spec(), &device()).unwrap();
            take(&mut fresh, &data).unwrap();
        }
    }
}

#[test]
fn a_data_set_of_more_texts_is_refused_halfway() {
    let data = dataset();
    let mut loss = squares(&data);
    let mut trainer = trainer(&data, config());
    trainer.step_dictionary(&data, &mut loss).unwrap();
    let more = BlockDataset::new(
        data.layout().clone(),
        data.normalizer().clone(),
        (1..5).map(|seed| common::text(seed, 2)).collect(),
        common::WIDTH,
        vec![(0, common::weights(data.layout(), 1))],
    )
    .unwrap();
    assert_eq!(more.spec(), data.spec());
    let error = trainer.step_dictionary(&more, &mut loss).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    trainer.step_dictionary(&data, &mut loss).unwrap();
    assert_eq!(trainer.steps_done(), 2);
}
