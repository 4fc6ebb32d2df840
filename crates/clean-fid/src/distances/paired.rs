//! Comparing images with their targets.

use burn::tensor::Tensor;

use super::ssim::{WINDOW, ssim_plane};
use crate::Error;
use crate::images::readback::to_f32;

/// Mean absolute difference of two batches `[B, C, H, W]` with values in 0..1: 0 for equal images, at most 1.
///
/// # Errors
///
/// Returns [`Error::PairShape`] unless both have the same shape, [`Error::ImageShape`] if a dimension is 0,
/// [`Error::ImageValue`] for NaN or infinity, and [`Error::Readback`] if a batch cannot be read from the device.
pub fn l1(first: Tensor<4>, second: Tensor<4>) -> Result<f64, Error> {
    Pairs::read(first, second)?.mean(|a, b| {
        let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
        sum / a.len() as f64
    })
}

/// Peak signal-to-noise ratio in dB, `-10 log₁₀(MSE)` for values in 0..1, of each pair of images, averaged over the
/// batch: higher is closer. Infinite if any pair is equal.
///
/// Equals `skimage.metrics.peak_signal_noise_ratio(…, data_range=1)` for each image.
///
/// # Errors
///
/// As [`l1`].
pub fn psnr(first: Tensor<4>, second: Tensor<4>) -> Result<f64, Error> {
    Pairs::read(first, second)?.mean(|a, b| {
        let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
        -10.0 * (sum / a.len() as f64).log10()
    })
}

/// Structural similarity (Wang et al., 2004) of two batches `[B, C, H, W]` with values in 0..1: 1 for equal images.
///
/// Gaussian window of 11 × 11 with σ = 1.5, K₁ = 0.01, K₂ = 0.03, population covariance; the mean is taken over positions
/// at which the window lies inside the image, then over channels and batch. Equals `skimage.metrics.structural_similarity(…,
/// data_range=1, gaussian_weights=True, use_sample_covariance=False)`.
///
/// # Errors
///
/// As [`l1`], and [`Error::ImageShape`] for images smaller than 11 × 11.
pub fn ssim(first: Tensor<4>, second: Tensor<4>) -> Result<f64, Error> {
    let pairs = Pairs::read(first, second)?;
    let [_, channels, height, width] = pairs.shape;
    if height < WINDOW || width < WINDOW {
        return Err(Error::ImageShape {
            found: pairs.shape,
            expected: "at least 11 × 11 pixels for the window of SSIM",
        });
    }
    let plane = height * width;
    pairs.mean(|a, b| {
        let sum: f64 = a
            .chunks_exact(plane)
            .zip(b.chunks_exact(plane))
            .map(|(a, b)| ssim_plane(a, b, width))
            .sum();
        sum / channels as f64
    })
}

/// Two batches on the host, checked.
struct Pairs {
    first: Vec<f64>,
    second: Vec<f64>,
    shape: [usize; 4],
}

impl Pairs {
    fn read(first: Tensor<4>, second: Tensor<4>) -> Result<Self, Error> {
        let shape = first.dims();
        if shape != second.dims() {
            return Err(Error::PairShape {
                left: shape,
                right: second.dims(),
            });
        }
        if shape.contains(&0) {
            return Err(Error::ImageShape {
                found: shape,
                expected: "no dimension of 0",
            });
        }
        let image: usize = shape[1..].iter().product();
        let host = |tensor: Tensor<4>, side: &'static str| -> Result<Vec<f64>, Error> {
            let values = to_f32(tensor, "images")?;
            match values.iter().position(|v| !v.is_finite()) {
                Some(at) => Err(Error::ImageValue {
                    image: at / image,
                    side,
                }),
                None => Ok(values.into_iter().map(f64::from).collect()),
            }
        };
        Ok(Self {
            first: host(first, "first")?,
            second: host(second, "second")?,
            shape,
        })
    }

    /// Mean over the batch of a value of one image pair.
    fn mean(&self, value: impl Fn(&[f64], &[f64]) -> f64) -> Result<f64, Error> {
        let [batch, channels, height, width] = self.shape;
        let image = channels * height * width;
        let sum: f64 = self
            .first
            .chunks_exact(image)
            .zip(self.second.chunks_exact(image))
            .map(|(a, b)| value(a, b))
            .sum();
        Ok(sum / batch as f64)
    }
}
