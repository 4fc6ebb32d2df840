//! How soon methods reach shares of what E²GAN's training improves, and how many of their runs never do.

use denoised_weights::comparison::{ConceptReport, MethodReport};
use serde::Serialize;

use crate::stats::{Estimate, Observed, median_speedup};
use crate::table::ZERO;

/// Shares of the way from E²GAN's quality before training to its best one.
pub(crate) const SHARES: [f64; 5] = [0.5, 0.75, 0.9, 0.98, 1.0];

/// Each of [`SHARES`] for one method.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Improvement {
    pub method: String,
    pub points: Vec<SharePoint>,
}

/// When the runs of a method reached a quality.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SharePoint {
    pub share: f64,
    /// Runs that had it before any training.
    pub at_once: usize,
    /// Runs that reached it by training.
    pub trained: usize,
    /// Runs that ended without it.
    pub never: usize,
    /// E²GAN's own time to it over the method's. A run that ended without it counts for as long as it ran and then drops
    /// out (Kaplan and Meier 1958); none if the median run never reached it.
    pub speedup: Option<Estimate>,
}

/// The improvements of those `methods` that were measured beside E²GAN.
pub(crate) fn improvements(entries: &[ConceptReport], methods: &[String]) -> Vec<Improvement> {
    let measured = |method: &&String| {
        (entries.iter())
            .any(|e| e.methods.contains_key(ZERO) && e.methods.contains_key(method.as_str()))
    };
    (methods.iter().filter(measured))
        .map(|method| Improvement {
            method: method.clone(),
            points: SHARES.map(|share| point(entries, method, share)).into(),
        })
        .collect()
}

fn point(entries: &[ConceptReport], method: &str, share: f64) -> SharePoint {
    let (mut at_once, mut trained, mut never) = (0, 0, 0);
    let mut concepts: Vec<(&str, Vec<Observed>)> = Vec::new();
    for entry in entries {
        let (Some(zero), Some(run)) = (entry.methods.get(ZERO), entry.methods.get(method)) else {
            continue;
        };
        let Some(observed) = relative_time(zero, run, share) else {
            continue;
        };
        match (observed.reached, run.curve.first()) {
            (false, _) => never += 1,
            (true, Some(first)) if target(zero, share).is_some_and(|t| first.quality <= t) => {
                at_once += 1;
            }
            (true, _) => trained += 1,
        }
        match concepts.iter_mut().find(|(name, _)| *name == entry.name) {
            Some((_, runs)) => runs.push(observed),
            None => concepts.push((&entry.name, vec![observed])),
        }
    }
    let concepts: Vec<Vec<Observed>> = concepts.into_iter().map(|(_, runs)| runs).collect();
    SharePoint {
        share,
        at_once,
        trained,
        never,
        speedup: median_speedup(&concepts, 0),
    }
}

/// The quality at a share of E²GAN's improvement; none if its training improves nothing.
fn target(zero: &MethodReport, share: f64) -> Option<f64> {
    let start = zero.quality_at_0()?;
    let best = zero
        .curve
        .iter()
        .map(|p| p.quality)
        .fold(f64::INFINITY, f64::min);
    (best < start).then_some(start - share * (start - best))
}

/// The run's time to the share, over E²GAN's own.
fn relative_time(zero: &MethodReport, run: &MethodReport, share: f64) -> Option<Observed> {
    let target = target(zero, share)?;
    let own = zero.seconds_to(target)?;
    let reached = run.seconds_to(target);
    let seconds = reached.or_else(|| run.curve.last().map(|p| p.seconds))?;
    // At least a millisecond, so that a start that costs nothing is not infinitely fast.
    Some(Observed {
        time: seconds.max(1e-3) / own.max(1e-3),
        reached: reached.is_some(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use denoised_weights::comparison::Measurement;

    fn run(curve: &[(f64, f64)]) -> MethodReport {
        let point = |(&(seconds, quality), epoch)| Measurement {
            epoch: f64::from(epoch),
            seconds,
            quality,
            kid: 0.0,
            l1: 0.0,
            ssim: 0.0,
        };
        MethodReport {
            predict_seconds: 0.0,
            start_norm: None,
            origin: None,
            zoo_distance: None,
            curve: curve.iter().zip(0..).map(point).collect(),
            final_quality: curve.last().unwrap().1,
            seconds_to_zero_final: None,
        }
    }

    #[test]
    fn runs_that_never_arrive_are_neither_left_out_nor_counted_as_equal() {
        // From 100 to 20, and a little back: half the way is 60, all of it 20.
        let zero = run(&[(0.0, 100.0), (4.0, 60.0), (8.0, 20.0), (9.0, 25.0)]);
        let entry = |name: &str, ours: MethodReport| ConceptReport {
            name: name.into(),
            prompt: name.into(),
            seed: 0,
            n_train: 1,
            n_test: 1,
            methods: [("zero".to_owned(), zero.clone()), ("ours".to_owned(), ours)].into(),
        };
        let entries = [
            entry("at once", run(&[(0.5, 20.0), (1.0, 19.0)])),
            entry("trained", run(&[(0.5, 90.0), (2.0, 50.0), (4.0, 20.0)])),
            entry("never", run(&[(0.5, 90.0), (4.0, 61.0)])),
        ];
        let methods = ["zero", "ours", "other"].map(str::to_owned);
        let found = improvements(&entries, &methods);
        let names: Vec<_> = found.iter().map(|row| row.method.as_str()).collect();
        assert_eq!(names, ["zero", "ours"]);
        let counts = |point: &SharePoint| (point.at_once, point.trained, point.never);
        let (half, whole) = (&found[1].points[0], &found[1].points[4]);
        assert_eq!((half.share, counts(half)), (0.5, (1, 1, 1)));
        // Relative times 1/8, 1/2, and more than 1: the median is 1/2.
        assert_eq!(half.speedup.unwrap().value, 2.0);
        assert_eq!((whole.share, counts(whole)), (1.0, (1, 1, 1)));
        // 1/16, 1/2, and a run that was given up at 1/2: it is at risk when the second arrives.
        assert_eq!(whole.speedup.unwrap().value, 2.0);
        assert_eq!(found[0].points[4].speedup.unwrap().value, 1.0);
        assert_eq!(counts(&found[0].points[4]), (0, 3, 0));

        let late = [
            entry("a", run(&[(1.0, 90.0)])),
            entry("b", run(&[(1.0, 95.0)])),
        ];
        let never = &improvements(&late, &methods)[1].points[0];
        assert_eq!((counts(never), never.speedup), ((0, 0, 2), None));
    }
}
