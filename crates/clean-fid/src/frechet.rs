//! Fréchet distance between Gaussians fitted to two feature sets.

use faer::Mat;

use crate::{Error, FeatureSet};

/// The fixed side of a Fréchet distance, fitted once and compared with many sets.
///
/// Holds the mean, the trace of the covariance, and a factor `F` with `FᵀF = Σ`: the centred rows over `√(n-1)` while
/// there are no more rows than dimensions, and the triangular factor of their QR decomposition after that.
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
    len: usize,
}

impl FrechetReference {
    /// Fits a Gaussian: mean and unbiased covariance (over `n - 1`, as `numpy.cov`).
    ///
    /// # Errors
    ///
    /// [`Error::TooFewRows`] for fewer than two rows.
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
            len: n,
        })
    }

    /// Squared Fréchet distance `|μ₁-μ₂|² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½)` to another set, at least 0.
    ///
    /// `tr (Σ₁Σ₂)^½` is the sum of the singular values of `F₁F₂ᵀ`. No matrix square root is taken and no covariance
    /// formed, so sets with fewer rows than dimensions need no `ε·I` on the diagonal, and no imaginary part has to be
    /// dropped. Everything is in double precision.
    ///
    /// # Errors
    ///
    /// [`Error::WidthMismatch`], [`Error::TooFewRows`] for fewer than two rows, [`Error::NoConvergence`].
    pub fn distance(&self, set: &FeatureSet) -> Result<f64, Error> {
        set.check_width(self.width())?;
        self.distance_to(&Self::new(set)?)
    }

    /// [`distance`](Self::distance) between two fitted sets.
    ///
    /// # Errors
    ///
    /// [`Error::WidthMismatch`], [`Error::NoConvergence`].
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

    /// Rows that the Gaussian was fitted to, at least 2.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the covariance cannot have full rank (`n ≤ d`). The distance is exact for the sample all the same, but
    /// biased upwards as an estimate for the population: compare values at equal sizes only.
    pub fn is_rank_deficient(&self) -> bool {
        self.len <= self.width()
    }
}

/// Squared Fréchet distance between Gaussians fitted to two sets; symmetric. See [`FrechetReference::distance`].
///
/// # Errors
///
/// [`Error::WidthMismatch`], [`Error::TooFewRows`] if a set has fewer than two rows, [`Error::NoConvergence`].
pub fn frechet_distance(first: &FeatureSet, second: &FeatureSet) -> Result<f64, Error> {
    FrechetReference::new(first)?.distance(second)
}
