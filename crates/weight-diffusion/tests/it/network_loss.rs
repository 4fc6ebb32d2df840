//! Training through a loss on whole networks: alone, or beside the loss on blocks.

use crate::common::{dataset, device, distance, text_spec, train, unet, uniform};
use weight_blocks::module_to_named;
use weight_diffusion::train::{Blocks, Combined, LossError, Networks, Objective, Trainer};
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, CombinedTrainer, Error, NetworkLoss, NetworkTrainer,
    Parameterization, SampleOptions, TrainConfig, UNet1dConfig, WeightGenerator,
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
        block_heads: Some(data.layout().blocks()),
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

fn trainer(data: &BlockDataset, config: TrainConfig) -> NetworkTrainer {
    NetworkTrainer::new(config, &network(data), data.spec(), 1, &device()).unwrap()
}

#[test]
fn predictions_come_to_minimise_the_loss() {
    let data = dataset();
    let mut loss = squares(&data);
    let mut trainer = trainer(&data, config());
    let first = trainer.step(&data, data.texts(), &mut loss).unwrap().loss;
    while !trainer.is_finished() {
        trainer.step(&data, data.texts(), &mut loss).unwrap();
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
    let (mut one, mut two) = (trainer(&data, config()), trainer(&data, config()));
    for _ in 0..3 {
        one.step(&data, data.texts(), &mut whole).unwrap();
        two.step(&data, data.texts(), &mut cut).unwrap();
    }
    two.save_state(dir.path()).unwrap();
    let mut two = NetworkTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    for _ in 0..6 {
        let own = one.step(&data, data.texts(), &mut whole).unwrap();
        assert_eq!(two.step(&data, data.texts(), &mut cut).unwrap(), own);
    }
    assert_eq!(whole.seen, cut.seen);
    assert_eq!(whole.seen[8], (9, vec![0, 1]));
    assert_eq!(
        module_to_named(&one.ema_model()).unwrap(),
        module_to_named(&two.ema_model()).unwrap()
    );
}

#[test]
fn with_one_output_layer_it_learns_prompts_outside_the_data_set() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    // The prompts need not be the data set's.
    let prompts = [crate::common::text(7, 2), crate::common::text(8, 3)];
    let unet = unet(Parameterization::Skip);
    let config = TrainConfig {
        learning_rate: 3e-3,
        ..config()
    };
    let mut loss = squares(&data);
    let mut trainer = NetworkTrainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
    let first = trainer.step(&data, &prompts, &mut loss).unwrap().loss;
    let mut last = first;
    while trainer.steps_done() < 200 {
        if trainer.steps_done() == 100 {
            trainer.save_state(dir.path()).unwrap();
        }
        last = trainer.step(&data, &prompts, &mut loss).unwrap().loss;
    }
    assert!(last < first / 10.0, "{first} to {last}");
    let mut resumed = NetworkTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    let mut again = 0.0;
    while resumed.steps_done() < 200 {
        again = resumed.step(&data, &prompts, &mut loss).unwrap().loss;
    }
    assert_eq!(again, last);
    let error = trainer.step(&data, &[], &mut loss).unwrap_err();
    assert!(matches!(error, Error::EmptyDataset { .. }), "{error}");
}

#[test]
fn parts_of_a_network_and_all_its_blocks_at_once_take_the_same_step() {
    let data = dataset();
    assert!(data.layout().blocks() > 1);
    let step = |micro_batch| {
        let config = TrainConfig {
            micro_batch,
            ..config()
        };
        let unet = unet(Parameterization::Skip);
        let mut trainer = NetworkTrainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
        let mut steps = (0..3).map(|_| {
            trainer
                .step(&data, data.texts(), &mut squares(&data))
                .unwrap()
        });
        (steps.next().unwrap(), steps.last().unwrap())
    };
    let (parts, whole) = (step(1), step(data.layout().blocks()));
    for (parts, whole) in [(parts.0, whole.0), (parts.1, whole.1)] {
        assert!(
            (parts.loss / whole.loss - 1.0).abs() < 1e-5,
            "{parts:?} {whole:?}"
        );
        let ratio = parts.grad_norm / whole.grad_norm;
        assert!((ratio - 1.0).abs() < 1e-4, "{parts:?} {whole:?}");
    }
}

#[test]
fn it_goes_on_from_a_trained_network() {
    let data = dataset();
    let mut first =
        BlockTrainer::new(config(), &network(&data), data.spec(), 1, &device()).unwrap();
    first.step(&data).unwrap();
    let model = first.ema_model();
    let second = NetworkTrainer::from_model(config(), &model, data.spec(), &device()).unwrap();
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
    let blocks = data.layout().blocks();
    let other = UNet1dConfig {
        block_heads: Some(blocks + 1),
        ..network(&data)
    };
    let Err(error) = NetworkTrainer::new(config(), &other, data.spec(), 1, &device()) else {
        panic!("an output layer without a block");
    };
    assert!(
        matches!(&error, Error::Config { field: "block_heads", value, .. } if *value == (blocks + 1).to_string()),
        "{error}"
    );

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
            .step(&data, data.texts(), &mut Wrong(result))
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
    let combined = |weight| {
        let mut trainer =
            CombinedTrainer::new(config(), &network(&data), data.spec(), 1, &device()).unwrap();
        let stats = trainer.step(&data, &mut squares(&data), weight, 2).unwrap();
        (stats, module_to_named(&trainer.model()).unwrap())
    };
    let mut plain =
        BlockTrainer::new(config(), &network(&data), data.spec(), 1, &device()).unwrap();
    let stats = plain.step(&data).unwrap();
    let without = combined(0.0);
    assert_eq!(without, (stats, module_to_named(&plain.model()).unwrap()));
    let both = combined(2.0).0.loss;
    assert!(both > stats.loss, "{both} against {stats:?}");
}

#[test]
fn the_combined_loss_pulls_the_whole_network_to_what_the_loss_asks_for() {
    let data = dataset();
    let mut loss = squares(&data);
    let unet = unet(Parameterization::Skip);
    let config = TrainConfig {
        batch_size: 8,
        learning_rate: 3e-3,
        ..config()
    };
    let mut trainer = CombinedTrainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
    // With this weight the loss on blocks hardly counts.
    let first = (trainer.step(&data, &mut loss, 1e3, 2).unwrap()).loss;
    let mut last = first;
    while trainer.steps_done() < 200 {
        last = (trainer.step(&data, &mut loss, 1e3, 2).unwrap()).loss;
    }
    assert!(last < first / 3.0, "{first} to {last}");
}

#[test]
fn a_combined_run_may_be_resumed_and_shared() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let (mut whole, mut cut) = (squares(&data), squares(&data));
    let new =
        || CombinedTrainer::new(config(), &network(&data), data.spec(), 1, &device()).unwrap();
    let (mut one, mut two) = (new(), new());
    for _ in 0..2 {
        one.step(&data, &mut whole, 0.5, 1).unwrap();
        two.step(&data, &mut cut, 0.5, 1).unwrap();
    }
    two.save_state(dir.path()).unwrap();
    let mut two = CombinedTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    let mut shared = CombinedTrainer::resume(dir.path(), &data.spec(), &device())
        .unwrap()
        .with_devices(&[device()]);
    for _ in 0..2 {
        let own = one.step(&data, &mut whole, 0.5, 1).unwrap();
        assert_eq!(two.step(&data, &mut cut, 0.5, 1).unwrap(), own);
        let shared = shared.step(&data, &mut squares(&data), 0.5, 1).unwrap();
        assert!((shared.loss - own.loss).abs() < 1e-4, "{shared:?} {own:?}");
    }
    assert_eq!(whole.seen, cut.seen);
    assert_eq!(
        module_to_named(&one.ema_model()).unwrap(),
        module_to_named(&two.ema_model()).unwrap()
    );
}

#[test]
fn a_combined_loss_without_weight_or_networks_is_refused() {
    let data = dataset();
    let mut trainer =
        CombinedTrainer::new(config(), &network(&data), data.spec(), 1, &device()).unwrap();
    for (weight, networks, wrong) in [
        (f64::NAN, 1, "weight"),
        (-1.0, 1, "weight"),
        (1.0, 0, "networks"),
    ] {
        match trainer.step(&data, &mut squares(&data), weight, networks) {
            Err(Error::Config { field, .. }) => assert_eq!(field, wrong),
            other => panic!("{weight} {networks}: {other:?}"),
        }
    }
    assert_eq!(trainer.steps_done(), 0);
}

/// Whether a trainer with another objective refuses the state in `dir`.
fn refuses<O: Objective>(dir: &std::path::Path) -> bool {
    match Trainer::<O>::resume(dir, &dataset().spec(), &device()) {
        Ok(_) => false,
        Err(Error::OtherTrainer { found, .. }) => {
            assert!(found.ends_with("Trainer"), "{found}");
            true
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn states_of_other_trainers_are_refused() {
    let data = dataset();
    let (unet, spec) = (network(&data), data.spec());
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let [blocks, combined, networks] = [0, 1, 2].map(|i| dirs[i].path());

    let mut trainer = BlockTrainer::new(config(), &unet, spec.clone(), 1, &device()).unwrap();
    trainer.step(&data).unwrap();
    trainer.save_state(blocks).unwrap();
    let mut trainer = CombinedTrainer::new(config(), &unet, spec.clone(), 1, &device()).unwrap();
    trainer.step(&data, &mut squares(&data), 1.0, 1).unwrap();
    trainer.save_state(combined).unwrap();
    let mut trainer = NetworkTrainer::new(config(), &unet, spec.clone(), 1, &device()).unwrap();
    trainer
        .step(&data, data.texts(), &mut squares(&data))
        .unwrap();
    trainer.save_state(networks).unwrap();

    let all = [blocks, combined, networks];
    for (i, dir) in all.into_iter().enumerate() {
        let refused = [
            refuses::<Blocks>(dir),
            refuses::<Combined>(dir),
            refuses::<Networks>(dir),
        ];
        assert_eq!(refused, [i != 0, i != 1, i != 2]);
    }

    // States that are older than the field: any trainer takes them.
    let path = blocks.join("state.json");
    let json = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, json.replace(r#","kind":"blocks""#, "")).unwrap();
    assert!(!refuses::<Blocks>(blocks) && !refuses::<Networks>(blocks));

    // The model of one trainer may go on with another.
    let model = trainer.ema_model();
    let mut fresh = BlockTrainer::from_model(config(), &model, spec, &device()).unwrap();
    fresh.step(&data).unwrap();
}
