//! Precision, recall, density and coverage.

use faer::{Mat, MatRef};

use crate::{Error, FeatureSet};

/// Rows whose distances are held at a time.
const BLOCK: usize = 512;

/// How the outputs lie in the manifold of the targets, and the other way round. Each manifold is the union of balls
/// around its points that reach to the `neighbours`-th nearest point of the same set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ManifoldMetrics {
    /// Share of the outputs inside the targets' manifold, 0 to 1: are they realistic? (Kynkäänniemi et al., 2019)
    pub precision: f64,
    /// Share of the targets inside the outputs' manifold, 0 to 1: is everything covered? (Kynkäänniemi et al., 2019)
    pub recall: f64,
    /// How many targets' balls an output lies in, over `neighbours`: precision that one outlier among the targets does
    /// not spoil; may exceed 1. (Naeem et al., 2020)
    pub density: f64,
    /// Share of the targets whose ball holds an output, 0 to 1: recall that outliers among the outputs do not spoil.
    /// (Naeem et al., 2020)
    pub coverage: f64,
}

/// Precision, recall, density and coverage of `outputs` against `targets`, as the Python package `prdc` computes them
/// (`nearest_k` there; Naeem et al. take 5).
///
/// Time grows with `(n + m)² · width`, memory beyond the features with `n + m` only.
///
/// # Errors
///
/// Returns [`Error::WidthMismatch`] unless both have the same width, and [`Error::Neighbours`] if `neighbours` is 0 or a set
/// does not have more rows than that.
pub fn manifold_metrics(
    targets: &FeatureSet,
    outputs: &FeatureSet,
    neighbours: usize,
) -> Result<ManifoldMetrics, Error> {
    targets.check_width(outputs.width())?;
    if neighbours == 0 || neighbours >= targets.len().min(outputs.len()) {
        return Err(Error::Neighbours {
            neighbours,
            left: targets.len(),
            right: outputs.len(),
        });
    }
    let (targets, outputs) = (Points::new(targets), Points::new(outputs));
    let target_reach = targets.reach(neighbours);
    let output_reach = outputs.reach(neighbours);

    let mut hits = vec![0usize; outputs.len()];
    let (mut recalled, mut covered) = (0usize, 0usize);
    targets.each_row_of_distances(&outputs, |target, distances| {
        let mut inside_output = false;
        let mut nearest = f64::INFINITY;
        for (output, distance) in distances.iter().enumerate() {
            hits[output] += usize::from(*distance < target_reach[target]);
            inside_output |= *distance < output_reach[output];
            nearest = nearest.min(*distance);
        }
        recalled += usize::from(inside_output);
        covered += usize::from(nearest < target_reach[target]);
    });
    let (n, m) = (targets.len() as f64, outputs.len() as f64);
    Ok(ManifoldMetrics {
        precision: hits.iter().filter(|count| **count > 0).count() as f64 / m,
        recall: recalled as f64 / n,
        density: hits.iter().sum::<usize>() as f64 / (neighbours as f64 * m),
        coverage: covered as f64 / n,
    })
}

/// Feature vectors and their squared lengths.
struct Points {
    rows: Mat<f64>,
    squares: Vec<f64>,
}

impl Points {
    fn new(set: &FeatureSet) -> Self {
        let rows = set.to_mat();
        let squares = (0..rows.nrows())
            .map(|i| rows.row(i).squared_norm_l2())
            .collect();
        Self { rows, squares }
    }

    fn len(&self) -> usize {
        self.squares.len()
    }

    /// Squared distance of each point to its `neighbours`-th nearest other one.
    fn reach(&self, neighbours: usize) -> Vec<f64> {
        let mut reach = vec![0.0; self.len()];
        self.each_row_of_distances(self, |at, distances| {
            // The nearest is the point itself: exactly 0, without the rounding error.
            distances[at] = 0.0;
            let (_, value, _) = distances.select_nth_unstable_by(neighbours, f64::total_cmp);
            reach[at] = *value;
        });
        reach
    }

    /// Calls `visit` with each row's number and its squared distances to all rows of `other`.
    fn each_row_of_distances(&self, other: &Self, mut visit: impl FnMut(usize, &mut [f64])) {
        let mut distances = vec![0.0; other.len()];
        for start in (0..self.len()).step_by(BLOCK) {
            let count = BLOCK.min(self.len() - start);
            let block: MatRef<'_, f64> = self.rows.as_ref().subrows(start, count);
            // One column for each of our rows, so that a row of distances lies together.
            let products = other.rows.as_ref() * block.transpose();
            for i in 0..count {
                for (j, distance) in distances.iter_mut().enumerate() {
                    let square =
                        self.squares[start + i] + other.squares[j] - 2.0 * products[(j, i)];
                    *distance = square.max(0.0);
                }
                visit(start + i, &mut distances);
            }
        }
    }
}
