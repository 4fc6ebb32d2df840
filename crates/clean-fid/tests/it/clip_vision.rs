//! CLIP's image side against transformers, on tiny random weights.

use std::fs;
use std::path::PathBuf;

use crate::common::Fixture;
use crate::common::formula::noise_image;
use burn::tensor::Tensor;
use clean_fid::images::ResizeMode;
use clean_fid::{
    ClipVision, ClipVisionConfig, Error, Extractor, FeatureNet, FeatureSet, ImageFolder, Picture,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

fn tiny() -> ClipVisionConfig {
    ClipVisionConfig::new()
        .with_size(32)
        .with_patch(8)
        .with_width(32)
        .with_inner(48)
        .with_blocks(2)
        .with_heads(4)
        .with_outputs(24)
}

/// Writes the weights in the fixture to a file, with `prefix` before all names, and adds the tensors `more`.
fn write(folder: &tempfile::TempDir, prefix: &str, more: &[&str]) -> PathBuf {
    let bytes = fs::read(crate::common::fixture_path("clip.safetensors")).unwrap();
    let fixture = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, TensorView<'_>)> = fixture
        .iter()
        .filter_map(|(name, view)| {
            let own = name.strip_prefix("weights.")?;
            Some((format!("{prefix}{own}"), view))
        })
        .collect();
    assert_eq!(tensors.len(), 40);
    let zero = [0; 4];
    for name in more {
        let view = TensorView::new(Dtype::F32, vec![1], &zero).unwrap();
        tensors.push((format!("{prefix}{name}"), view));
    }
    let path = folder.path().join("clip.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    path
}

fn load(prefix: &str, more: &[&str]) -> Result<ClipVision, Error> {
    let folder = tempfile::tempdir().unwrap();
    tiny().load(write(&folder, prefix, more), &test_device::device())
}

fn picture(fixture: &Fixture, i: usize) -> Picture {
    let (sizes, _) = fixture.floats("sizes");
    let [height, width] = [0, 1].map(|side| sizes[2 * i + side] as usize);
    let bytes = noise_image(&format!("clip {i}"), height, width);
    Picture::from_rgb8(&bytes, width, height).unwrap()
}

#[test]
fn pictures_are_prepared_as_by_torchvision() {
    let fixture = Fixture::open("clip.safetensors");
    let (prepared, shape) = fixture.bytes("prepared");
    assert_eq!(shape, [8, 3, 32, 32]);
    for (i, theirs) in prepared.chunks_exact(3 * 32 * 32).enumerate() {
        let ours = ResizeMode::CoverCrop
            .resize(&picture(&fixture, i), 32, 32)
            .unwrap();
        let ours: Vec<u8> = ours.planes().iter().map(|v| *v as u8).collect();
        assert!(ours == theirs, "picture {i}");
    }
}

#[test]
fn features_equal_transformers() {
    let fixture = Fixture::open("clip.safetensors");
    let network = load("", &[]).unwrap();
    assert_eq!(network.name(), "clip-vit-32-8-32");
    let (theirs, shape) = fixture.floats("features");
    assert_eq!(shape, [8, 24]);
    let compare = |ours: &[f32], theirs: &[f32]| {
        let largest = theirs.iter().fold(0f32, |m, v| m.max(v.abs()));
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() <= 1e-4 * largest, "{a} against {b}");
        }
    };
    let (prepared, _) = fixture.bytes("prepared");
    let values: Vec<f32> = prepared.iter().map(|v| f32::from(*v) / 255.0).collect();
    let data = burn::tensor::TensorData::new(values, [8, 3, 32, 32]);
    let images = Tensor::<4>::from_data(data, &test_device::device());
    let ours = network.features(images).unwrap();
    assert_eq!(ours.dims(), [8, network.width()]);
    let ours = ours.into_data().try_into_vec::<f32>().unwrap();
    compare(&ours, &theirs);

    // From files, and as tensors of their own size.
    let folder = tempfile::tempdir().unwrap();
    for i in 0..8 {
        let picture = picture(&fixture, i);
        let (height, width) = (picture.height(), picture.width());
        let bytes = noise_image(&format!("clip {i}"), height, width);
        let path = folder.path().join(format!("{i}.png"));
        image::save_buffer(
            path,
            &bytes,
            width as u32,
            height as u32,
            image::ColorType::Rgb8,
        )
        .unwrap();
        let values: Vec<f32> = picture.planes().iter().map(|v| v / 255.0).collect();
        let data = burn::tensor::TensorData::new(values, [1, 3, height, width]);
        let own = network
            .features(Tensor::from_data(data, &test_device::device()))
            .unwrap();
        let own = FeatureSet::from_tensor(own).unwrap();
        compare(
            &own.rows().flatten().copied().collect::<Vec<_>>(),
            &theirs[24 * i..24 * (i + 1)],
        );
    }
    let device = test_device::device();
    let features = Extractor::new(&network, &device)
        .features(&ImageFolder::open(folder.path()).unwrap(), |_| ())
        .unwrap();
    compare(
        &features.rows().flatten().copied().collect::<Vec<_>>(),
        &theirs,
    );
}

#[test]
fn other_weights_and_sizes_are_refused() {
    // A whole CLIP, and one inside a checkpoint.
    let text = ["text_model.final_layer_norm.bias", "logit_scale"];
    load("", &text).unwrap();
    load("model.", &text).unwrap();
    let error = load("", &["classifier.bias"]).unwrap_err();
    assert!(error.to_string().contains("classifier.bias"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "", &[]);
    let device = test_device::device();
    for (config, name) in [
        (tiny().with_blocks(3), "encoder.layers.2"),
        (tiny().with_blocks(1), "encoder.layers.1"),
        (tiny().with_outputs(23), "visual_projection"),
        (tiny().with_size(40), "position_embedding"),
        (tiny().with_width(16), "layer_norm1"),
    ] {
        let error = config.load(&path, &device).unwrap_err();
        assert!(matches!(error, Error::Weights(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for config in [
        tiny().with_patch(0),
        tiny().with_patch(5),
        tiny().with_heads(5),
        tiny().with_heads(0),
        tiny().with_size(0),
        tiny().with_blocks(0),
        tiny().with_outputs(0),
    ] {
        let error = config.load(&path, &device).unwrap_err();
        let refused = matches!(
            error,
            Error::PatchSize { .. } | Error::Heads { .. } | Error::ZeroSize { .. }
        );
        assert!(refused, "{error}");
    }
    let network = load("", &[]).unwrap();
    for shape in [[1, 1, 32, 32], [0, 3, 32, 32], [1, 3, 0, 32]] {
        let error = network.features(Tensor::zeros(shape, &device)).unwrap_err();
        assert!(matches!(error, Error::ImageShape { found, .. } if found == shape));
    }
}
