//! Classifier-free guidance: one batch of both halves, the formula, and what an old file means.

use crate::common::{dataset, device, distance, text, train, unet};
use burn::tensor::{Bool, Tensor};
use weight_diffusion::diffusion::{Sampler, multi_step};
use weight_diffusion::encoded_text::{EncodedPrompt, TextCondition};
use weight_diffusion::{
    BlockSource, BlockTrainer, Parameterization, SampleOptions, TrainConfig, UNet1d, one_step,
};

/// Trained long enough that text matters.
fn model() -> UNet1d {
    let data = dataset();
    let config = TrainConfig {
        steps: 40,
        text_dropout: 0.3,
        ..train()
    };
    let unet = unet(Parameterization::Skip);
    let mut trainer = BlockTrainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
    while !trainer.is_finished() {
        trainer.step(&data).unwrap();
    }
    trainer.ema_model()
}

fn condition(text: &EncodedPrompt) -> TextCondition {
    TextCondition::from_host(&[text], crate::common::WIDTH, &device()).unwrap()
}

fn none() -> TextCondition {
    TextCondition {
        tokens: Tensor::zeros([1, 2, crate::common::WIDTH], &device()),
        mask: Tensor::<2, Bool>::full([1, 2], false, &device()),
    }
}

#[test]
fn guided_weights_are_the_plain_ones_away_from_those_without_text() {
    let model = model();
    let schedule = &model.config().schedule;
    let prompt = condition(&text(1, 2));
    let plain = SampleOptions {
        batch_size: 3,
        t: 800,
        ..SampleOptions::noise_end(schedule)
    };
    let sample = |text: &TextCondition, guidance| {
        let options = SampleOptions { guidance, ..plain };
        one_step(&model, text, 5, schedule, &options).unwrap()
    };
    let (with, without) = (sample(&prompt, 1.0), sample(&none(), 1.0));
    assert!(distance(&with, &without) > 0.1, "the text does not matter");
    for guidance in [0.0, 0.5, 2.0, 4.0] {
        let expected: Vec<f32> = (with.iter().zip(&without))
            .map(|(w, o)| o + guidance as f32 * (w - o))
            .collect();
        let found = sample(&prompt, guidance);
        assert!(distance(&found, &expected) < 1e-5, "{guidance}");
    }
    // Several steps guide each of them.
    let steps = |guidance| {
        let options = SampleOptions { guidance, ..plain };
        let how = (Sampler::Ddim, 4);
        multi_step(&model, &prompt, 5, schedule, how, &options).unwrap()
    };
    assert!(distance(&steps(3.0), &steps(1.0)) > 0.01);
}

#[test]
fn options_without_guidance_mean_none() {
    let old = r#"{"t": 999, "seed": 0, "noises": 1, "batch_size": 64}"#;
    let options: SampleOptions = serde_json::from_str(old).unwrap();
    assert_eq!(options.guidance, 1.0);
    let json = serde_json::to_string(&options).unwrap();
    assert!(!json.contains("guidance"), "{json}");
    let guided = SampleOptions {
        guidance: 2.5,
        ..options
    };
    let json = serde_json::to_string(&guided).unwrap();
    assert_eq!(
        serde_json::from_str::<SampleOptions>(&json).unwrap(),
        guided
    );
}
