use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use weight_blocks::module_to_named;

use super::blocks::IndexEmbedding;
use super::init::Init;
use super::{Parameterization, UNet1d, UNet1dConfig};
use crate::diffusion::noise::{fill_normal, stream};
use crate::train::parameter_vector;
use crate::{Denoiser, Error};
use encoded_text::TextCondition;

fn device() -> Device {
    Device::flex()
}

fn random<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let mut values = vec![0.0; shape.iter().product()];
    fill_normal(&mut stream(seed, 0), &mut values);
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance, "{i}: {f} is not {e}");
    }
}

fn ints(values: &[i64]) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &device())
}

fn tiny() -> UNet1dConfig {
    UNet1dConfig {
        block_size: 16,
        patch_size: 2,
        base_channels: 16,
        multipliers: [1, 2, 3],
        downsample: true,
        heads: 2,
        ff_multiplier: 2,
        norm_groups: 4,
        encoding_size: 8,
        embedding_size: 24,
        context_width: 6,
        block_heads: Some(1000),
        ..UNet1dConfig::compact()
    }
}

/// A network whose zero output layer has been filled, as training would.
fn trained(config: &UNet1dConfig) -> UNet1d {
    let unet = UNet1d::new(config, 3, &device()).unwrap();
    let weights = parameter_vector::parameters(&unet);
    let moved = weights.clone() + random(9, weights.dims()).mul_scalar(0.05);
    parameter_vector::with_parameters(unet, &moved)
}

fn text(rows: usize, length: usize, real: usize, width: usize) -> TextCondition {
    let mask = (0..rows * length)
        .map(|i| i % length < real)
        .collect::<Vec<_>>();
    TextCondition {
        tokens: random(5, [1, length, width]).expand([rows, length, width]),
        mask: Tensor::<2, Bool>::from_data(TensorData::new(mask, [rows, length]), &device()),
    }
}

#[test]
fn output_has_the_inputs_shape_and_is_zero_at_first() {
    for config in [
        tiny(),
        UNet1dConfig {
            downsample: false,
            patch_size: 8,
            ..tiny()
        },
        UNet1dConfig {
            patch_size: 1,
            ..tiny()
        },
    ] {
        let unet = UNet1d::new(&config, 1, &device()).unwrap();
        let noisy = random(1, [3, 16]);
        let text = text(3, 4, 4, 6);
        let output = unet.forward(noisy.clone(), ints(&[0, 500, 999]), ints(&[0, 7, 1]), &text);
        assert_eq!(output.dims(), [3, 16]);
        assert!(host(output).iter().all(|&v| v == 0.0));
        assert_eq!((unet.block_size(), unet.context_width()), (16, 6));
        let output = trained(&config).forward(noisy, ints(&[0, 500, 999]), ints(&[0, 7, 1]), &text);
        assert!(host(output).iter().all(|v| v.is_finite() && *v != 0.0));
    }
}

#[test]
fn presets_build_with_their_counts() {
    let count = |config: &UNet1dConfig| {
        let unet = UNet1d::new(config, 0, &device()).unwrap();
        parameter_vector::parameters(&unet).dims()[0]
    };
    // Literal, so that a change of the network does not pass unnoticed.
    assert_eq!(count(&UNet1dConfig::compact()), COMPACT);
    assert_eq!(count(&UNet1dConfig::paper()), PAPER);
}

const COMPACT: usize = 2_694_928;
const PAPER: usize = 18_871_681;

#[test]
fn a_block_is_the_same_alone_and_in_a_batch() {
    let unet = trained(&tiny());
    let noisy = random(2, [5, 16]);
    let (t, n) = ([3i64, 999, 10, 700, 0], [0i64, 1, 8, 300, 2]);
    let all = host(unet.predict_noise(noisy.clone(), ints(&t), ints(&n), &text(5, 3, 2, 6)));
    let shared = host(unet.predict_noise(noisy.clone(), ints(&t), ints(&n), &text(1, 3, 2, 6)));
    assert_near(&shared, &all, 1e-5);
    for i in 0..5 {
        let one = unet.predict_noise(
            noisy.clone().narrow(0, i, 1),
            ints(&t[i..=i]),
            ints(&n[i..=i]),
            &text(1, 3, 2, 6),
        );
        assert_near(&host(one), &all[i * 16..(i + 1) * 16], 1e-5);
    }
}

#[test]
fn padding_tokens_have_no_influence_and_real_ones_do() {
    let unet = trained(&tiny());
    let run = |text: &TextCondition| {
        host(unet.forward(random(2, [2, 16]), ints(&[999, 5]), ints(&[0, 1]), text))
    };
    let base = text(2, 4, 2, 6);
    let changed = |at: usize| TextCondition {
        tokens: Tensor::cat(
            vec![
                base.tokens.clone().narrow(1, 0, at),
                random(77, [2, 1, 6]).mul_scalar(50.0),
                base.tokens.clone().narrow(1, at + 1, 3 - at),
            ]
            .into_iter()
            .filter(|part| part.dims()[1] > 0)
            .collect(),
            1,
        ),
        mask: base.mask.clone(),
    };
    let expected = run(&base);
    assert_eq!(run(&changed(2)), expected);
    assert_ne!(run(&changed(1)), expected);
    let short = TextCondition {
        tokens: base.tokens.clone().narrow(1, 0, 2),
        mask: base.mask.clone().narrow(1, 0, 2),
    };
    assert_near(&run(&short), &expected, 1e-5);
}

#[test]
fn index_timestep_and_text_matter() {
    let unet = trained(&tiny());
    let run = |t, n, real| {
        host(unet.forward(
            random(2, [1, 16]),
            ints(&[t]),
            ints(&[n]),
            &text(1, 3, real, 6),
        ))
    };
    let base = run(10, 4, 2);
    assert_ne!(run(11, 4, 2), base);
    assert_ne!(run(10, 5, 2), base);
    assert_ne!(run(10, 4, 3), base);
}

#[test]
fn equal_seeds_give_equal_networks() {
    let named = |seed| module_to_named(&UNet1d::new(&tiny(), seed, &device()).unwrap()).unwrap();
    assert_eq!(named(4), named(4));
    assert_ne!(named(4), named(5));
    let tracked = UNet1d::new(&tiny(), 4, &device().autodiff()).unwrap();
    assert_eq!(module_to_named(&tracked).unwrap(), named(4));
}

#[test]
fn flat_weights_round_trip() {
    let unet = trained(&tiny());
    let again = parameter_vector::with_parameters(
        UNet1d::new(&tiny(), 8, &device()).unwrap(),
        &parameter_vector::parameters(&unet),
    );
    assert_eq!(
        module_to_named(&unet).unwrap(),
        module_to_named(&again).unwrap()
    );
}

#[test]
fn skip_and_epsilon_recover_the_same_weights_from_the_same_noise() {
    // ŵ⁰ = (w^t − σ ε̂)/α holds for both parameterizations.
    for parameterization in [Parameterization::Epsilon, Parameterization::Skip] {
        let config = UNet1dConfig {
            parameterization,
            ..tiny()
        };
        let unet = trained(&config);
        let schedule = &config.schedule;
        let noisy = random(4, [2, 16]);
        for t in [20usize, 400] {
            let text = text(1, 3, 3, 6);
            let direct = unet.recover(noisy.clone(), t, ints(&[0, 1]), &text, schedule);
            let noise =
                unet.predict_noise(noisy.clone(), ints(&[t as i64; 2]), ints(&[0, 1]), &text);
            let by_hand =
                (noisy.clone() - noise.mul_scalar(schedule.sigma(t))).div_scalar(schedule.alpha(t));
            assert_near(&host(direct), &host(by_hand), 1e-4);
        }
    }
}

#[test]
fn index_encoding_is_equation_2() {
    let device = device();
    let mut init = Init::new(0, &device);
    let embedding = IndexEmbedding::new(4, 8, &mut init);
    let found = host(embedding.encode(ints(&[0, 1, 3])));
    // d = 4: frequencies 1 and 10000^(-2/4) = 1/100; sine at even, cosine at odd places.
    let expected = [
        0.0,
        1.0,
        0.0,
        1.0, //
        0.841_471,
        0.540_302_3,
        0.009_999_833,
        0.999_95, //
        0.141_12,
        -0.989_992_5,
        0.029_995_5,
        0.999_550_03,
    ];
    assert_near(&found, &expected, 1e-6);
    let wide = IndexEmbedding::new(64, 8, &mut init);
    let found = host(wide.encode(ints(&[853])));
    // Eq. 2 in 64 bits. Angles of hundreds lose a little in 32 bits.
    let expected: Vec<f32> = (0..64)
        .map(|i| {
            let angle = 853.0 / 10_000f64.powf(f64::from(i - i % 2) / 64.0);
            (if i % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
        })
        .collect();
    assert_near(&found, &expected, 1e-4);
}

#[test]
fn wrong_shapes_name_their_field() {
    type Change = fn(&mut UNet1dConfig);
    let wrong: [(&str, Change); 4] = [
        ("heads", |c| c.heads = 0),
        ("block_size", |c| c.patch_size = 3),
        ("encoding_size", |c| c.encoding_size = 7),
        ("level width (heads)", |c| c.heads = 5),
    ];
    for (field, change) in wrong {
        let mut config = tiny();
        change(&mut config);
        match UNet1d::new(&config, 0, &device()) {
            Err(Error::Config { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn huge_sizes_are_refused_before_anything_is_allocated() {
    const HUGE: usize = 1 << 60;
    type Change = fn(&mut UNet1dConfig);
    let wrong: [(&str, Change); 15] = [
        ("block_size", |c| c.block_size = HUGE),
        ("patch_size", |c| c.patch_size = HUGE),
        ("base_channels", |c| c.base_channels = usize::MAX - 3),
        ("heads", |c| c.heads = HUGE),
        ("ff_multiplier", |c| c.ff_multiplier = HUGE),
        ("norm_groups", |c| c.norm_groups = HUGE),
        ("encoding_size", |c| c.encoding_size = HUGE),
        ("embedding_size", |c| c.embedding_size = HUGE),
        ("context_width", |c| c.context_width = HUGE),
        ("multipliers", |c| c.multipliers = [1, usize::MAX, 1]),
        ("multipliers", |c| c.multipliers = [1, 1, 65]),
        ("level width", |c| c.base_channels = 1 << 16),
        ("ff_multiplier", |c| {
            c.base_channels = 1 << 10;
            c.ff_multiplier = 1 << 16;
        }),
        ("block_heads", |c| c.block_heads = Some(0)),
        ("block_heads", |c| {
            c.block_size = 1 << 16;
            c.block_heads = Some(1 << 10);
        }),
    ];
    for (field, change) in wrong {
        let mut config = UNet1dConfig::compact();
        change(&mut config);
        match UNet1d::new(&config, 0, &device()) {
            Err(Error::Config { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {:?}", other.map(|_| ())),
        }
    }
    let mut json = serde_json::to_value(UNet1dConfig::compact()).unwrap();
    json["schedule"]["steps"] = HUGE.into();
    let error = serde_json::from_value::<UNet1dConfig>(json).unwrap_err();
    assert!(error.to_string().contains("schedule.steps"), "{error}");
}
