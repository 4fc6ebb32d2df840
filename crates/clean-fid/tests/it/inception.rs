//! InceptionV3 against pytorch-fid's on weights of a formula, and two folders against clean-fid.

use std::fs;
use std::path::Path;

use crate::common::formula::inception_file;
use crate::common::{Fixture, assert_relative};
use burn::tensor::Tensor;
use clean_fid::images::ResizeMode;
use clean_fid::networks::WeightError;
use clean_fid::{
    Error, Extractor, FeatureNet, ImageFolder, InceptionV3, InceptionV3Config, frechet_distance,
    kernel_distance,
};

fn load(fixture: &Fixture, mode: ResizeMode) -> InceptionV3 {
    let bytes = inception_file(&fixture.metadata("shapes"), "");
    InceptionV3Config::new()
        .with_mode(mode)
        .load_bytes(&bytes, "formula", &test_device::device())
        .unwrap()
}

#[test]
fn features_equal_pytorch_fid() {
    let fixture = Fixture::open("inception.safetensors");
    let images: Tensor<4> = fixture.tensor::<4>("images") / 255.0;
    for (mode, name) in [
        (ResizeMode::Clean, "clean"),
        (ResizeMode::LegacyPytorch, "legacy_pytorch"),
        (ResizeMode::LegacyTensorflow, "legacy_tensorflow"),
    ] {
        let network = load(&fixture, mode);
        assert_eq!(network.name(), format!("inception-v3-{name}"));
        assert_eq!(network.metric_name("frechet"), format!("fid-{name}"));
        assert_eq!(network.metric_name("kernel"), format!("kid-{name}"));
        let ours = network.features(images.clone()).unwrap();
        assert_eq!(ours.dims(), [2, network.width()]);
        let ours = ours.into_data().try_into_vec::<f32>().unwrap();
        let (theirs, shape) = fixture.floats(&format!("features_{name}"));
        assert_eq!(shape, [2, 2048]);
        for image in 0..2 {
            let at = image * 2048..(image + 1) * 2048;
            let (ours, theirs) = (&ours[at.clone()], &theirs[at]);
            let square = |v: f32| f64::from(v) * f64::from(v);
            let difference: f64 = ours.iter().zip(theirs).map(|(a, b)| square(a - b)).sum();
            let norm: f64 = theirs.iter().map(|b| square(*b)).sum();
            let error = (difference / norm).sqrt();
            let largest = theirs.iter().fold(0f32, |m, v| m.max(v.abs()));
            let worst = ours
                .iter()
                .zip(theirs)
                .fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            println!(
                "{name}, image {image}: relative {error:e}, worst entry {worst:e} of {largest}"
            );
            assert!(error <= 1e-4, "{name}, image {image}: {error:e}");
            assert!(worst <= 1e-4 * largest, "{name}, image {image}: {worst:e}");
        }
    }
}

/// Writes the fixture's pictures as the Python script did.
fn write_folder(fixture: &Fixture, name: &str, root: &Path) -> ImageFolder {
    let root = root.join(name);
    fs::create_dir_all(root.join("inner")).unwrap();
    for i in 0..8 {
        let inner = if i % 2 == 1 { "inner" } else { "" };
        let (bytes, _) = fixture.bytes(&format!("{name}/{i}.png"));
        fs::write(root.join(inner).join(format!("{i}.png")), bytes).unwrap();
    }
    fs::write(root.join("notes.txt"), "no image").unwrap();
    let folder = ImageFolder::open(&root).unwrap();
    assert_eq!(folder.files().len(), 8);
    folder
}

#[test]
fn distances_of_folders_equal_clean_fid() {
    let fixture = Fixture::open("inception.safetensors");
    let device = test_device::device();
    let network = load(&fixture, ResizeMode::Clean);
    let extractor = Extractor::new(&network, &device)
        .with_batch_size(3)
        .unwrap();
    let root = tempfile::tempdir().unwrap();
    let (a, b) = (
        write_folder(&fixture, "a", root.path()),
        write_folder(&fixture, "b", root.path()),
    );

    let mut seen = Vec::new();
    let first = extractor.features(&a, |done| seen.push(done)).unwrap();
    assert_eq!(seen, [3, 6, 8]);
    let second = extractor.features(&b, |_| ()).unwrap();
    let values = fixture.doubles("frechet");
    let direct = frechet_distance(&first, &second).unwrap();
    println!(
        "ours {direct}, clean-fid {}, by singular values {}",
        values[0], values[1]
    );
    assert_relative(direct, values[1], 1e-4, "against singular values in numpy");
    assert_relative(direct, values[0], 1e-3, "against clean-fid");
    let kernel = kernel_distance(&first, &second).unwrap();
    assert_relative(kernel, fixture.doubles("kernel")[0], 1e-3, "kernel");

    // Accumulated, and by way of a file.
    let streamed = extractor.frechet(&a, &b).unwrap();
    assert_relative(streamed, direct, 1e-6, "streamed");
    let path = root.path().join("b.npz");
    extractor
        .statistics(&b, |_| ())
        .unwrap()
        .save(&path)
        .unwrap();
    let reference = clean_fid::FeatureStatistics::load(&path).unwrap();
    let filed = extractor.frechet_to(&a, &reference).unwrap();
    assert_relative(filed, direct, 1e-4, "by way of a file");
}

#[test]
fn other_weights_are_refused() {
    let fixture = Fixture::open("inception.safetensors");
    let shapes = fixture.metadata("shapes");
    let refused = |shapes: &str, leave_out: &str| {
        let bytes = inception_file(shapes, leave_out);
        InceptionV3Config::new()
            .load_bytes(&bytes, "test", &test_device::device())
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let error = refused(&shapes, "Mixed_7c.branch3x3dbl_3b.conv.weight");
    assert!(
        error.contains("Mixed_7c.branch3x3dbl_3b.conv.weight"),
        "{error}"
    );
    assert!(error.contains("missing"), "{error}");
    // torchvision's classifier, and its auxiliary one.
    let error = refused(&shapes.replace("1008", "1000"), "");
    assert!(error.contains("fc.") && error.contains("1000"), "{error}");
    let error = refused(&shapes.replace("\"fc.bias\"", "\"AuxLogits.fc.bias\""), "");
    assert!(error.contains("AuxLogits.fc.bias"), "{error}");
    let error = refused(&shapes.replace("[64, 192, 1, 1]", "[192, 64, 1, 1]"), "");
    assert!(error.contains("branch1x1.conv.weight"), "{error}");

    // Without classifier and counters, as some exports are.
    let mut few: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&shapes).unwrap();
    few.retain(|name, _| !name.starts_with("fc.") && !name.ends_with("num_batches_tracked"));
    let bytes = inception_file(&serde_json::to_string(&few).unwrap(), "");
    let config = InceptionV3Config::new();
    config
        .load_bytes(&bytes, "test", &test_device::device())
        .unwrap();
    let cut = config.load_bytes(&bytes[..bytes.len() - 1], "cut", &test_device::device());
    assert!(matches!(
        cut,
        Err(Error::Weights(WeightError::File(
            tensor_file::Error::Safetensors { .. }
        )))
    ));
    let missing = config.load("no/such/file.safetensors", &test_device::device());
    assert!(matches!(
        missing,
        Err(Error::Weights(WeightError::File(
            tensor_file::Error::Io { .. }
        )))
    ));
}

#[test]
fn wrong_images_are_refused() {
    let device = test_device::device();
    let network = InceptionV3Config::new().init(&device).unwrap();
    for shape in [[1, 1, 32, 32], [0, 3, 32, 32], [1, 3, 0, 32]] {
        let error = network.features(Tensor::zeros(shape, &device)).unwrap_err();
        assert!(matches!(error, Error::ImageShape { found, .. } if found == shape));
    }
}
