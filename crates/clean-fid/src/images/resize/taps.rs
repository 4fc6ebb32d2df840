//! Which source pixels a target pixel is made of, on one axis.

use std::ops::Range;

/// For each target position a run of source positions and their weights.
pub(super) struct Taps {
    pub(super) runs: Vec<Run>,
    weights: Vec<f64>,
}

/// Source positions `start..start + count`; weights begin at `offset`.
pub(super) struct Run {
    pub(super) start: usize,
    count: usize,
    offset: usize,
}

/// PIL's bicubic reaches two pixels to either side before it is widened.
const SUPPORT: f64 = 2.0;

impl Taps {
    /// PIL's `precompute_coeffs` (`src/libImaging/Resample.c`) with its bicubic filter.
    pub(super) fn bicubic(input: usize, output: usize) -> Self {
        Self::bicubic_part(input, output, 0..output)
    }

    /// [`bicubic`](Self::bicubic) for some of the target positions only.
    pub(super) fn bicubic_part(input: usize, output: usize, part: Range<usize>) -> Self {
        let scale = input as f64 / output as f64;
        let widening = scale.max(1.0);
        let support = SUPPORT * widening;
        Self::build(part, |at, push| {
            let center = (at as f64 + 0.5) * scale;
            // Half is added and the fraction dropped, as in C; below 0 both end at 0.
            let start = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            for position in start..end {
                let x = (position as f64 - center + 0.5) / widening;
                push(keys(-0.5, x));
            }
            start
        })
    }

    /// Pixel centres on pixel centres: `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`. In
    /// 32-bit floats like torch's, whose rounding of positions is visible in large images.
    pub(super) fn bilinear_centred(input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        Self::bilinear(input, output, |at| {
            (scale * (at as f32 + 0.5) - 0.5).max(0.0)
        })
    }

    /// Pixel corners on pixel corners: `tf.compat.v1.image.resize_bilinear`.
    pub(super) fn bilinear_corner(input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        Self::bilinear(input, output, |at| at as f32 * scale)
    }

    /// `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)`: Keys' filter with a = -0.75, never widened;
    /// positions beyond the border are the border's.
    pub(super) fn bicubic_centred(input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        let last = input as isize - 1;
        Self::build(0..output, |at, push| {
            let source = scale * (at as f32 + 0.5) - 0.5;
            let before = source.floor();
            let part = f64::from(source - before);
            let before = before as isize;
            let inside = |tap: isize| (before + tap).clamp(0, last);
            for position in inside(-1)..=inside(2) {
                let own = (-1..=2).filter(|tap| inside(*tap) == position);
                push(own.map(|tap| keys(-0.75, part - tap as f64)).sum());
            }
            inside(-1) as usize
        })
    }

    fn bilinear(input: usize, output: usize, source: impl Fn(usize) -> f32) -> Self {
        Self::build(0..output, |at, push| {
            let source = source(at);
            let start = (source as usize).min(input - 1);
            let part = source - start as f32;
            if start + 1 < input {
                push(f64::from(1.0 - part));
                push(f64::from(part));
            } else {
                push(1.0);
            }
            start
        })
    }

    /// `run` pushes the weights of a target position and gives their first source position.
    fn build(part: Range<usize>, run: impl Fn(usize, &mut dyn FnMut(f64)) -> usize) -> Self {
        let mut weights = Vec::new();
        let runs = part
            .map(|at| {
                let offset = weights.len();
                let start = run(at, &mut |weight| weights.push(weight));
                let own = &mut weights[offset..];
                let sum: f64 = own.iter().sum();
                if sum != 0.0 {
                    own.iter_mut().for_each(|weight| *weight /= sum);
                }
                Run {
                    start,
                    count: own.len(),
                    offset,
                }
            })
            .collect();
        Self { runs, weights }
    }

    pub(super) fn weights(&self, run: &Run) -> &[f64] {
        &self.weights[run.offset..run.offset + run.count]
    }
}

/// Keys' cubic convolution.
fn keys(a: f64, x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sizes_change_nothing() {
        for taps in [
            Taps::bicubic(9, 9),
            Taps::bicubic_centred(9, 9),
            Taps::bilinear_centred(9, 9),
            Taps::bilinear_corner(9, 9),
        ] {
            for (at, run) in taps.runs.iter().enumerate() {
                for (i, weight) in taps.weights(run).iter().enumerate() {
                    let expected = if run.start + i == at { 1.0 } else { 0.0 };
                    assert_eq!(*weight, expected, "{at}, {i}");
                }
            }
        }
    }

    /// A bicubic of half the size reaches 4 source pixels to either side.
    #[test]
    fn shrinking_widens_the_filter() {
        let taps = Taps::bicubic(40, 20);
        assert_eq!(taps.runs[10].start, 17);
        assert_eq!(taps.weights(&taps.runs[10]).len(), 8);
    }
}
