//! Statistics that bring the blocks of all layers to one scale.

use serde::{Deserialize, Serialize};

use crate::{Error, Layout};

/// What is subtracted and divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Nothing.
    None,
    /// One mean and one deviation for all weights.
    Global,
    /// A mean and a deviation per tensor of each layer: `down`, `up`, γ and β of one layer differ
    /// in scale by orders of magnitude.
    PerLayer,
    /// The collection's mean of each single weight, and a deviation per tensor. What is left is how
    /// a concept differs from the average one.
    Elementwise,
}

/// Fitted statistics; they apply to the N·b values that [`Layout::encode`] gives. Padding stays 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalizer {
    kind: Normalization,
    /// Length and tensor of each run of the layout.
    runs: Vec<Run>,
    encoded_len: usize,
    /// Per tensor, or per value for [`Normalization::Elementwise`].
    means: Vec<f32>,
    /// Per tensor.
    deviations: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    tensor: usize,
    len: usize,
    /// Zeros between it and the next run (rule 3).
    #[serde(default, skip_serializing_if = "is_zero")]
    padding: usize,
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// Count, mean, and sum of squared distances to the mean (Welford): no difference of large sums, so
/// that values which do not vary have a deviation of exactly 0.
#[derive(Clone, Copy, Default)]
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

    /// Both samples as one (Chan et al.).
    fn join(&mut self, other: Self) {
        let n = self.n + other.n;
        if n > 0.0 {
            let distance = other.mean - self.mean;
            self.mean += distance * other.n / n;
            self.squares += other.squares + distance * distance * self.n * other.n / n;
            self.n = n;
        }
    }

    /// Population deviation; 1 where the values do not vary, so that dividing changes nothing.
    fn deviation(self) -> f64 {
        let variance = self.squares / self.n.max(1.0);
        if variance > 1e-16 {
            variance.sqrt()
        } else {
            1.0
        }
    }
}

impl Normalizer {
    /// Takes the statistics of `weights`, each the N·b values of one network.
    ///
    /// # Errors
    /// [`Error::NoWeights`] for an empty collection, [`Error::BlockCount`] for one of another layout.
    pub fn fit<'a>(
        layout: &Layout,
        kind: Normalization,
        weights: impl IntoIterator<Item = &'a [f32]>,
    ) -> Result<Self, Error> {
        let segments = layout.segments();
        let runs: Vec<Run> = (segments.iter().enumerate())
            .map(|(i, s)| Run {
                tensor: s.tensor,
                len: s.len,
                padding: (segments.get(i + 1)).map_or(0, |next| next.at - s.at - s.len),
            })
            .collect();
        let tensors = layout.tensors().count();
        let elementwise = kind == Normalization::Elementwise;
        let mut per_tensor = vec![Moments::default(); tensors];
        let mut per_value = vec![Moments::default(); if elementwise { layout.values() } else { 0 }];
        let mut count = 0usize;
        for flat in weights {
            layout.check_len(flat.len())?;
            count += 1;
            let (mut at, mut number) = (0, 0);
            for run in &runs {
                for value in &flat[at..at + run.len] {
                    if elementwise {
                        per_value[number].add(f64::from(*value));
                    } else {
                        per_tensor[run.tensor].add(f64::from(*value));
                    }
                    number += 1;
                }
                at += run.len + run.padding;
            }
        }
        if count == 0 {
            return Err(Error::NoWeights);
        }
        let means = match kind {
            Normalization::None => {
                per_tensor = vec![Moments::default(); tensors];
                vec![0.0; tensors]
            }
            Normalization::Global => {
                let mut all = Moments::default();
                for m in &per_tensor {
                    all.join(*m);
                }
                per_tensor = vec![all; tensors];
                vec![all.mean as f32; tensors]
            }
            Normalization::PerLayer => per_tensor.iter().map(|m| m.mean as f32).collect(),
            Normalization::Elementwise => {
                // The deviation around each value's own mean, pooled over the tensor.
                let mut at = 0;
                for run in &runs {
                    let pooled = &mut per_tensor[run.tensor];
                    for m in &per_value[at..at + run.len] {
                        pooled.n += m.n;
                        pooled.squares += m.squares;
                    }
                    at += run.len;
                }
                per_value.iter().map(|m| m.mean as f32).collect()
            }
        };
        let deviations = per_tensor.iter().map(|m| m.deviation() as f32).collect();
        Ok(Self {
            kind,
            runs,
            encoded_len: layout.encoded_len(),
            means,
            deviations,
        })
    }

    /// Which statistics these are.
    pub fn kind(&self) -> Normalization {
        self.kind
    }

    /// Deviations by tensor, in the layout's order.
    pub fn deviations(&self) -> &[f32] {
        &self.deviations
    }

    /// `(w − mean) / deviation`, in place.
    ///
    /// # Errors
    /// [`Error::NormalizerMismatch`] for another number of values.
    pub fn normalize(&self, blocks: &mut [f32]) -> Result<(), Error> {
        self.each(blocks, |value, mean, deviation| (value - mean) / deviation)
    }

    /// `w · deviation + mean`, in place; padding becomes 0.
    ///
    /// # Errors
    /// [`Error::NormalizerMismatch`] for another number of values.
    pub fn denormalize(&self, blocks: &mut [f32]) -> Result<(), Error> {
        self.each(blocks, |value, mean, deviation| value * deviation + mean)
    }

    /// A loss's gradient by the weights to its gradient by the normalised weights: times the
    /// deviation, in place; padding becomes 0.
    ///
    /// # Errors
    /// [`Error::NormalizerMismatch`] for another number of values.
    pub fn scale_gradient(&self, blocks: &mut [f32]) -> Result<(), Error> {
        self.each(blocks, |value, _, deviation| value * deviation)
    }

    fn each(&self, blocks: &mut [f32], f: impl Fn(f32, f32, f32) -> f32) -> Result<(), Error> {
        let mismatch = |expected, found| Err(Error::NormalizerMismatch { expected, found });
        if blocks.len() != self.encoded_len {
            return mismatch(self.encoded_len, blocks.len());
        }
        let elementwise = self.kind == Normalization::Elementwise;
        let mut rest = blocks;
        let mut means = self.means.as_slice();
        for run in &self.runs {
            // The fields may come from a file, so nothing is taken for granted.
            let (Some((values, after)), Some(&deviation)) = (
                std::mem::take(&mut rest).split_at_mut_checked(run.len),
                self.deviations.get(run.tensor),
            ) else {
                return mismatch(self.encoded_len, run.len);
            };
            if elementwise {
                let Some((own, others)) = means.split_at_checked(run.len) else {
                    return mismatch(self.means.len(), run.len);
                };
                for (value, mean) in values.iter_mut().zip(own) {
                    *value = f(*value, *mean, deviation);
                }
                means = others;
            } else {
                let Some(&mean) = self.means.get(run.tensor) else {
                    return mismatch(self.means.len(), run.tensor);
                };
                for value in values {
                    *value = f(*value, mean, deviation);
                }
            }
            let Some((padding, after)) = after.split_at_mut_checked(run.padding) else {
                return mismatch(self.encoded_len, run.padding);
            };
            padding.fill(0.0);
            rest = after;
        }
        rest.fill(0.0);
        Ok(())
    }
}
