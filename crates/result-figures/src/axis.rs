//! Axes with round numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

/// A linear axis with numbers at its ticks and no lines between them.
pub(crate) struct Axis {
    linear: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis over `range`; with `log`, of exponents of ten.
    pub(crate) fn new(range: Range<f64>, log: bool) -> Self {
        Self {
            ticks: ticks(&range, log),
            linear: range.into(),
        }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.linear.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        self.linear.range()
    }
}

/// The positions of an axis' numbers; on a logarithmic axis, 1, 2 and 5 times the powers of ten.
fn ticks(range: &Range<f64>, log: bool) -> Vec<f64> {
    if !log {
        let axis: RangedCoordf64 = range.clone().into();
        return axis.key_points(9);
    }
    let powers = range.start.floor() as i32..=range.end.ceil() as i32;
    let steps: &[f64] = if range.end - range.start > 2.5 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let decade = |power: i32| (steps.iter()).map(move |step| f64::from(power) + step.log10());
    let ticks = powers.flat_map(decade);
    ticks.filter(|tick| range.contains(tick)).collect()
}

/// The number at a position of an axis; on a logarithmic axis, ten to its power.
pub(crate) fn label(value: f64, log: bool) -> String {
    let value = if log { 10f64.powf(value) } else { value };
    match value.abs() {
        size if size >= 100.0 || (size >= 1.0 && value.fract().abs() < 1e-6) => {
            format!("{value:.0}")
        }
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    }
}

/// From the lowest to the highest value with a margin of 2 %, never empty.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return 0.0..1.0;
    }
    let margin = (high - low).max(1e-6) * 0.02;
    low - margin..high + margin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        let log = ticks(&(-2.1..1.2), true);
        assert_eq!(
            log.iter().map(|t| label(*t, true)).collect::<Vec<_>>(),
            ["0.01", "0.1", "1", "10"]
        );
        let labels: Vec<_> = ticks(&(0.0..100.0), false)
            .iter()
            .map(|t| label(*t, false))
            .collect();
        assert!(
            labels.contains(&"50".to_owned()) || labels.contains(&"40".to_owned()),
            "{labels:?}"
        );
    }
}
