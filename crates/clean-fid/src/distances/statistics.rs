//! Mean and covariance of features.

use faer::{Mat, MatRef};

use super::StatisticsAccumulator;
use crate::{Error, FeatureSet};

/// Mean and covariance of a set's features, which is all that a Fréchet distance needs: `d² + d` numbers for any number of
/// images. The Python packages call them `mu` and `sigma`.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureStatistics {
    mean: Vec<f64>,
    covariance: Vec<f64>,
    len: Option<usize>,
}

/// Largest asymmetry, as a share of the largest entry. Statistics that were stored in 32-bit floats are symmetric to
/// about 1e-7.
const ASYMMETRY: f64 = 1e-5;

impl FeatureStatistics {
    /// From a mean of `d` entries and a covariance of `d × d` that were computed elsewhere. `len` is the number of
    /// images that they were computed from, if it is known.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ZeroWidth`] for an empty mean, [`Error::CovarianceSize`] unless there are `d × d` values,
    /// [`Error::StatisticsValue`] for NaN or infinity, and [`Error::Asymmetric`] or [`Error::NegativeVariance`] for a matrix
    /// that is not a covariance.
    pub fn new(mean: Vec<f64>, covariance: Vec<f64>, len: Option<usize>) -> Result<Self, Error> {
        let width = mean.len();
        if width == 0 {
            return Err(Error::ZeroWidth);
        }
        if Some(covariance.len()) != width.checked_mul(width) {
            return Err(Error::CovarianceSize {
                width,
                values: covariance.len(),
            });
        }
        for (part, values) in [("mean", &mean), ("covariance", &covariance)] {
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::StatisticsValue {
                    part,
                    index,
                    value: values[index],
                });
            }
        }
        let largest = covariance.iter().fold(0f64, |m, v| m.max(v.abs()));
        for row in 0..width {
            if covariance[row * width + row] < 0.0 {
                return Err(Error::NegativeVariance {
                    index: row,
                    value: covariance[row * width + row],
                });
            }
            for column in 0..row {
                let difference =
                    covariance[row * width + column] - covariance[column * width + row];
                if difference.abs() > ASYMMETRY * largest {
                    return Err(Error::Asymmetric { row, column });
                }
            }
        }
        Ok(Self {
            mean,
            covariance,
            len,
        })
    }

    /// Computes the mean and the unbiased covariance (over `n - 1`, as `numpy.cov`) of a set.
    ///
    /// # Errors
    ///
    /// Returns [`Error::TooFewRows`] for fewer than two rows.
    pub fn of(set: &FeatureSet) -> Result<Self, Error> {
        let mut accumulator = StatisticsAccumulator::new(set.width())?;
        accumulator.add(set)?;
        accumulator.finish()
    }

    /// From the accumulator: symmetric by construction.
    pub(crate) fn from_parts(mean: Vec<f64>, covariance: Vec<f64>, len: usize) -> Self {
        Self {
            mean,
            covariance,
            len: Some(len),
        }
    }

    /// Mean of each entry of the features.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Covariance, `width × width` values row-major.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// Entries of a feature vector.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// How many images the statistics were computed from, if it is known: a `.npz` file does not record it.
    pub fn images(&self) -> Option<usize> {
        self.len
    }

    /// The covariance, made exactly symmetric.
    pub(crate) fn symmetric(&self) -> Mat<f64> {
        let width = self.width();
        let matrix = MatRef::from_row_major_slice(&self.covariance, width, width);
        Mat::from_fn(width, width, |i, j| 0.5 * (matrix[(i, j)] + matrix[(j, i)]))
    }
}
