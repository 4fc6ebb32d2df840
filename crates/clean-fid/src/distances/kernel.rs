//! Kernel distance: squared maximum mean discrepancy under a polynomial kernel.

use faer::{Mat, MatRef};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::{Error, FeatureSet};

/// Rows whose kernel values are held at a time.
const BLOCK: usize = 512;

/// Which subsets [`kernel_distance_subsets`] draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subsets {
    /// How many pairs of subsets.
    pub count: usize,
    /// Rows drawn without replacement from each set.
    pub size: usize,
    /// Same seed, same subsets.
    pub seed: u64,
}

impl Default for Subsets {
    /// 100 subsets of 1,000 rows, seed 0: the numbers of the Python `clean-fid`.
    fn default() -> Self {
        Self {
            count: 100,
            size: 1000,
            seed: 0,
        }
    }
}

/// Mean and spread of the kernel distance over subsets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubsetEstimate {
    /// Mean over the subsets.
    pub mean: f64,
    /// Standard deviation over the subsets (over `count`, as `numpy.std`).
    pub std: f64,
}

/// Unbiased estimate of the squared maximum mean discrepancy between two sets under `k(x, y) = (x·y / d + 1)³`.
///
/// This is the estimator of the *Kernel Inception Distance* (Bińkowski et al., 2018, section 4), over the full sets;
/// it has that name on InceptionV3's features only. Since it is unbiased, small sets compare fairly with large
/// ones, and equal distributions give values around 0, some of them negative.
///
/// # Errors
///
/// Returns [`Error::WidthMismatch`] unless both have the same width, and [`Error::TooFewRows`] if a set has fewer than two
/// rows.
pub fn kernel_distance(first: &FeatureSet, second: &FeatureSet) -> Result<f64, Error> {
    first.check_width(second.width())?;
    first.check_rows(2)?;
    second.check_rows(2)?;
    Ok(unbiased_mmd2(
        first.to_mat().as_ref(),
        second.to_mat().as_ref(),
    ))
}

/// [`kernel_distance`] averaged over random subsets of equal size, with its spread.
///
/// # Errors
///
/// Returns [`Error::WidthMismatch`] unless both have the same width, and [`Error::Subsets`] if `count` is 0, or `size` is
/// below 2 or larger than the smaller set.
pub fn kernel_distance_subsets(
    first: &FeatureSet,
    second: &FeatureSet,
    subsets: &Subsets,
) -> Result<SubsetEstimate, Error> {
    first.check_width(second.width())?;
    let Subsets { count, size, seed } = *subsets;
    if count == 0 || size < 2 || size > first.len().min(second.len()) {
        return Err(Error::Subsets {
            count,
            size,
            left: first.len(),
            right: second.len(),
        });
    }
    let (x, y) = (first.to_mat(), second.to_mat());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |rows: &Mat<f64>| {
        let picked = index::sample(&mut rng, rows.nrows(), size).into_vec();
        Mat::from_fn(size, rows.ncols(), |i, j| rows[(picked[i], j)])
    };
    let values: Vec<f64> = (0..count)
        .map(|_| {
            let (x, y) = (draw(&x), draw(&y));
            unbiased_mmd2(x.as_ref(), y.as_ref())
        })
        .collect();
    let mean = values.iter().sum::<f64>() / count as f64;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count as f64;
    Ok(SubsetEstimate {
        mean,
        std: variance.sqrt(),
    })
}

/// `Σ_{i≠j} k(xᵢ,xⱼ) / n(n-1) + Σ_{i≠j} k(yᵢ,yⱼ) / m(m-1) - 2 Σ k(xᵢ,yⱼ) / nm`.
fn unbiased_mmd2(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> f64 {
    let (n, m) = (x.nrows() as f64, y.nrows() as f64);
    kernel_sum(x, x, true) / (n * (n - 1.0)) + kernel_sum(y, y, true) / (m * (m - 1.0))
        - 2.0 * kernel_sum(x, y, false) / (n * m)
}

/// Sum of the kernel over all pairs of rows, or over all but the diagonal.
fn kernel_sum(x: MatRef<'_, f64>, y: MatRef<'_, f64>, skip_diagonal: bool) -> f64 {
    let width = x.ncols() as f64;
    let mut total = 0.0;
    for start in (0..x.nrows()).step_by(BLOCK) {
        let rows = BLOCK.min(x.nrows() - start);
        let gram = x.subrows(start, rows) * y.transpose();
        for j in 0..gram.ncols() {
            for i in 0..rows {
                if !(skip_diagonal && start + i == j) {
                    total += (gram[(i, j)] / width + 1.0).powi(3);
                }
            }
        }
    }
    total
}
