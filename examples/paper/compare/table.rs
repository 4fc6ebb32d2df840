//! The comparison's figures, from the runs of all concepts and seeds.

use std::collections::BTreeMap;

use denoised_weights::comparison::MethodReport;
use denoised_weights::comparison::{ConceptReport, median};
use serde::Serialize;

use crate::stats::{Estimate, mean, mean_of_means, median_of_all};

/// The reference: E²GAN's start.
pub(crate) const ZERO: &str = "zero";
/// The network from scratch that the paper compares with.
pub(crate) const PIX2PIX: &str = "pix2pix";

/// One method over all concepts and seeds. Estimates of qualities are means over concepts (of the mean over
/// seeds), those of speed-ups medians over all runs; intervals are 95 % bootstraps over concepts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub method: String,
    pub concepts: usize,
    pub runs: usize,
    /// Epochs of its training.
    pub epochs: f64,
    /// Mean seconds of making the starting weights.
    pub predict_seconds: f64,
    /// Mean seconds of training.
    pub train_seconds: f64,
    /// Before any training.
    pub quality_at_0: Option<Estimate>,
    pub final_quality: Option<Estimate>,
    pub final_kid: Option<Estimate>,
    pub final_l1: Option<Estimate>,
    pub final_ssim: Option<Estimate>,
    /// Runs that reached E²GAN's final quality.
    pub reached_zero_final: usize,
    /// Median seconds to reach it, prediction included; none if fewer than half reached it.
    pub seconds_to_zero_final: Option<f64>,
    /// E²GAN's whole run over the time to its final quality; a run that never reached it counts as 0. E²GAN's own value is
    /// above 1, because its curve is noisy and passes its final quality before its end.
    pub speedup_over_zero: Option<Estimate>,
    /// The same with the first moment at which E²GAN itself has its final quality in place of its whole run: its own value is 1.
    pub speedup_over_zero_first: Option<Estimate>,
    /// pix2pix's time to E²GAN's final quality, or its whole run if it never reaches it, over this method's time.
    pub speedup_over_pix2pix: Option<Estimate>,
    /// Concepts whose mean final quality is at least as good as E²GAN's.
    pub concepts_at_least_zero: usize,
    /// Difference of the final quality to E²GAN's; negative is better.
    pub final_minus_zero: Option<Estimate>,
}

/// The rows of those `methods` that were measured.
pub(crate) fn rows(entries: &[ConceptReport], methods: &[String]) -> Vec<Row> {
    (methods.iter())
        .filter_map(|method| row(entries, method))
        .collect()
}

/// Values of the runs by concept.
fn by_concept(
    entries: &[ConceptReport],
    mut value: impl FnMut(&ConceptReport) -> Option<f64>,
) -> Vec<Vec<f64>> {
    let mut concepts: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for entry in entries {
        let slot = concepts.entry(&entry.name).or_default();
        slot.extend(value(entry).filter(|v| v.is_finite()));
    }
    concepts.into_values().collect()
}

fn row(entries: &[ConceptReport], method: &str) -> Option<Row> {
    let of = |entry: &ConceptReport| entry.methods.get(method).cloned();
    let runs: Vec<MethodReport> = entries.iter().filter_map(of).collect();
    let first = runs.first()?;
    let last = |entry: &ConceptReport| of(entry)?.curve.last().copied();
    let means = |value: &dyn Fn(&ConceptReport) -> Option<f64>| {
        mean_of_means(&by_concept(entries, value), 0)
    };
    let speedup = |reference: &dyn Fn(&ConceptReport) -> Option<f64>| {
        let ratios = by_concept(entries, |entry| speedup(entry, method, reference(entry)?));
        median_of_all(&ratios, 0)
    };
    let mut times: Vec<f64> = (entries.iter())
        .filter_map(|entry| seconds_to_zero_final(entry, method))
        .collect();
    let reached = times.len();
    let finals = by_concept(entries, |e| Some(of(e)?.final_quality));
    let zeros = by_concept(entries, |e| {
        of(e)?;
        Some(e.methods.get(ZERO)?.final_quality)
    });
    let pairs = || {
        finals
            .iter()
            .zip(&zeros)
            .filter(|(a, b)| !a.is_empty() && !b.is_empty())
    };
    let differences: Vec<Vec<f64>> = pairs().map(|(a, b)| vec![mean(a) - mean(b)]).collect();
    Some(Row {
        method: method.to_owned(),
        concepts: finals.iter().filter(|values| !values.is_empty()).count(),
        runs: runs.len(),
        epochs: first.curve.last().map_or(0.0, |p| p.epoch),
        predict_seconds: mean(&runs.iter().map(|r| r.predict_seconds).collect::<Vec<_>>()),
        train_seconds: mean(&runs.iter().map(train_seconds).collect::<Vec<_>>()),
        quality_at_0: means(&|e| of(e)?.quality_at_0()),
        final_quality: mean_of_means(&finals, 0),
        final_kid: means(&|e| Some(last(e)?.kid)),
        final_l1: means(&|e| Some(last(e)?.l1)),
        final_ssim: means(&|e| Some(last(e)?.ssim)),
        reached_zero_final: reached,
        seconds_to_zero_final: (2 * reached >= runs.len() && reached > 0)
            .then(|| median(&mut times)),
        speedup_over_zero: speedup(&|e| Some(e.methods.get(ZERO)?.curve.last()?.seconds)),
        speedup_over_zero_first: speedup(&|e| seconds_to_zero_final(e, ZERO)),
        speedup_over_pix2pix: speedup(&|e| {
            let end = e.methods.get(PIX2PIX)?.curve.last()?.seconds;
            Some(seconds_to_zero_final(e, PIX2PIX).unwrap_or(end))
        }),
        concepts_at_least_zero: pairs().filter(|(a, b)| mean(a) <= mean(b)).count(),
        final_minus_zero: mean_of_means(&differences, 0),
    })
}

fn train_seconds(run: &MethodReport) -> f64 {
    run.curve.last().map_or(0.0, |p| p.seconds) - run.predict_seconds
}

/// When a method reached E²GAN's final quality in the same run.
fn seconds_to_zero_final(entry: &ConceptReport, method: &str) -> Option<f64> {
    let target = entry.methods.get(ZERO)?.final_quality;
    entry.methods.get(method)?.seconds_to(target)
}

/// `reference` seconds over the method's own to E²GAN's final quality; 0 if it never reached it.
fn speedup(entry: &ConceptReport, method: &str, reference: f64) -> Option<f64> {
    entry.methods.get(ZERO)?;
    entry.methods.get(method)?;
    Some(ratio_of(reference, seconds_to_zero_final(entry, method)))
}

/// How many times faster; 0 if the method never reached the target.
fn ratio_of(reference: f64, own: Option<f64>) -> f64 {
    // At least a millisecond, so that a start that costs nothing is not infinitely fast.
    own.map_or(0.0, |seconds| reference / seconds.max(1e-3))
}

/// How much faster than E²GAN, by the time that E²GAN is given.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Budget {
    pub method: String,
    pub points: Vec<BudgetPoint>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BudgetPoint {
    /// E²GAN's epochs.
    pub epoch: f64,
    /// Mean of its seconds to the best quality that it had by then.
    pub zero_seconds: f64,
    /// These seconds over the method's to the same quality, median over the runs; a run that never reached it counts as 0.
    pub speedup: Option<Estimate>,
    /// Runs of the method that reached it.
    pub reached: usize,
}

pub(crate) fn budgets(entries: &[ConceptReport], methods: &[String]) -> Vec<Budget> {
    let epochs: Vec<f64> = (entries.iter())
        .find_map(|e| e.methods.get(ZERO))
        .map(|zero| {
            zero.curve
                .iter()
                .map(|p| p.epoch)
                .filter(|e| *e >= 1.0)
                .collect()
        })
        .unwrap_or_default();
    (methods.iter())
        .filter(|method| *method != ZERO && entries.iter().any(|e| e.methods.contains_key(*method)))
        .map(|method| Budget {
            method: method.clone(),
            points: epochs
                .iter()
                .map(|&epoch| budget(entries, method, epoch))
                .collect(),
        })
        .collect()
}

fn budget(entries: &[ConceptReport], method: &str, epoch: f64) -> BudgetPoint {
    let (mut seconds, mut reached) = (Vec::new(), 0);
    let mut ratio = |entry: &ConceptReport| {
        let (zero, method) = (entry.methods.get(ZERO)?, entry.methods.get(method)?);
        let until = zero.curve.iter().filter(|p| p.epoch <= epoch);
        let best = until.min_by(|a, b| a.quality.total_cmp(&b.quality))?;
        let own = method.seconds_to(best.quality);
        seconds.push(best.seconds);
        reached += usize::from(own.is_some());
        Some(ratio_of(best.seconds, own))
    };
    let speedup = median_of_all(&by_concept(entries, &mut ratio), 0);
    BudgetPoint {
        epoch,
        zero_seconds: mean(&seconds),
        speedup,
        reached,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use denoised_weights::comparison::Measurement;

    fn run(predict: f64, curve: &[(f64, f64, f64)]) -> MethodReport {
        let point = |&(epoch, seconds, quality): &(f64, f64, f64)| Measurement {
            epoch,
            seconds,
            quality,
            kid: 0.0,
            l1: 0.0,
            ssim: 0.0,
        };
        MethodReport {
            predict_seconds: predict,
            start_norm: None,
            origin: None,
            zoo_distance: None,
            curve: curve.iter().map(point).collect(),
            final_quality: curve.last().unwrap().2,
            seconds_to_zero_final: None,
        }
    }

    fn entry(name: &str, seed: u64, methods: &[(&str, MethodReport)]) -> ConceptReport {
        ConceptReport {
            name: name.into(),
            prompt: name.into(),
            seed,
            n_train: 1,
            n_test: 1,
            methods: methods
                .iter()
                .map(|(n, m)| ((*n).to_owned(), m.clone()))
                .collect(),
        }
    }

    fn entries() -> Vec<ConceptReport> {
        // E²GAN ends at 50 after 10 s, and had 48 after 5 s.
        let zero = run(
            0.0,
            &[(0.0, 0.0, 100.0), (1.0, 5.0, 48.0), (2.0, 10.0, 50.0)],
        );
        let ours = run(0.5, &[(0.0, 0.5, 60.0), (1.0, 2.0, 49.0)]);
        let slow = run(0.5, &[(0.0, 0.5, 90.0), (1.0, 2.0, 70.0)]);
        let pix2pix = run(0.0, &[(0.0, 0.0, 200.0), (1.0, 30.0, 80.0)]);
        vec![
            entry(
                "a",
                0,
                &[
                    ("zero", zero.clone()),
                    ("denoised", ours.clone()),
                    ("pix2pix", pix2pix.clone()),
                ],
            ),
            entry("a", 1, &[("zero", zero.clone()), ("denoised", ours)]),
            entry(
                "b",
                0,
                &[("zero", zero), ("denoised", slow), ("pix2pix", pix2pix)],
            ),
        ]
    }

    #[test]
    fn times_count_from_the_start_of_prediction_and_never_is_zero() {
        let methods = ["zero", "denoised", "mean", "pix2pix"].map(str::to_owned);
        let rows = rows(&entries(), &methods);
        let names: Vec<_> = rows.iter().map(|r| r.method.as_str()).collect();
        assert_eq!(names, ["zero", "denoised", "pix2pix"]);
        let ours = &rows[1];
        assert_eq!(
            (ours.concepts, ours.runs, ours.reached_zero_final),
            (2, 3, 2)
        );
        assert_eq!(ours.seconds_to_zero_final, Some(2.0));
        // 10 / 2, 10 / 2 and 0.
        assert_eq!(ours.speedup_over_zero.unwrap().value, 5.0);
        // E²GAN has its final quality after 5 s already.
        assert_eq!(ours.speedup_over_zero_first.unwrap().value, 2.5);
        // pix2pix never reaches it: its 30 s over 2 s, and 0.
        assert_eq!(ours.speedup_over_pix2pix.unwrap().value, 7.5);
        // Concept means 49 and 70.
        assert_eq!(ours.final_quality.unwrap().value, 59.5);
        assert_eq!(ours.final_minus_zero.unwrap().value, 9.5);
        assert_eq!(ours.concepts_at_least_zero, 1);
        assert_eq!((ours.predict_seconds, ours.train_seconds), (0.5, 1.5));
        assert_eq!(rows[2].reached_zero_final, 0);
        assert_eq!(rows[2].seconds_to_zero_final, None);
        assert_eq!(rows[0].speedup_over_zero.unwrap().value, 2.0);
        assert_eq!(rows[0].speedup_over_zero_first.unwrap().value, 1.0);
    }

    #[test]
    fn budgets_ask_for_the_best_that_zero_had_by_then() {
        let budgets = budgets(&entries(), &["zero", "denoised"].map(str::to_owned));
        assert_eq!(budgets.len(), 1);
        let points = &budgets[0].points;
        assert_eq!((points[0].epoch, points[0].zero_seconds), (1.0, 5.0));
        // No run reaches 48, which E²GAN has after 5 s and not again.
        for point in points {
            let speedup = point.speedup.unwrap().value;
            assert_eq!((point.zero_seconds, point.reached, speedup), (5.0, 0, 0.0));
        }
    }
}
