//! Sampling and training keep no graphs. A process of its own, because it measures the resident memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

#[path = "it/common.rs"]
mod common;

use common::{dataset, device, text, text_spec, train, unet};
use weight_diffusion::train::EarlyStop;
use weight_diffusion::{
    BlockSource, BlockTrainer, Parameterization, SampleOptions, TrainConfig, WeightGenerator,
};

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Growth of the resident set over `rounds` calls, after `rounds` to settle.
fn growth(rounds: usize, mut call: impl FnMut()) -> usize {
    (0..rounds).for_each(|_| call());
    let before = resident();
    (0..rounds).for_each(|_| call());
    resident().saturating_sub(before)
}

#[test]
fn memory_does_not_grow() {
    let data = dataset();
    let unet = unet(Parameterization::Skip);
    let config = TrainConfig {
        early_stop: Some(EarlyStop {
            every: 1,
            patience: u32::MAX,
            rows: 16,
        }),
        ..train()
    };
    let mut trainer = BlockTrainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
    let model = trainer.ema_model();
    assert!(!model.device().is_autodiff());
    // Guided, so that both halves of the batch are there.
    let options = SampleOptions {
        guidance: 2.0,
        ..SampleOptions::noise_end(&unet.schedule)
    };
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
    let prompt = text(1, 2);
    let limit = 8 << 20;
    let sampling = growth(200, || {
        generator.predict(&prompt, &options, &device()).unwrap();
    });
    assert!(sampling < limit, "sampling grew by {sampling} bytes");
    let training = growth(60, || {
        trainer.step(&data).unwrap();
        trainer.watch(&data).unwrap();
        trainer.ema_model();
    });
    assert!(training < limit, "training grew by {training} bytes");
}
