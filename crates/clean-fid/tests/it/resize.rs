//! The resize against clean-fid's own (PIL, torch) and torch-fidelity's.

use crate::common::Fixture;
use crate::common::formula::{Formula, noise_image};
use clean_fid::images::{HostResize, ResizeMode};
use clean_fid::{Error, Picture};

use burn::tensor::{Tensor, TensorData};

/// Largest difference on 0..255. PIL's sums are in double precision and differ from ours in the order of additions;
/// torch's positions and weights are in 32 bits.
const MODES: [(ResizeMode, f32); 3] = [
    (ResizeMode::Clean, 1e-4),
    (ResizeMode::LegacyPytorch, 1e-3),
    (ResizeMode::LegacyTensorflow, 1e-3),
];
const SIDE: usize = 299;

fn noise(name: &str, height: usize, width: usize) -> Picture {
    Picture::from_rgb8(&noise_image(name, height, width), width, height).unwrap()
}

#[test]
fn images_of_160_sizes_are_resized_to_299_pixels() {
    let fixture = Fixture::open("resize.safetensors");
    let (sizes, shape) = fixture.floats("sampled_sizes");
    assert_eq!(shape, [160, 2]);
    for (mode, bound) in MODES {
        let (expected, shape) = fixture.floats(&format!("sampled_{}", mode.name()));
        assert_eq!(shape, [160, 64]);
        let mut worst = 0f32;
        for (case, size) in sizes.chunks_exact(2).enumerate() {
            let picture = noise(
                &format!("sampled {case}"),
                size[0] as usize,
                size[1] as usize,
            );
            let ours = mode.resize(&picture, SIDE, SIDE).unwrap();
            let positions = Formula::new(&format!("positions {case}"));
            for (i, theirs) in expected[case * 64..(case + 1) * 64].iter().enumerate() {
                let at = positions.hash(i) as usize % (SIDE * SIDE * 3);
                let error = (ours.planes()[at] - theirs).abs();
                worst = worst.max(error);
                assert!(
                    error <= bound,
                    "{mode:?}, case {case} of {size:?} at {at}: {} against {theirs}",
                    ours.planes()[at]
                );
            }
        }
        println!("{mode:?}: largest difference {worst:e}");
    }
}

#[test]
fn images_of_40_sizes_are_resized_to_small_ones() {
    let fixture = Fixture::open("resize.safetensors");
    let (sizes, shape) = fixture.floats("full_sizes");
    assert_eq!(shape, [40, 4]);
    for (mode, bound) in MODES {
        for (case, size) in sizes.chunks_exact(4).enumerate() {
            let [height, width, to_height, to_width] = [0, 1, 2, 3].map(|i| size[i] as usize);
            let picture = noise(&format!("full {case}"), height, width);
            let ours = mode.resize(&picture, to_height, to_width).unwrap();
            let (theirs, shape) = fixture.floats(&format!("full_{}_{case}", mode.name()));
            assert_eq!(shape, [3, ours.height(), ours.width()]);
            for (at, (a, b)) in ours.planes().iter().zip(&theirs).enumerate() {
                assert!(
                    (a - b).abs() <= bound,
                    "{mode:?}, case {case} of {size:?} at {at}: {a} against {b}"
                );
            }
        }
    }
}

#[test]
fn a_batch_is_resized_like_its_images() {
    let pictures = [noise("first", 20, 31), noise("second", 20, 31)];
    let values: Vec<f32> = pictures
        .iter()
        .flat_map(|p| p.planes().iter().map(|v| v / 255.0))
        .collect();
    let batch = Tensor::from_data(
        TensorData::new(values, [2, 3, 20, 31]),
        &test_device::device(),
    );
    let resize = HostResize {
        mode: ResizeMode::Clean,
        height: 8,
        width: 9,
    };
    let resized = resize.apply_batch(batch).unwrap();
    assert_eq!(resized.dims(), [2, 3, 8, 9]);
    let resized = resized.into_data().try_into_vec::<f32>().unwrap();
    let expected = pictures
        .iter()
        .flat_map(|p| resize.apply(p).unwrap().into_planes());
    for (a, b) in resized.iter().zip(expected) {
        assert!((a * 255.0 - b).abs() < 1e-3, "{} against {b}", a * 255.0);
    }
}

#[test]
fn bad_sizes_are_refused() {
    for (values, width, height) in [(0, 0, 0), (11, 2, 2), (12, 2, 3), (3, usize::MAX, 2)] {
        let outcome = Picture::from_planes(vec![0.0; values], width, height);
        assert!(matches!(outcome, Err(Error::PictureSize { .. })));
        let outcome = Picture::from_rgb8(&vec![0; values], width, height);
        assert!(matches!(outcome, Err(Error::PictureSize { .. })));
    }
    let picture = noise("picture", 3, 2);
    for (height, width) in [(0, 2), (2, 0)] {
        let outcome = ResizeMode::Clean.resize(&picture, height, width);
        assert!(matches!(outcome, Err(Error::PictureSize { .. })));
    }
}
