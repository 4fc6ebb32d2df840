//! Statistics of features that come in batches.

use burn::tensor::Tensor;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat};

use crate::{Error, FeatureNet, FeatureSet, FeatureStatistics};

/// Accumulates mean and covariance batch by batch. It holds `width² + width` numbers in double precision (34 MB for
/// InceptionV3's 2048) for any number of images.
///
/// Batches are merged by the update of Chan, Golub and LeVeque (1983), which stays accurate if the mean is large compared
/// with the spread.
#[derive(Debug, Clone)]
pub struct StatisticsAccumulator {
    len: usize,
    mean: Vec<f64>,
    /// Sum of products of deviations from the mean.
    scatter: Mat<f64>,
}

impl StatisticsAccumulator {
    /// An accumulator for features of `width` entries.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ZeroWidth`] for a width of 0.
    pub fn new(width: usize) -> Result<Self, Error> {
        if width == 0 {
            return Err(Error::ZeroWidth);
        }
        Ok(Self {
            len: 0,
            mean: vec![0.0; width],
            scatter: Mat::zeros(width, width),
        })
    }

    /// Adds features.
    ///
    /// # Errors
    ///
    /// Returns [`Error::WidthMismatch`] if the features have another width.
    pub fn add(&mut self, set: &FeatureSet) -> Result<(), Error> {
        let width = self.mean.len();
        if set.width() != width {
            return Err(Error::WidthMismatch {
                left: width,
                right: set.width(),
            });
        }
        let (old, new) = (self.len as f64, set.len() as f64);
        let mut own = vec![0.0; width];
        for row in set.rows() {
            for (sum, value) in own.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        own.iter_mut().for_each(|sum| *sum /= new);

        // Deviations from the batch's own mean, and one more row for the distance between the two means.
        let apart = (old * new / (old + new)).sqrt();
        let mut deviations = Mat::<f64>::zeros(set.len() + 1, width);
        for (i, row) in set.rows().enumerate() {
            for (j, value) in row.iter().enumerate() {
                deviations[(i, j)] = f64::from(*value) - own[j];
            }
        }
        for j in 0..width {
            deviations[(set.len(), j)] = (own[j] - self.mean[j]) * apart;
            self.mean[j] += (own[j] - self.mean[j]) * new / (old + new);
        }
        matmul(
            self.scatter.as_mut(),
            Accum::Add,
            deviations.transpose(),
            deviations.as_ref(),
            1.0,
            faer::get_global_parallelism(),
        );
        self.len += set.len();
        Ok(())
    }

    /// Runs `images` `[B, 3, H, W]` (sRGB in 0..1) through `network` and adds their features.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`FeatureNet::features`], [`FeatureSet::from_tensor`] and [`add`](Self::add).
    pub fn add_images(&mut self, network: &dyn FeatureNet, images: Tensor<4>) -> Result<(), Error> {
        self.add(&FeatureSet::from_tensor(network.features(images)?)?)
    }

    /// Images added so far.
    pub fn images(&self) -> usize {
        self.len
    }

    /// Mean and unbiased covariance (over `n - 1`, as `numpy.cov`).
    ///
    /// # Errors
    ///
    /// Returns [`Error::TooFewRows`] for fewer than two images.
    pub fn finish(self) -> Result<FeatureStatistics, Error> {
        if self.len < 2 {
            return Err(Error::TooFewRows {
                found: self.len,
                minimum: 2,
            });
        }
        let width = self.mean.len();
        let degrees = (self.len - 1) as f64;
        let mut covariance = Vec::with_capacity(width * width);
        for i in 0..width {
            // The product is symmetric up to rounding; copying one triangle makes it exactly so.
            covariance.extend((0..width).map(|j| self.scatter[(i.max(j), i.min(j))] / degrees));
        }
        Ok(FeatureStatistics::from_parts(
            self.mean, covariance, self.len,
        ))
    }
}
