//! InceptionV3 from PyTorch's own files.

use std::fs;
use std::io::{Cursor, Write};

use crate::common::formula::Formula;
use crate::common::{Fixture, fixture_path};
use burn::tensor::Tensor;
use clean_fid::networks::WeightError;
use clean_fid::{Error, FeatureNet, InceptionV3Config};
use tensor_file::PytorchError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const FILES: [&str; 2] = ["inception_zip.pth", "inception_legacy.pth"];

/// The fixture as a file of plausible size. Its tensors are overlapping views of a few short storages, and a tensor
/// that is larger than the whole file is refused.
fn padded(name: &str) -> Vec<u8> {
    const PADDING: usize = 8 << 20;
    let mut bytes = fs::read(fixture_path(name)).unwrap();
    if !bytes.starts_with(b"PK") {
        bytes.resize(bytes.len() + PADDING, 0);
        return bytes;
    }
    let mut archive = ZipWriter::new_append(Cursor::new(bytes)).unwrap();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("padding", stored).unwrap();
    archive.write_all(&vec![0; PADDING]).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn features_from_checkpoints_equal_pytorch_fid() {
    let fixture = Fixture::open("checkpoint.safetensors");
    let images: Tensor<4> = fixture.tensor::<4>("images") / 255.0;
    let (theirs, shape) = fixture.floats("features");
    assert_eq!(shape, [1, 2048]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inception.pth");
    for name in FILES {
        fs::write(&path, padded(name)).unwrap();
        let network = InceptionV3Config::new()
            .load(&path, &test_device::device())
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
fn tensors_larger_than_their_file_are_refused() {
    for name in FILES {
        let error = InceptionV3Config::new()
            .load(fixture_path(name), &test_device::device())
            .unwrap_err();
        assert!(
            matches!(
                &error,
                Error::Weights(WeightError::File(tensor_file::Error::Pytorch {
                    source: PytorchError::TensorSize { .. },
                    ..
                }))
            ),
            "{name}: {error}"
        );
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
        let whole = padded(name);
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
