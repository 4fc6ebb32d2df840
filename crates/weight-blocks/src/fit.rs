//! Computes normalisation statistics, one network after another.

use std::collections::HashMap;

use crate::normalize::Run;
use crate::{Error, Layout, Normalization, Normalizer};

/// Count, mean, and sum of squared distances to the mean (Welford 1962). Large sums are never subtracted from each
/// other, so values that do not vary have a deviation of exactly 0.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.n += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.n;
        self.squares += distance * (value - self.mean);
    }

    /// Merges two samples (Chan et al. 1979).
    fn join(&mut self, other: Self) {
        let n = self.n + other.n;
        if n > 0.0 {
            let distance = other.mean - self.mean;
            self.mean += distance * other.n / n;
            self.squares += other.squares + distance * distance * self.n * other.n / n;
            self.n = n;
        }
    }

    /// Population deviation; 1 if the values do not vary, so that dividing by it changes nothing.
    fn deviation(self) -> f64 {
        let variance = self.squares / self.n.max(1.0);
        if variance > 1e-16 {
            variance.sqrt()
        } else {
            1.0
        }
    }
}

/// Computes statistics in one pass without keeping weights: networks may come from disk one at a time.
///
/// ```
/// # use weight_blocks::*;
/// # let spec = TensorSpec { name: "a".into(), shape: vec![3], role: TensorRole::NormBias };
/// # let group = LayerGroup { name: "l".into(), kind: LayerKind::Linear, tensors: vec![spec] };
/// # let layout = Layout::new("tiny", vec![group], GroupingRule::Appended, 4)?;
/// let mut fit = NormalizerFit::new(&layout, Normalization::PerLayer);
/// for network in [[1.0, 2.0, 3.0, 0.0], [3.0, 4.0, 5.0, 0.0]] {
///     fit.add(&network)?; // as `Layout::encode` gives them
/// }
/// let normalizer = fit.finish()?;
/// let mut values = [3.0, 3.0, 3.0, 0.0];
/// normalizer.normalize(&mut values)?;
/// assert_eq!(values, [0.0; 4]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NormalizerFit {
    kind: Normalization,
    runs: Vec<Run>,
    /// Number of each tensor's kind, in the order in which kinds occur.
    kinds: Vec<usize>,
    encoded_len: usize,
    blocks: usize,
    block_size: usize,
    /// For [`Normalization::Elementwise`] around each value's own mean, so that only count and squares are used.
    per_tensor: Vec<Moments>,
    /// The means of single values.
    per_value: Vec<f64>,
    networks: usize,
}

impl NormalizerFit {
    /// Statistics of no networks yet.
    pub fn new(layout: &Layout, kind: Normalization) -> Self {
        let mut seen = HashMap::new();
        let kinds: Vec<usize> = (layout.groups().iter())
            .flat_map(|group| group.tensors.iter().map(|t| (group.kind, t.role)))
            .map(|kind| {
                let next = seen.len();
                *seen.entry(kind).or_insert(next)
            })
            .collect();
        Self {
            kind,
            runs: Run::all(layout).collect(),
            encoded_len: layout.encoded_len(),
            blocks: layout.blocks(),
            block_size: layout.block_size(),
            per_tensor: vec![Moments::default(); kinds.len()],
            // A layout from a damaged file may claim any size, so this is allocated with the first network.
            per_value: Vec::new(),
            kinds,
            networks: 0,
        }
    }

    /// Adds the N·b values of one network.
    ///
    /// # Errors
    /// Returns [`Error::BlockCount`] if the network has another layout.
    pub fn add(&mut self, flat: &[f32]) -> Result<(), Error> {
        if flat.len() != self.encoded_len {
            return Err(Error::BlockCount {
                expected: self.encoded_len,
                blocks: self.blocks,
                block_size: self.block_size,
                found: flat.len(),
            });
        }
        if self.kind == Normalization::Elementwise && self.networks == 0 {
            let values = self.runs.iter().map(|run| run.len).sum();
            self.per_value = vec![0.0; values];
        }
        self.networks += 1;
        let (mut at, mut number) = (0, 0);
        for run in &self.runs {
            let values = &flat[at..at + run.len];
            if self.kind == Normalization::Elementwise {
                let pooled = &mut self.per_tensor[run.tensor];
                pooled.n += run.len as f64;
                let means = &mut self.per_value[number..number + run.len];
                for (mean, value) in means.iter_mut().zip(values) {
                    let distance = f64::from(*value) - *mean;
                    *mean += distance / self.networks as f64;
                    pooled.squares += distance * (f64::from(*value) - *mean);
                }
            } else {
                let moments = &mut self.per_tensor[run.tensor];
                for value in values {
                    moments.add(f64::from(*value));
                }
            }
            number += run.len;
            at += run.len + run.padding;
        }
        Ok(())
    }

    /// The normaliser.
    ///
    /// # Errors
    /// Returns [`Error::NoWeights`] if nothing was added.
    pub fn finish(self) -> Result<Normalizer, Error> {
        if self.networks == 0 {
            return Err(Error::NoWeights);
        }
        let tensors = self.per_tensor.len();
        let (means, per_tensor) = match self.kind {
            Normalization::None => (vec![0.0; tensors], vec![Moments::default(); tensors]),
            Normalization::Global => {
                let mut all = Moments::default();
                for m in &self.per_tensor {
                    all.join(*m);
                }
                (vec![all.mean as f32; tensors], vec![all; tensors])
            }
            Normalization::PerKind => {
                let mut pooled = vec![Moments::default(); tensors];
                for (m, &kind) in self.per_tensor.iter().zip(&self.kinds) {
                    pooled[kind].join(*m);
                }
                let all: Vec<Moments> = self.kinds.iter().map(|&kind| pooled[kind]).collect();
                (all.iter().map(|m| m.mean as f32).collect(), all)
            }
            Normalization::PerLayer => {
                let means = self.per_tensor.iter().map(|m| m.mean as f32).collect();
                (means, self.per_tensor)
            }
            Normalization::Elementwise => {
                let means = self.per_value.iter().map(|mean| *mean as f32).collect();
                (means, self.per_tensor)
            }
        };
        Ok(Normalizer {
            kind: self.kind,
            runs: self.runs,
            encoded_len: self.encoded_len,
            means,
            deviations: per_tensor.iter().map(|m| m.deviation() as f32).collect(),
        })
    }
}
