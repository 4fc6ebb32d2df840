//! Fréchet distance between Gaussians fitted to two feature sets.

use faer::{Mat, Side};

use crate::{Error, FeatureSet, FeatureStatistics};

/// The fixed side of a Fréchet distance, fitted once and compared with many sets.
///
/// Holds the mean, the trace of the covariance, and a factor `F` with `FᵀF = Σ`. From a set that is the centred rows
/// over `√(n-1)` while there are no more rows than dimensions, and the triangular factor of their QR decomposition after
/// that; from statistics it is the square root of the covariance's eigenvalues times its eigenvectors.
///
/// ```
/// use clean_fid::{FeatureSet, FrechetReference};
///
/// # fn main() -> Result<(), clean_fid::Error> {
/// let target = FeatureSet::from_rows(vec![0.0, 0.0, 2.0, 0.0, 1.0, 1.0], 2)?;
/// let moved = FeatureSet::from_rows(vec![3.0, 0.0, 5.0, 0.0, 4.0, 1.0], 2)?;
/// let reference = FrechetReference::new(&target)?;
/// assert!((reference.distance(&moved)? - 9.0).abs() < 1e-12); // same spread, means 3 apart: 3²
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FrechetReference {
    mean: Vec<f64>,
    trace: f64,
    factor: Mat<f64>,
    len: Option<usize>,
}

/// Largest size of a negative eigenvalue, as a share of the largest one. Statistics that were stored in 32-bit floats have
/// negative ones of about 1e-7.
const NEGATIVE: f64 = 1e-5;

impl FrechetReference {
    /// Fits a Gaussian: mean and unbiased covariance (over `n - 1`, as `numpy.cov`).
    ///
    /// # Errors
    ///
    /// Returns [`Error::TooFewRows`] for fewer than two rows.
    pub fn new(set: &FeatureSet) -> Result<Self, Error> {
        set.check_rows(2)?;
        let rows = set.to_mat();
        let (n, d) = (rows.nrows(), rows.ncols());
        let scale = 1.0 / ((n - 1) as f64).sqrt();
        let mean: Vec<f64> = (0..d)
            .map(|j| (0..n).map(|i| rows[(i, j)]).sum::<f64>() / n as f64)
            .collect();
        let rows = Mat::from_fn(n, d, |i, j| (rows[(i, j)] - mean[j]) * scale);
        let trace = rows.squared_norm_l2();
        let factor = if n > d {
            let qr = rows.qr();
            let r = qr.thin_R();
            Mat::from_fn(d, d, |i, j| if i <= j { r[(i, j)] } else { 0.0 })
        } else {
            rows
        };
        Ok(Self {
            mean,
            trace,
            factor,
            len: Some(n),
        })
    }

    /// From mean and covariance, by a symmetric eigendecomposition.
    ///
    /// Of a singular covariance only the eigenvalues above rounding error are kept: the `n - 1` largest if the number of
    /// images is known, otherwise those above `d·ε` of the largest (the bound of `numpy.linalg.matrix_rank`).
    ///
    /// # Errors
    ///
    /// Returns [`Error::NegativeEigenvalue`] if an eigenvalue is negative beyond rounding, and [`Error::NoConvergence`] if the
    /// decomposition fails.
    pub fn from_statistics(statistics: &FeatureStatistics) -> Result<Self, Error> {
        let width = statistics.width();
        let covariance = statistics.symmetric();
        let trace = (0..width).map(|i| covariance[(i, i)]).sum();
        let eigen =
            covariance
                .self_adjoint_eigen(Side::Lower)
                .map_err(|_| Error::NoConvergence {
                    rows: width,
                    columns: width,
                })?;
        // In rising order.
        let (values, vectors) = (eigen.S().column_vector(), eigen.U());
        let largest = values[width - 1];
        if values[0] < -NEGATIVE * largest.abs() {
            return Err(Error::NegativeEigenvalue { value: values[0] });
        }
        let (most, least) = match statistics.images() {
            Some(images) => (width.min(images.saturating_sub(1)), 0.0),
            None => (width, largest * width as f64 * f64::EPSILON),
        };
        let kept: Vec<usize> = (width - most..width)
            .filter(|at| values[*at] > least)
            .collect();
        let factor = Mat::from_fn(kept.len(), width, |i, j| {
            values[kept[i]].sqrt() * vectors[(j, kept[i])]
        });
        Ok(Self {
            mean: statistics.mean().to_vec(),
            trace,
            factor,
            len: statistics.images(),
        })
    }

    /// Squared Fréchet distance `|μ₁-μ₂|² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½)` to another set, at least 0.
    ///
    /// `tr (Σ₁Σ₂)^½` is the sum of the singular values of `F₁F₂ᵀ`. No matrix square root is taken and no covariance
    /// formed, so sets with fewer rows than dimensions need no `ε·I` on the diagonal, and there is no imaginary part to
    /// drop. Everything is in double precision.
    ///
    /// # Errors
    ///
    /// Returns [`Error::WidthMismatch`] unless both have the same width, [`Error::TooFewRows`] for fewer than two rows, and
    /// [`Error::NoConvergence`] if a decomposition fails.
    pub fn distance(&self, set: &FeatureSet) -> Result<f64, Error> {
        set.check_width(self.width())?;
        self.distance_to(&Self::new(set)?)
    }

    /// [`distance`](Self::distance) between two fitted sets.
    ///
    /// # Errors
    ///
    /// Returns [`Error::WidthMismatch`] unless both have the same width, and [`Error::NoConvergence`] if a decomposition
    /// fails.
    pub fn distance_to(&self, other: &Self) -> Result<f64, Error> {
        if self.width() != other.width() {
            return Err(Error::WidthMismatch {
                left: self.width(),
                right: other.width(),
            });
        }
        let means: f64 = self
            .mean
            .iter()
            .zip(&other.mean)
            .map(|(a, b)| (a - b) * (a - b))
            .sum();
        if self.factor.nrows() == 0 || other.factor.nrows() == 0 {
            // A covariance of zero: all images of one set are equal.
            return Ok(means + self.trace + other.trace);
        }
        let product = &self.factor * other.factor.transpose();
        let singular = product
            .singular_values()
            .map_err(|_| Error::NoConvergence {
                rows: product.nrows(),
                columns: product.ncols(),
            })?;
        let overlap: f64 = singular.iter().sum();
        Ok((means + self.trace + other.trace - 2.0 * overlap).max(0.0))
    }

    /// Entries of a feature vector.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Rows that the Gaussian was fitted to, at least 2, if it is known: statistics from a file do not record it.
    pub fn images(&self) -> Option<usize> {
        self.len
    }

    /// Whether the covariance is rank-deficient, as it is for `n ≤ d`. The distance is still exact for the sample, but
    /// biased upwards as an estimate for the population: compare only values of sets of the same size.
    pub fn is_rank_deficient(&self) -> bool {
        self.factor.nrows() < self.width() || self.len.is_some_and(|n| n <= self.width())
    }
}

/// Squared Fréchet distance between Gaussians fitted to two sets; symmetric. See [`FrechetReference::distance`].
///
/// # Errors
///
/// Returns [`Error::WidthMismatch`] unless both have the same width, [`Error::TooFewRows`] if a set has fewer than two rows,
/// and [`Error::NoConvergence`] if a decomposition fails.
pub fn frechet_distance(first: &FeatureSet, second: &FeatureSet) -> Result<f64, Error> {
    FrechetReference::new(first)?.distance(second)
}

/// [`frechet_distance`] between statistics.
///
/// # Errors
///
/// Returns [`Error::WidthMismatch`] unless both have the same width, and the errors of
/// [`FrechetReference::from_statistics`].
pub fn frechet_distance_of(
    first: &FeatureStatistics,
    second: &FeatureStatistics,
) -> Result<f64, Error> {
    if first.width() != second.width() {
        return Err(Error::WidthMismatch {
            left: first.width(),
            right: second.width(),
        });
    }
    FrechetReference::from_statistics(first)?
        .distance_to(&FrechetReference::from_statistics(second)?)
}
