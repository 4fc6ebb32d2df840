//! Statistics and distances of generated images, none of which is kept.

use burn::tensor::Tensor;

use super::{StatisticsAccumulator, frechet_distance_of};
use crate::{Error, FeatureNet, FeatureStatistics};

/// Statistics of generated images that come in batches, none of which is kept: `batches` yields images `[B, 3, H, W]`,
/// sRGB in 0..1. Its errors are passed on.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use clean_fid::distances::generated_statistics;
/// use clean_fid::{EfficientNetLite0Config, Error};
///
/// # fn main() -> Result<(), Error> {
/// let device = Device::flex();
/// let network = EfficientNetLite0Config::new().with_input_size(32).init(&device)?;
/// let batches = (0..3).map(|_| {
///     let noise = Distribution::Uniform(0.0, 1.0);
///     Ok::<_, Error>(Tensor::<4>::random([2, 3, 32, 32], noise, &device))
/// });
/// assert_eq!(generated_statistics(&network, batches)?.images(), Some(6));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns the errors of `batches` and of [`StatisticsAccumulator`].
pub fn generated_statistics<E: From<Error>>(
    network: &dyn FeatureNet,
    batches: impl IntoIterator<Item = Result<Tensor<4>, E>>,
) -> Result<FeatureStatistics, E> {
    let mut accumulator = StatisticsAccumulator::new(network.width())?;
    for batch in batches {
        accumulator.add_images(network, batch?)?;
    }
    Ok(accumulator.finish()?)
}

/// Fréchet distance between generated images and statistics of a folder or from a file; `batches` as in
/// [`generated_statistics`].
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use clean_fid::distances::{generated_frechet, generated_statistics};
/// use clean_fid::{EfficientNetLite0Config, Error};
///
/// # fn main() -> Result<(), Error> {
/// let device = Device::flex();
/// let network = EfficientNetLite0Config::new().with_input_size(32).init(&device)?;
/// let made = |highest| {
///     let noise = Distribution::Uniform(0.0, highest);
///     let device = device.clone();
///     (0..3).map(move |_| Ok::<_, Error>(Tensor::<4>::random([2, 3, 32, 32], noise, &device)))
/// };
/// let reference = generated_statistics(&network, made(1.0))?; // or FeatureStatistics::load("….npz")?
/// assert!(generated_frechet(&network, made(0.5), &reference)? > 0.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns [`Error::WidthMismatch`], before the first batch is generated, if the statistics were made with another
/// network; otherwise the errors of [`generated_statistics`] and [`frechet_distance_of`].
pub fn generated_frechet<E: From<Error>>(
    network: &dyn FeatureNet,
    batches: impl IntoIterator<Item = Result<Tensor<4>, E>>,
    reference: &FeatureStatistics,
) -> Result<f64, E> {
    if network.width() != reference.width() {
        return Err(E::from(Error::WidthMismatch {
            left: network.width(),
            right: reference.width(),
        }));
    }
    let own = generated_statistics(network, batches)?;
    Ok(frechet_distance_of(&own, reference)?)
}
