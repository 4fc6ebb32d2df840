//! Bias and activation, added as an output is written.

use crate::activation::activate;

/// Bias and activation of the first `channels` of the output; further channels stay as they are.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) bias: Option<&'a [f32]>,
    pub(super) slope: f32,
    pub(super) channels: usize,
}

impl Finish<'_> {
    /// No bias and no activation.
    pub(super) const NOTHING: Finish<'static> = Finish {
        bias: None,
        slope: 1.0,
        channels: 0,
    };

    /// Bias and slope of a channel.
    pub(super) fn of(&self, channel: usize) -> (f32, f32) {
        if channel >= self.channels {
            return (0.0, 1.0);
        }
        (self.bias.map_or(0.0, |bias| bias[channel]), self.slope)
    }

    /// Writes `values` of `channel`.
    #[inline(always)]
    pub(super) fn write(&self, channel: usize, values: &[f32], to: &mut [f32]) {
        let (bias, slope) = self.of(channel);
        for (to, value) in to.iter_mut().zip(values) {
            *to = activate(value + bias, slope);
        }
    }

    /// Writes `even` and `odd` alternately.
    #[inline(always)]
    pub(super) fn write_pairs(&self, channel: usize, even: &[f32], odd: &[f32], to: &mut [f32]) {
        let (bias, slope) = self.of(channel);
        let mut pairs = to.chunks_exact_mut(2);
        for ((to, even), odd) in pairs.by_ref().zip(even).zip(odd) {
            to[0] = activate(even + bias, slope);
            to[1] = activate(odd + bias, slope);
        }
        if let [to] = pairs.into_remainder()
            && let Some(even) = even.last()
        {
            *to = activate(even + bias, slope);
        }
    }

    /// Writes `values` to every `step`-th place.
    #[inline(always)]
    pub(super) fn write_apart(&self, channel: usize, values: &[f32], step: usize, to: &mut [f32]) {
        let (bias, slope) = self.of(channel);
        for (to, value) in to.iter_mut().step_by(step).zip(values) {
            *to = activate(value + bias, slope);
        }
    }
}
