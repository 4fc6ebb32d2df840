//! Pairs of images as tensors.

use crate::common::{negatives, photo};
use burn::tensor::Tensor;
use finetune::{Error, PairSet, images_to_tensor, tensor_to_images};
use image::{Rgb, RgbImage};

#[test]
fn images_of_another_size_are_named_by_position() {
    let good = || (photo(16, 0), photo(16, 1));
    let wide = RgbImage::new(17, 16);
    for bad in [(wide.clone(), photo(16, 1)), (photo(16, 0), wide)] {
        match PairSet::new(&[good(), good(), bad], 16, &test_device::device()) {
            Err(
                error @ Error::PairSize {
                    index: 2,
                    width: 17,
                    height: 16,
                    size: 16,
                },
            ) => {
                assert!(error.to_string().starts_with("pair 2: 17×16"), "{error}");
            }
            other => panic!("{:?}", other.map(drop)),
        }
    }
}

#[test]
fn images_come_back_from_tensors() {
    let device = test_device::device();
    // Every value of every channel, in pixels that differ.
    let image = RgbImage::from_fn(16, 16, |x, y| {
        let v = (16 * y + x) as u8;
        Rgb([v, 255 - v, v.wrapping_mul(7)])
    });
    let other = photo(16, 3);
    let tensor = images_to_tensor(&[&image, &other], 16, &device).unwrap();
    assert_eq!(tensor.dims(), [2, 3, 16, 16]);
    let values = tensor.clone().into_data().try_into_vec::<f32>().unwrap();
    assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));
    // Red of the first pixel is 0, of the last one 255; then green runs the other way.
    assert_eq!((values[0], values[255], values[256]), (-1.0, 1.0, 1.0));
    // Row by row: (x 1, y 0) is 1, (x 0, y 1) is 16.
    assert!((values[1] - (1.0 / 127.5 - 1.0)).abs() < 1e-6);
    assert!((values[16] - (16.0 / 127.5 - 1.0)).abs() < 1e-6);
    assert_eq!(tensor_to_images(tensor), [image, other]);
    // Beyond the range they are clamped.
    let far = tensor_to_images(Tensor::full([1, 3, 2, 1], 3.0, &device));
    assert_eq!(far, [RgbImage::from_pixel(1, 2, Rgb([255; 3]))]);
}

#[test]
#[should_panic(expected = "images of 1 channels")]
fn images_without_three_channels_are_refused() {
    tensor_to_images(Tensor::zeros([1, 1, 2, 2], &test_device::device()));
}

#[test]
#[should_panic(expected = "pairs [0, 3] of 3")]
fn a_photo_without_a_target_cannot_be_selected() {
    let pairs = PairSet {
        targets: negatives(16, 3).targets,
        ..negatives(16, 4)
    };
    let _ = pairs.select(&[0, 3]);
}

#[test]
fn selecting_keeps_photos_and_targets_together() {
    let pairs = negatives(16, 4);
    let PairSet { photos, targets } = pairs.select(&[3, 0, 3]);
    assert!(!photos.is_autodiff());
    let photos = tensor_to_images(photos);
    assert_eq!(photos, [photo(16, 3), photo(16, 0), photo(16, 3)]);
    let targets = tensor_to_images(targets);
    assert_eq!(
        targets,
        photos
            .iter()
            .map(crate::common::inverted)
            .collect::<Vec<_>>()
    );
    let constants = pairs.select(&[0]).autodiff();
    assert!(constants.photos.is_autodiff() && constants.targets.is_autodiff());
    assert_eq!(tensor_to_images(constants.photos), [photo(16, 0)]);
}
