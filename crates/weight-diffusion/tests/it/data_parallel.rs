//! Batches shared by several devices.

use crate::common::{dataset, device, train, unet};
use burn::tensor::Device;
use weight_diffusion::{BlockSource, BlockTrainer, Parameterization, TrainConfig};

fn trainer(config: TrainConfig, others: &[Device]) -> BlockTrainer {
    let spec = dataset().spec();
    BlockTrainer::new(config, &unet(Parameterization::Skip), spec, 1, &device())
        .unwrap()
        .with_devices(others)
}

/// Losses of 40 steps, in which learning goes well under way.
fn losses(config: TrainConfig, others: &[Device]) -> Vec<f64> {
    let (data, mut trainer) = (dataset(), trainer(config, others));
    (0..40).map(|_| trainer.step(&data).unwrap().loss).collect()
}

#[test]
fn several_devices_take_the_steps_of_one() {
    let config = || TrainConfig {
        text_dropout: 0.2,
        ..train()
    };
    let alone = losses(config(), &[]);
    assert!(alone[39] < 0.9 * alone[0], "{} to {}", alone[0], alone[39]);
    for others in [vec![device()], vec![device(); 2]] {
        let shared = losses(config(), &others);
        for (step, (a, b)) in alone.iter().zip(&shared).enumerate() {
            assert!((a - b).abs() < 1e-4, "step {step}: {a} alone, {b} shared");
        }
    }
    // Parts that are cut again for the memory, and more devices than rows.
    let crowd = vec![device(); config().batch_size + 1];
    for (others, micro) in [(&crowd[..1], 3), (&crowd[..], 1)] {
        let config = TrainConfig {
            micro_batch: micro,
            min_snr_gamma: Some(5.0),
            ..config()
        };
        let (data, mut alone, mut shared) = (
            dataset(),
            trainer(config.clone(), &[]),
            trainer(config, others),
        );
        let (a, b) = (alone.step(&data).unwrap(), shared.step(&data).unwrap());
        assert!((a.loss - b.loss).abs() < 1e-5, "{a:?} {b:?}");
        assert!(
            (a.grad_norm - b.grad_norm).abs() < 1e-5 * a.grad_norm,
            "{a:?} {b:?}"
        );
    }
}

#[test]
fn a_run_may_be_resumed_on_another_number_of_devices() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let mut whole = trainer(train(), &[]);
    let mut first = trainer(train(), &[device()]);
    for _ in 0..10 {
        whole.step(&data).unwrap();
        first.step(&data).unwrap();
    }
    first.save_state(dir.path()).unwrap();
    let mut second = BlockTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    for _ in 10..20 {
        let (a, b) = (whole.step(&data).unwrap(), second.step(&data).unwrap());
        assert_eq!(a.step, b.step);
        assert!((a.loss - b.loss).abs() < 1e-4, "{a:?} {b:?}");
    }
}
