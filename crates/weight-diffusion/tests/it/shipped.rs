//! The shipped weight generator, and what computing in 16 bits does to its predictions.

use std::path::Path;

use burn::tensor::DType;
use weight_diffusion::encoded_text::EncodedPrompt;
use weight_diffusion::unet::ComputePrecision;
use weight_diffusion::{Parameterization, WeightGenerator};

fn shipped() -> WeightGenerator {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/weight-generator");
    WeightGenerator::load(&dir, &test_device::device()).unwrap()
}

fn prompt(width: usize, seed: u64) -> EncodedPrompt {
    EncodedPrompt::new(crate::common::uniform(seed, 3 * width), 3)
}

#[test]
fn it_loads_as_what_it_was_saved_as() {
    let generator = shipped();
    assert_eq!(
        generator.unet().config().parameterization,
        Parameterization::Skip
    );
    let blocks = generator.layout().blocks();
    assert_eq!(generator.unet().config().block_heads, Some(blocks));
    assert_eq!(generator.layout().version(), 1);
}

#[test]
fn brain_floats_predict_nearly_the_same_weights() {
    let full = shipped();
    let short = full.clone().compute_in(ComputePrecision::Bf16).unwrap();
    assert_eq!(short.unet().dtype(), DType::BF16);
    let same = full.clone().compute_in(ComputePrecision::F32).unwrap();
    let mean_of = |weights: &[f32]| {
        let mut normalised = weights.to_vec();
        full.normalizer().normalize(&mut normalised).unwrap();
        normalised
    };
    for seed in 0..4 {
        let text = prompt(full.encoder().width, seed);
        let predict = |generator: &WeightGenerator| {
            let options = generator.defaults();
            generator
                .predict(&text, &options, &test_device::device())
                .unwrap()
                .encoded
        };
        let expected = predict(&full);
        assert_eq!(predict(&same), expected);
        let found = predict(&short);
        assert_ne!(found, expected);
        let whole = crate::common::distance(&found, &expected);
        // Of what is learnt, the zoo's mean not counted.
        let learnt = crate::common::distance(&mean_of(&found), &mean_of(&expected));
        println!(
            "prompt {seed}: {whole:.5} of the weights, {learnt:.5} of what differs from the mean"
        );
        assert!(whole < 0.01, "{whole}");
        assert!(learnt < 0.05, "{learnt}");
    }
}
