//! pix2pix's generator and discriminators against PyTorch (tools/gan_fixtures.py).

use burn::module::Module;
use burn::tensor::Tensor;
use gan_baselines::{Error, ResnetConfig, ResnetGenerator};
use lora_gan::{NormKind, Pass, PatchGan, PatchGanConfig};
use test_parity::{TOLERANCE, close, close_all, error, gradients, host};
use weight_blocks::{NamedTensors, module_to_named};

use crate::{fixture, path};

const TRAIN: Pass = Pass::Train { seed: 0 };

fn small(norm: NormKind) -> ResnetConfig {
    ResnetConfig {
        width: 4,
        blocks: 2,
        norm,
        dropout: 0.0,
        channels: 3,
    }
}

#[test]
fn a_misspelt_field_is_named() {
    let config = small(NormKind::Batch);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ResnetConfig>(&text).unwrap(), config);
    let text = text.replacen('{', "{\"drop_out\":0.5,", 1);
    let error = serde_json::from_str::<ResnetConfig>(&text).unwrap_err();
    assert!(error.to_string().contains("drop_out"), "{error}");
}

/// Names of pix2pix's generator with `blocks` blocks without dropout, by those of the Rust module.
fn resnet_name(name: &str, blocks: usize) -> String {
    let (layer, leaf) = name.rsplit_once('.').unwrap();
    let (layer, norm) = match layer.strip_suffix(".norm") {
        Some(layer) => (layer, 1),
        None => (layer, 0),
    };
    let parts: Vec<&str> = layer.split('.').collect();
    let number = |s: &str| s.parse::<usize>().unwrap();
    match parts.as_slice() {
        ["stem"] => format!("model.{}.{leaf}", 1 + norm),
        ["down", i] => format!("model.{}.{leaf}", 4 + 3 * number(i) + norm),
        ["blocks", i, conv] => {
            let at = if *conv == "conv1" { 1 } else { 5 };
            format!("model.{}.conv_block.{}.{leaf}", 10 + number(i), at + norm)
        }
        ["up", i] => format!("model.{}.{leaf}", 10 + blocks + 3 * number(i) + norm),
        ["head"] => format!("model.{}.{leaf}", 17 + blocks),
        other => panic!("{other:?}"),
    }
}

fn running(tensors: &NamedTensors, rename: impl Fn(&str) -> String) -> NamedTensors {
    tensors
        .iter()
        .filter(|(name, _)| name.contains("running_"))
        .map(|(name, tensor)| (rename(name), tensor.clone()))
        .collect()
}

#[test]
fn resnet_forward_backward_and_statistics_equal_pytorch() {
    let device = test_device::device().autodiff();
    for (norm, name) in [(NormKind::Batch, "batch"), (NormKind::Instance, "instance")] {
        let fixture = fixture(&format!("resnet_{name}.safetensors"));
        let generator = ResnetGenerator::new(&small(norm), 9, &device).unwrap();
        let generator = generator
            .load_state_dict(&fixture.weights_file("weight"))
            .unwrap();
        let photo = fixture.tensor::<4>("photo", &device).require_grad();
        let edited = generator.forward(photo.clone(), TRAIN).unwrap();
        close(
            name,
            &host(edited.clone()),
            fixture.host("output"),
            TOLERANCE,
        );
        let cotangent = fixture.tensor::<4>("cotangent", &device);
        let mut grads = (edited * cotangent).sum().backward();
        let by_photo = host(photo.grad(&grads).unwrap());
        close(
            &format!("{name} by photo"),
            &by_photo,
            fixture.host("grad_photo"),
            TOLERANCE,
        );
        let rename = |name: &str| resnet_name(name, 2);
        close_all(
            &format!("{name} by weights"),
            &gradients(&generator, &mut grads, rename),
            &fixture.under("grad"),
            TOLERANCE,
        );
        let after = running(&module_to_named(&generator).unwrap(), rename);
        let reference = fixture.under("after");
        assert_eq!(after.len(), reference.len());
        assert_eq!(after.is_empty(), norm == NormKind::Instance);
        close_all(&format!("{name} statistics"), &after, &reference, TOLERANCE);
        let generator = generator.valid();
        let photo = fixture.tensor::<4>("photo", &test_device::device());
        let edited = generator.forward(photo, Pass::Eval).unwrap();
        close(
            &format!("{name} in evaluation"),
            &host(edited),
            fixture.host("eval"),
            TOLERANCE,
        );
    }
}

/// Parameters without running statistics, which PyTorch counts as buffers.
fn parameters<M: Module>(module: &M) -> usize {
    module_to_named(module)
        .unwrap()
        .iter()
        .filter(|(name, _)| !name.contains("running_"))
        .map(|(_, tensor)| tensor.data.len())
        .sum()
}

#[test]
fn full_size_networks_have_pytorchs_counts() {
    let text = std::fs::read_to_string(path("gan_parameter_counts.json")).unwrap();
    let counts: std::collections::BTreeMap<String, usize> = serde_json::from_str(&text).unwrap();
    let device = test_device::device();
    for (norm, name) in [(NormKind::Batch, "batch"), (NormKind::Instance, "instance")] {
        let config = ResnetConfig {
            norm,
            ..ResnetConfig::paper()
        };
        let generator = ResnetGenerator::new(&config, 0, &device).unwrap();
        assert_eq!(
            parameters(&generator),
            counts[&format!("resnet_9blocks_{name}")]
        );
        let judge = PatchGan::new(&PatchGanConfig::pix2pix(norm), 0, &device).unwrap();
        assert_eq!(parameters(&judge), counts[&format!("patchgan_{name}")]);
    }
}

#[test]
fn initial_weights_are_pix2pixs() {
    let config = ResnetConfig {
        width: 16,
        ..ResnetConfig::paper()
    };
    let new = |seed| ResnetGenerator::new(&config, seed, &test_device::device()).unwrap();
    let named = module_to_named(&new(1)).unwrap();
    let collect = |keep: &dyn Fn(&str) -> bool| -> Vec<f64> {
        let kept = named.iter().filter(|(name, _)| keep(name));
        kept.flat_map(|(_, t)| t.data.iter().map(|v| f64::from(*v)))
            .collect()
    };
    let moments = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let var = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64;
        (mean, var.sqrt())
    };
    let (mean, deviation) = moments(&collect(&|n| n.ends_with("weight") && !n.contains("norm")));
    assert!(
        mean.abs() < 1e-4 && (deviation - 0.02).abs() < 1e-4,
        "{mean} {deviation}"
    );
    // 1,232 draws: four standard errors of the mean are 0.0023, of the deviation 0.0016.
    let (mean, deviation) = moments(&collect(&|n| n.ends_with("norm.weight")));
    assert!(
        (mean - 1.0).abs() < 0.0023 && (deviation - 0.02).abs() < 0.0017,
        "{mean} {deviation}"
    );
    assert!(collect(&|n| n.ends_with("bias")).iter().all(|v| *v == 0.0));
    assert_eq!(named, module_to_named(&new(1)).unwrap());
    assert_ne!(named, module_to_named(&new(2)).unwrap());
}

#[test]
fn dropout_follows_the_pass() {
    let device = test_device::device();
    let config = ResnetConfig {
        dropout: 0.5,
        ..small(NormKind::Instance)
    };
    let generator = ResnetGenerator::new(&config, 3, &device).unwrap();
    let plain = ResnetGenerator::new(&small(NormKind::Instance), 3, &device).unwrap();
    let photo = Tensor::<4>::ones([1, 3, 16, 16], &device)
        * Tensor::<1, _>::arange(0..16, &device)
            .float()
            .mul_scalar(0.1)
            .sin()
            .unsqueeze();
    let run = |net: &ResnetGenerator, pass| host(net.forward(photo.clone(), pass).unwrap());
    assert_eq!(run(&generator, Pass::Eval), run(&plain, Pass::Eval));
    assert_eq!(run(&plain, TRAIN), run(&plain, Pass::Eval));
    let first = run(&generator, TRAIN);
    assert_eq!(first, run(&generator, TRAIN));
    assert!(error(&first, &run(&generator, Pass::Train { seed: 1 })) > 1e-3);
    assert!(error(&first, &run(&generator, Pass::Eval)) > 1e-3);
}

#[test]
fn unsuitable_images_and_configurations_are_refused() {
    let device = test_device::device();
    let generator = ResnetGenerator::new(&small(NormKind::Instance), 0, &device).unwrap();
    for shape in [
        [1, 3, 18, 16],
        [1, 3, 16, 18],
        [1, 4, 16, 16],
        [1, 3, 4, 16],
        [0, 3, 16, 16],
    ] {
        let result = generator.forward(Tensor::zeros(shape, &device), Pass::Eval);
        match result {
            Err(Error::Input { found, .. }) => assert_eq!(found, shape),
            other => panic!("{:?}", other.map(|t| t.dims())),
        }
    }
    let message = generator
        .forward(Tensor::zeros([1, 3, 18, 16], &device), Pass::Eval)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("[1, 3, 18, 16]") && message.contains("multiples of 4"),
        "{message}"
    );
    type Change = fn(&mut ResnetConfig);
    let changes: [(&str, Change); 5] = [
        ("width", |c| c.width = 0),
        ("blocks", |c| c.blocks = 0),
        ("channels", |c| c.channels = 0),
        ("dropout", |c| c.dropout = 1.0),
        ("dropout", |c| c.dropout = f64::NAN),
    ];
    for (name, change) in changes {
        let mut config = ResnetConfig::compact();
        change(&mut config);
        match ResnetGenerator::new(&config, 0, &device) {
            Err(Error::Config { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {:?}", other.map(drop)),
        }
    }
}
