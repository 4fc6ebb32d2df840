//! Factors of different trainings, brought near to each other.

use std::collections::BTreeMap;

use faer::{Mat, MatRef};
use weight_blocks::{LayerGroup, NamedTensors, TensorRole};

use super::LoraFilesError;

/// Chooses, among the factors with the same product, those that are nearest to a reference's.
///
/// A layer's update B·A is also (B·M)·(M⁻¹·A) for any invertible M, so the factors of two trainings differ even if their
/// updates are equal. Both factors are first given the same singular values, the square roots of the product's, which leaves
/// a rotation; that is the one with the least squared distance to the reference (orthogonal Procrustes, Schönemann 1966).
pub(super) struct Alignment<'a> {
    groups: &'a [LayerGroup],
    reference: BTreeMap<&'a str, Factors>,
}

/// The factors of a layer as matrices, `up` `[out, r]` and `down` `[r, in]`.
#[derive(Debug, Clone)]
struct Factors {
    up: Mat<f64>,
    down: Mat<f64>,
}

impl<'a> Alignment<'a> {
    /// The factors of the layers `groups` are brought near to those of `reference`.
    pub(super) fn new(
        groups: &'a [LayerGroup],
        reference: &NamedTensors,
    ) -> Result<Self, LoraFilesError> {
        let mut balanced = BTreeMap::new();
        for group in groups {
            if let Some(factors) = Factors::read(group, reference) {
                let factors = factors.balanced().ok_or_else(|| failed(group))?;
                balanced.insert(group.name.as_str(), factors);
            }
        }
        Ok(Self {
            groups,
            reference: balanced,
        })
    }

    /// Replaces the factors of each layer.
    pub(super) fn apply(&self, weights: &mut NamedTensors) -> Result<(), LoraFilesError> {
        for group in self.groups {
            let Some(reference) = self.reference.get(group.name.as_str()) else {
                continue;
            };
            let Some(factors) = Factors::read(group, weights) else {
                continue;
            };
            let aligned = factors.balanced().and_then(|f| f.rotated_to(reference));
            aligned.ok_or_else(|| failed(group))?.write(group, weights);
        }
        Ok(())
    }
}

fn failed(group: &LayerGroup) -> LoraFilesError {
    LoraFilesError::Align {
        layer: group.name.clone(),
    }
}

impl Factors {
    /// The factors of a layer; none if its up factor is more than a matrix (a kernel larger than 1).
    fn read(group: &LayerGroup, weights: &NamedTensors) -> Option<Self> {
        let tensor = |role| {
            let spec = group.tensors.iter().find(|spec| spec.role == role)?;
            weights.get(&spec.name)
        };
        let (down, up) = (tensor(TensorRole::Down)?, tensor(TensorRole::Up)?);
        let rank = *down.shape.first()?;
        let (rows, columns) = (*up.shape.first()?, down.data.len() / rank.max(1));
        if up.data.len() != rows * rank {
            return None;
        }
        Some(Self {
            up: Mat::from_fn(rows, rank, |i, k| f64::from(up.data[i * rank + k])),
            down: Mat::from_fn(rank, columns, |k, j| f64::from(down.data[k * columns + j])),
        })
    }

    fn write(&self, group: &LayerGroup, weights: &mut NamedTensors) {
        for spec in &group.tensors {
            let factor = match spec.role {
                TensorRole::Up => &self.up,
                _ => &self.down,
            };
            if let Some(tensor) = weights.get_mut(&spec.name) {
                let columns = factor.ncols();
                for (i, value) in tensor.data.iter_mut().enumerate() {
                    *value = factor[(i / columns, i % columns)] as f32;
                }
            }
        }
    }

    /// The factors U·√S and √S·Vᵀ of the product's singular value decomposition. It is that of an r×r matrix between the
    /// orthogonal parts of both factors.
    fn balanced(&self) -> Option<Self> {
        let (up, down) = (
            orthogonal(self.up.as_ref()),
            orthogonal(self.down.transpose()),
        );
        let core = up.1 * down.1.transpose();
        let svd = core.svd().ok()?;
        let roots = svd.S().column_vector();
        let (rank, known) = (self.up.ncols(), roots.nrows());
        // A rank above the layer's width leaves rows and columns of zeros.
        let scaled = |basis: Mat<f64>, side: MatRef<'_, f64>| {
            let product = basis * side;
            Mat::from_fn(product.nrows(), rank, |i, k| match k < known {
                true => product[(i, k)] * roots[k].sqrt(),
                false => 0.0,
            })
        };
        Some(Self {
            up: scaled(up.0, svd.U()),
            down: scaled(down.0, svd.V()).transpose().to_owned(),
        })
    }

    /// The factors B·R and Rᵀ·A for the rotation R that brings them nearest to `reference`.
    fn rotated_to(&self, reference: &Self) -> Option<Self> {
        let both = self.up.transpose() * &reference.up + &self.down * reference.down.transpose();
        let svd = both.svd().ok()?;
        let rotation = svd.U() * svd.V().transpose();
        Some(Self {
            up: &self.up * &rotation,
            down: rotation.transpose() * &self.down,
        })
    }
}

/// Q with orthonormal columns, and R, of which the product is `matrix`.
fn orthogonal(matrix: MatRef<'_, f64>) -> (Mat<f64>, Mat<f64>) {
    let qr = matrix.qr();
    (qr.compute_thin_Q(), qr.thin_R().to_owned())
}

#[cfg(test)]
mod tests {
    use faer::linalg::solvers::Solve;
    use weight_blocks::{HostTensor, LayerKind, TensorSpec};

    use super::*;

    fn group(out: usize, rank: usize, inputs: usize) -> LayerGroup {
        let spec = |name: &str, shape: [usize; 2], role| TensorSpec {
            name: name.to_owned(),
            shape: shape.to_vec(),
            role,
        };
        LayerGroup {
            name: "fc".to_owned(),
            kind: LayerKind::Linear,
            tensors: vec![
                spec("down", [rank, inputs], TensorRole::Down),
                spec("up", [out, rank], TensorRole::Up),
            ],
        }
    }

    /// Values without any order.
    fn factors(out: usize, rank: usize, inputs: usize, seed: usize) -> Factors {
        let value = |i: usize, j: usize| ((1 + i * 31 + j * 17 + seed * 101) as f64 * 0.37).sin();
        Factors {
            up: Mat::from_fn(out, rank, |i, k| 3.0 * value(i, k)),
            down: Mat::from_fn(rank, inputs, |k, j| 0.1 * value(k, j + 100)),
        }
    }

    fn distance(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
        (a - b).norm_l2()
    }

    #[test]
    fn aligning_keeps_the_product_and_finds_the_same_factors_again() {
        for (out, rank, inputs) in [(6, 2, 5), (3, 4, 9), (5, 4, 3)] {
            let reference = factors(out, rank, inputs, 0).balanced().unwrap();
            let product = &reference.up * &reference.down;
            // The same update from other factors.
            let mixing = Mat::from_fn(rank, rank, |i, j| {
                f64::from(i == j) + 0.4 * ((i * 5 + j) as f64).cos()
            });
            let mixed = Factors {
                up: &reference.up * &mixing,
                down: mixing.partial_piv_lu().solve(&reference.down),
            };
            let found = mixed.balanced().unwrap().rotated_to(&reference).unwrap();
            assert!(distance(&(&found.up * &found.down), &product) < 1e-9);
            assert!(
                distance(&found.up, &reference.up) < 1e-6,
                "{out} {rank} {inputs}"
            );
            // Another update stays what it is.
            let other = factors(out, rank, inputs, 1);
            let found = other.balanced().unwrap().rotated_to(&reference).unwrap();
            assert!(distance(&(&found.up * &found.down), &(&other.up * &other.down)) < 1e-9);
        }
    }

    #[test]
    fn factors_are_read_and_written_in_rows() {
        let group = group(2, 1, 3);
        let tensor =
            |shape: [usize; 2], data: Vec<f32>| HostTensor::new(shape.to_vec(), data).unwrap();
        let mut weights = NamedTensors::from([
            ("down".to_owned(), tensor([1, 3], vec![1.0, 2.0, 3.0])),
            ("up".to_owned(), tensor([2, 1], vec![4.0, 5.0])),
        ]);
        let before = weights.clone();
        let read = Factors::read(&group, &weights).unwrap();
        assert_eq!((read.up[(1, 0)], read.down[(0, 2)]), (5.0, 3.0));
        read.write(&group, &mut weights);
        assert_eq!(weights, before);
    }
}
