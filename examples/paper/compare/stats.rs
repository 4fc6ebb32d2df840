//! Means, medians and their confidence intervals.

use denoised_weights::comparison::median;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Number of bootstrap samples.
const RESAMPLES: usize = 4000;

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// The mean over concepts of each concept's mean.
pub(crate) fn mean_of_means(concepts: &[Vec<f64>], seed: u64) -> Option<Estimate> {
    bootstrap(concepts, seed, |drawn| {
        let means = drawn.iter().map(|values| mean(values));
        means.sum::<f64>() / drawn.len() as f64
    })
}

/// The median over all values of all concepts.
pub(crate) fn median_of_all(concepts: &[Vec<f64>], seed: u64) -> Option<Estimate> {
    bootstrap(concepts, seed, |drawn| {
        median(
            &mut drawn
                .iter()
                .flat_map(|values| values.iter().copied())
                .collect::<Vec<_>>(),
        )
    })
}

/// A time, and whether it ended because the target was reached or because nobody waited longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Observed {
    pub time: f64,
    pub reached: bool,
}

/// One over the median of relative times (Kaplan and Meier 1958), over all runs of all concepts; none if the median is
/// never reached. An end of the interval is 0 if there it is never reached.
pub(crate) fn median_speedup(concepts: &[Vec<Observed>], seed: u64) -> Option<Estimate> {
    let speedup = bootstrap(concepts, seed, |drawn| {
        let all: Vec<Observed> = drawn.iter().flat_map(|runs| runs.iter().copied()).collect();
        kaplan_meier_median(all).map_or(0.0, f64::recip)
    });
    speedup.filter(|estimate| estimate.value > 0.0)
}

/// The time by which half have reached the target, if runs that ended without it are as likely to reach it later as those
/// that went on.
fn kaplan_meier_median(mut runs: Vec<Observed>) -> Option<f64> {
    // At equal times, those that were given up were still waiting.
    runs.sort_by(|a, b| a.time.total_cmp(&b.time).then(b.reached.cmp(&a.reached)));
    let mut waiting = 1.0;
    let count = runs.len();
    for (index, run) in runs.into_iter().enumerate() {
        if run.reached {
            waiting *= 1.0 - 1.0 / (count - index) as f64;
        }
        if waiting <= 0.5 + 1e-12 {
            return Some(run.time);
        }
    }
    None
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Percentile bootstrap over concepts (Efron 1979): whole concepts are drawn, because the seeds of one concept are not
/// independent. None if there is no value.
fn bootstrap<T>(
    concepts: &[Vec<T>],
    seed: u64,
    statistic: impl Fn(&[&[T]]) -> f64,
) -> Option<Estimate> {
    let concepts: Vec<&[T]> = (concepts.iter().map(Vec::as_slice))
        .filter(|values| !values.is_empty())
        .collect();
    if concepts.is_empty() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = concepts.clone();
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for slot in &mut drawn {
                *slot = concepts[rng.random_range(0..concepts.len())];
            }
            statistic(&drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some(Estimate {
        value: statistic(&concepts),
        low: at(0.025),
        high: at(0.975),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::distr::{Distribution, StandardUniform};

    #[test]
    fn seeds_of_a_concept_are_averaged_before_concepts_are() {
        let estimate = mean_of_means(&[vec![1.0, 3.0], vec![10.0], vec![]], 0).unwrap();
        assert_eq!(estimate.value, 6.0);
        assert_eq!((estimate.low, estimate.high), (2.0, 10.0));
        assert_eq!(mean_of_means(&[vec![]], 0), None);
        assert_eq!(
            median_of_all(&[vec![1.0, 3.0], vec![10.0]], 0)
                .unwrap()
                .value,
            3.0
        );
    }

    #[test]
    fn the_median_waits_for_runs_that_were_given_up() {
        let runs = |runs: &[(f64, bool)]| {
            let observed = runs
                .iter()
                .map(|&(time, reached)| Observed { time, reached });
            kaplan_meier_median(observed.collect())
        };
        // The textbook's product: 6 at risk at 6, of whom 3 arrive and one is given up; then 2 are at risk at 10.
        let textbook = [
            (6., true),
            (6., true),
            (6., true),
            (6., false),
            (10., true),
            (11., false),
        ];
        assert_eq!(runs(&textbook), Some(6.0));
        assert_eq!(
            runs(&[(1., true), (2., false), (3., true), (4., true)]),
            Some(3.0)
        );
        assert_eq!(runs(&[(1., true), (2., false), (3., false)]), None);
        assert_eq!(runs(&[]), None);
        let concepts = [
            vec![Observed {
                time: 0.25,
                reached: true,
            }],
            vec![],
        ];
        assert_eq!(median_speedup(&concepts, 0).unwrap().value, 4.0);
        assert_eq!(median_speedup(&[], 0), None);
    }

    /// The interval of a mean of 200 uniform numbers: ± 1.96 / √(12 · 200).
    #[test]
    fn the_interval_is_as_wide_as_the_normal_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let values: Vec<Vec<f64>> = (0..200)
            .map(|_| vec![StandardUniform.sample(&mut rng)])
            .collect();
        let estimate = mean_of_means(&values, 1).unwrap();
        let width = 2.0 * 1.96 / (12.0f64 * 200.0).sqrt();
        assert!(
            (estimate.high - estimate.low - width).abs() < 0.12 * width,
            "{estimate:?}"
        );
        assert!(estimate.low < estimate.value && estimate.value < estimate.high);
    }
}
