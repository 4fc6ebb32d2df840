//! L1, PSNR and SSIM against scikit-image.

use crate::common::{Fixture, assert_relative};
use burn::tensor::Tensor;
use clean_fid::{Error, l1, psnr, ssim};

#[test]
fn equal_to_scikit_image() {
    let fixture = Fixture::open("paired.safetensors");
    let images =
        || -> (Tensor<4>, Tensor<4>) { (fixture.tensor("first"), fixture.tensor("second")) };
    let values = fixture.doubles("values");
    type Metric = fn(Tensor<4>, Tensor<4>) -> Result<f64, Error>;
    let metrics: [(&str, Metric); 3] = [("l1", l1), ("psnr", psnr), ("ssim", ssim)];
    for ((name, metric), expected) in metrics.into_iter().zip(values) {
        let (a, b) = images();
        assert_relative(metric(a.clone(), b.clone()).unwrap(), expected, 1e-10, name);
        assert_relative(metric(b, a).unwrap(), expected, 1e-10, name);
    }
}

#[test]
fn equal_images() {
    let image: Tensor<4> = Fixture::open("paired.safetensors").tensor("first");
    assert_eq!(l1(image.clone(), image.clone()).unwrap(), 0.0);
    assert_eq!(psnr(image.clone(), image.clone()).unwrap(), f64::INFINITY);
    assert!((ssim(image.clone(), image).unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn bad_pairs_are_refused() {
    let zeros = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &test_device::device());
    let outcome = l1(zeros([1, 3, 16, 16]), zeros([1, 3, 16, 17]));
    assert!(matches!(outcome, Err(Error::PairShape { .. })));
    assert!(matches!(
        psnr(zeros([0, 3, 16, 16]), zeros([0, 3, 16, 16])),
        Err(Error::ImageShape { .. })
    ));
    assert!(matches!(
        ssim(zeros([1, 3, 10, 16]), zeros([1, 3, 10, 16])),
        Err(Error::ImageShape { .. })
    ));
    let broken = Tensor::cat(
        vec![
            zeros([1, 3, 16, 16]),
            zeros([1, 3, 16, 16]).add_scalar(f32::NAN),
        ],
        0,
    );
    assert!(matches!(
        l1(zeros([2, 3, 16, 16]), broken),
        Err(Error::ImageValue {
            image: 1,
            side: "second"
        })
    ));
}
