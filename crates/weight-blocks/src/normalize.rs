//! Statistics that bring the blocks of all layers to one scale.

use serde::{Deserialize, Serialize};
use tensor_file::digest::Sha256;

use crate::error::LayoutError;
use crate::{Error, Layout, NormalizerFit};

/// Which mean is subtracted and which deviation divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Nothing.
    None,
    /// One mean and one deviation for all weights.
    Global,
    /// A mean and a deviation per kind of layer and role of tensor, for example for the `down` factors of all
    /// convolutions. Fewer statistics than per layer, each of more values.
    PerKind,
    /// A mean and a deviation per tensor of each layer: `down`, `up`, γ and β of one layer differ
    /// in scale by orders of magnitude.
    PerLayer,
    /// A mean per single weight, over the networks, and a deviation per tensor. What remains is how a concept differs from
    /// the average.
    Elementwise,
}

/// Fitted statistics; they apply to the N·b values that [`Layout::encode`] gives. Padding stays 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalizer {
    pub(crate) kind: Normalization,
    /// Length and tensor of each run of the layout.
    pub(crate) runs: Vec<Run>,
    pub(crate) encoded_len: usize,
    /// Per tensor, or per value for [`Normalization::Elementwise`].
    pub(crate) means: Vec<f32>,
    /// Per tensor.
    pub(crate) deviations: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) tensor: usize,
    pub(crate) len: usize,
    /// Zeros between it and the next run (rule 3).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) padding: usize,
}

impl Run {
    /// The runs of `layout`, in order.
    pub(crate) fn all(layout: &Layout) -> impl Iterator<Item = Self> + '_ {
        let segments = layout.segments();
        (segments.iter().enumerate()).map(|(i, s)| Self {
            tensor: s.tensor,
            len: s.len,
            padding: (segments.get(i + 1)).map_or(0, |next| next.at - s.at - s.len),
        })
    }
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl Normalizer {
    /// Computes the statistics of `weights`, each the N·b values of one network.
    ///
    /// # Errors
    /// Returns [`Error::NoWeights`] if there are no networks, and [`Error::BlockCount`] if one has another layout.
    pub fn fit<'a>(
        layout: &Layout,
        kind: Normalization,
        weights: impl IntoIterator<Item = &'a [f32]>,
    ) -> Result<Self, Error> {
        let mut fit = NormalizerFit::new(layout, kind);
        for flat in weights {
            fit.add(flat)?;
        }
        fit.finish()
    }

    /// Which statistics these are.
    pub fn kind(&self) -> Normalization {
        self.kind
    }

    /// Deviations by tensor, in the layout's order.
    pub fn deviations(&self) -> &[f32] {
        &self.deviations
    }

    /// Means by tensor or, for [`Normalization::Elementwise`], by value, in the layout's order.
    pub fn means(&self) -> &[f32] {
        &self.means
    }

    /// SHA-256 (hex) over the statistics and their places: two normalisers with the same digest give the same values.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{:?} {}", self.kind, self.encoded_len));
        for Run {
            tensor,
            len,
            padding,
        } in &self.runs
        {
            hasher.update(format!("\n{tensor} {len} {padding}"));
        }
        for values in [&self.means, &self.deviations] {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            hasher.update_part(bytes);
        }
        hasher.finish_hex()
    }

    /// The same statistics with other means, which [`Normalizer::check`] counts: they may be as many as the weights, and
    /// are then better stored as a tensor than as JSON.
    pub fn with_means(self, means: Vec<f32>) -> Self {
        Self { means, ..self }
    }

    /// `(w − mean) / deviation`, in place.
    ///
    /// # Errors
    /// Returns [`Error::NormalizerMismatch`] for another number of values.
    pub fn normalize(&self, blocks: &mut [f32]) -> Result<(), Error> {
        self.each(blocks, |value, mean, deviation| (value - mean) / deviation)
    }

    /// `w · deviation + mean`, in place; padding becomes 0.
    ///
    /// # Errors
    /// Returns [`Error::NormalizerMismatch`] for another number of values.
    pub fn denormalize(&self, blocks: &mut [f32]) -> Result<(), Error> {
        self.each(blocks, |value, mean, deviation| value * deviation + mean)
    }

    /// Turns a loss's gradient with respect to the weights into its gradient with respect to the normalised weights:
    /// multiplies by the deviation, in place; padding becomes 0.
    ///
    /// # Errors
    /// Returns [`Error::NormalizerMismatch`] for another number of values.
    pub fn scale_gradient(&self, blocks: &mut [f32]) -> Result<(), Error> {
        self.each(blocks, |value, _, deviation| value * deviation)
    }

    /// [`Normalizer::normalize`] for only the values from `at` on among the encoded ones, such as a single block. The
    /// results are the same, bit for bit.
    ///
    /// # Errors
    /// Returns [`Error::NormalizerMismatch`] for values past the end.
    pub fn normalize_part(&self, at: usize, values: &mut [f32]) -> Result<(), Error> {
        let end = at.checked_add(values.len());
        let Some(end) = end.filter(|&end| end <= self.encoded_len) else {
            return Err(self.mismatch(at.saturating_add(values.len())));
        };
        // The start of the current run among the encoded values, and among the values without padding.
        let (mut begin, mut number) = (0usize, 0usize);
        let mut done = at;
        for run in &self.runs {
            if begin >= end {
                break;
            }
            let (from, to) = (begin.max(at), begin.saturating_add(run.len).min(end));
            if from < to {
                values[done - at..from - at].fill(0.0);
                let deviation = self.deviation(run)?;
                for (place, value) in (from..to).zip(&mut values[from - at..to - at]) {
                    let mean = self.mean(run, number.saturating_add(place - begin))?;
                    *value = (*value - mean) / deviation;
                }
                done = to;
            }
            begin = (begin.saturating_add(run.len)).saturating_add(run.padding);
            number = number.saturating_add(run.len);
        }
        values[done - at..].fill(0.0);
        Ok(())
    }

    /// Checks that this normaliser belongs to `layout` and that its statistics can be used, without copying anything.
    /// Another layout will do if its values stand in the same order with the same padding: names do not matter, and nor does
    /// a grouping rule that leaves the order as it is.
    ///
    /// # Errors
    /// Returns [`Error::NormalizerMismatch`] if it belongs to a layout of another size or has statistics missing,
    /// [`Error::NormalizerOrder`] if it belongs to one with another order or padding, and [`Error::Layout`] for a NaN or
    /// infinite mean or a deviation that is not positive.
    pub fn check(&self, layout: &Layout) -> Result<(), Error> {
        let mut end = Some(0usize);
        let mut number = 0usize;
        for run in &self.runs {
            let len = run.len.checked_add(run.padding);
            end = end.zip(len).and_then(|(end, len)| end.checked_add(len));
            self.deviation(run)?;
            number = number.saturating_add(run.len);
            self.mean(run, number.saturating_sub(1))?;
        }
        if self.encoded_len != layout.encoded_len() || end.is_none_or(|end| end > self.encoded_len)
        {
            return Err(Error::NormalizerMismatch {
                expected: self.encoded_len,
                found: layout.encoded_len(),
            });
        }
        if !self.runs.iter().copied().eq(Run::all(layout)) {
            return Err(Error::NormalizerOrder {
                layout: layout.name().to_owned(),
                rule: layout.rule(),
            });
        }
        let good = |d: &f32| d.is_finite() && *d > 0.0;
        if !self.means.iter().all(|mean| mean.is_finite()) || !self.deviations.iter().all(good) {
            return Err(LayoutError::Statistics.into());
        }
        Ok(())
    }

    fn mismatch(&self, found: usize) -> Error {
        Error::NormalizerMismatch {
            expected: self.encoded_len,
            found,
        }
    }

    fn deviation(&self, run: &Run) -> Result<f32, Error> {
        let deviation = self.deviations.get(run.tensor).copied();
        deviation.ok_or_else(|| self.mismatch(run.tensor))
    }

    /// The mean for value `number` (not counting padding), which is in `run`.
    fn mean(&self, run: &Run, number: usize) -> Result<f32, Error> {
        let place = if self.kind == Normalization::Elementwise {
            number
        } else {
            run.tensor
        };
        (self.means.get(place).copied()).ok_or_else(|| self.mismatch(place))
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
            // The fields may come from a damaged file.
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
