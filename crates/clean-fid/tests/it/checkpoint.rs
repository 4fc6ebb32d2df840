//! InceptionV3 from PyTorch's own files.

use std::fs;

use crate::common::formula::Formula;
use crate::common::{Fixture, fixture_path};
use burn::tensor::Tensor;
use clean_fid::networks::WeightError;
use clean_fid::{Error, FeatureNet, InceptionV3Config};

const FILES: [&str; 2] = ["inception_zip.pth", "inception_legacy.pth"];

#[test]
fn features_from_checkpoints_equal_pytorch_fid() {
    let fixture = Fixture::open("checkpoint.safetensors");
    let images: Tensor<4> = fixture.tensor::<4>("images") / 255.0;
    let (theirs, shape) = fixture.floats("features");
    assert_eq!(shape, [1, 2048]);
    for name in FILES {
        let network = InceptionV3Config::new()
            .load(fixture_path(name), &test_device::device())
            .unwrap();
        let ours = network.features(images.clone()).unwrap();
        let ours = ours.into_data().try_into_vec::<f32>().unwrap();
        let square = |v: f32| f64::from(v) * f64::from(v);
        let difference: f64 = ours.iter().zip(&theirs).map(|(a, b)| square(a - b)).sum();
        let norm: f64 = theirs.iter().map(|b| square(*b)).sum();
        let error = (difference / norm).sqrt();
        println!("{name}: relative {error:e}");
        assert!(error <= 1e-4, "{name}: {error:e}");
    }
}

#[test]
fn damaged_checkpoints_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.pth");
    let device = test_device::device();
    let config = InceptionV3Config::new();
    for name in FILES {
        let whole = fs::read(fixture_path(name)).unwrap();
        for length in (0..whole.len()).step_by(whole.len() / 50) {
            fs::write(&path, &whole[..length]).unwrap();
            let error = config.load(&path, &device).unwrap_err();
            assert!(
                matches!(error, Error::Weights(WeightError::File(_))),
                "{name} cut at {length}: {error}"
            );
            assert!(error.to_string().contains("make or"), "{error}");
        }
        // In the pickle's first half are names, shapes and calls.
        let noise = Formula::new(name);
        for round in 0..40 {
            let mut bytes = whole.clone();
            let at = noise.hash(2 * round) as usize % 40_000;
            bytes[at] ^= (noise.hash(2 * round + 1) as u8).max(1);
            fs::write(&path, &bytes).unwrap();
            if let Err(error) = config.load(&path, &device) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
    let text = folder.path().join("page.pth");
    fs::write(&text, "<!DOCTYPE html><title>Not Found</title>").unwrap();
    let error = config.load(&text, &device).unwrap_err().to_string();
    assert!(
        error.contains("page.pth") && error.contains("PyTorch"),
        "{error}"
    );
}

#[test]
fn checkpoints_of_other_networks_are_refused() {
    let error = InceptionV3Config::new()
        .load(fixture_path("tiny_zip.pth"), &test_device::device())
        .unwrap_err();
    assert!(
        matches!(error, Error::Weights(WeightError::MissingTensor { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("tiny_zip.pth"), "{error}");
    assert!(error.to_string().contains("Conv2d_1a_3x3"), "{error}");
}
