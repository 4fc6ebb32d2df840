//! What the adapters of the zoo do to photos.

use burn::tensor::Tensor;
use denoised_weights::comparison::median;
use denoised_weights_examples::Result;
use weight_blocks::{NamedTensors, Zoo};

use crate::bench::Bench;

/// Concepts, weights and edited photos of all checkpoints of the zoo.
pub(crate) struct ZooOutputs {
    pub names: Vec<String>,
    pub weights: Vec<NamedTensors>,
    pub outputs: Vec<Tensor<4>>,
}

/// The zoo's mean adapter and its edited photos.
pub(crate) struct Mean {
    pub weights: NamedTensors,
    pub outputs: Tensor<4>,
}

impl ZooOutputs {
    /// Edits the compared photos with every checkpoint.
    pub(crate) fn of(zoo: &Zoo, bench: &Bench<'_>) -> Result<Self> {
        let mut stored = Self {
            names: Vec::new(),
            weights: Vec::new(),
            outputs: Vec::new(),
        };
        for entry in zoo.entries() {
            let weights = zoo.load(entry)?;
            let tokens = bench.predictor.encoder().tokens(&entry.prompt)?;
            stored.outputs.push(bench.outputs(&tokens, &weights)?);
            stored.weights.push(weights);
            stored.names.push(entry.concept.clone());
        }
        if stored.names.is_empty() {
            return Err("the zoo is empty; collect some concepts first".into());
        }
        Ok(stored)
    }

    /// The index of the closest checkpoint, and its distance.
    pub(crate) fn closest(&self, distance: impl Fn(usize) -> f64) -> (usize, f64) {
        (0..self.names.len())
            .map(|i| (i, distance(i)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((0, f64::NAN))
    }

    /// The median distance of a checkpoint to the closest one of another concept.
    pub(crate) fn nearest(&self, distance: impl Fn(usize, usize) -> f64) -> f64 {
        let count = self.names.len();
        let mut nearest: Vec<f64> = vec![f64::INFINITY; count];
        for i in 0..count {
            // Checkpoints of the same concept do not count.
            for j in (0..i).filter(|&j| self.names[j] != self.names[i]) {
                let apart = distance(i, j);
                nearest[i] = nearest[i].min(apart);
                nearest[j] = nearest[j].min(apart);
            }
        }
        median(&mut nearest)
    }
}

/// Mean absolute difference of images in -1..1, scaled to values in 0..1.
pub(crate) fn apart(a: &Tensor<4>, b: &Tensor<4>) -> f64 {
    let difference = (a.clone() - b.clone()).abs().mean().into_scalar::<f32>();
    f64::from(difference) / 2.0
}
