//! `report.json`, version 3 (docs/architecture.md): several concepts, and counts over them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::MethodReport;
use crate::pairs::ConceptPairs;

/// A comparison of several concepts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComparisonReport {
    /// [`ComparisonReport::VERSION`].
    pub version: u32,
    /// The run's seed.
    pub seed: u64,
    /// Name of the device that computed.
    pub device: String,
    /// Name of the metric that decides; lower is better.
    pub quality: String,
    /// One entry per concept and seed.
    pub concepts: Vec<ConceptReport>,
    /// Counts over all entries.
    pub summary: Summary,
}

/// The methods of one concept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConceptReport {
    /// Name in the list, or of the folder.
    pub name: String,
    /// Its text.
    pub prompt: String,
    /// Seed of its training and predictions.
    pub seed: u64,
    /// Training pairs.
    pub n_train: usize,
    /// Test pairs.
    pub n_test: usize,
    /// By method: zero, random, mean, nearest, denoised, wrong_prompt, pix2pix, comod; `denoised:NAME` for other weight
    /// generators.
    pub methods: BTreeMap<String, MethodReport>,
}

/// Of how many concepts something is true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Those of which it is true.
    pub count: usize,
    /// Those of which it can be told.
    pub of: usize,
}

impl Count {
    fn of(answers: impl Iterator<Item = bool>) -> Self {
        answers.fold(Self::default(), |Self { count, of }, answer| Self {
            count: count + usize::from(answer),
            of: of + 1,
        })
    }
}

/// `12/24`.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.of)
    }
}

/// Counts and medians over the concepts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Concepts whose denoised start is better than the zero start before any training.
    pub denoised_beats_zero_at_0: Count,
    /// The same against the nearest zoo concept.
    pub denoised_beats_nearest_at_0: Count,
    /// The same against the zoo's mean.
    pub denoised_beats_mean_at_0: Count,
    /// The same against the generator asked with another concept's prompt.
    pub denoised_beats_wrong_prompt_at_0: Count,
    /// Median of the zero start's total time over the time to its final quality; a concept that never reached it counts as
    /// 1. `None` if nothing was trained.
    pub median_speedup_over_zero: Option<f64>,
    /// Concepts that reached the zero start's final quality.
    pub reached_zero_final: Count,
}

impl ComparisonReport {
    /// Version of the JSON format.
    pub const VERSION: u32 = 3;

    /// A report without concepts.
    pub fn new(seed: u64, device: &str, quality: &str) -> Self {
        Self {
            version: Self::VERSION,
            seed,
            device: device.to_owned(),
            quality: quality.to_owned(),
            concepts: Vec::new(),
            summary: Summary::default(),
        }
    }

    /// Adds a concept and updates the summary.
    pub fn add(&mut self, concept: ConceptReport) {
        self.concepts.push(concept);
        self.summary = Summary::of(&self.concepts);
    }
}

impl ConceptReport {
    /// The methods of the concept that `pairs` belong to, with [`MethodReport::seconds_to_zero_final`] filled in.
    pub fn new(pairs: &ConceptPairs, seed: u64, methods: BTreeMap<String, MethodReport>) -> Self {
        let mut report = Self {
            name: pairs.name.clone(),
            prompt: pairs.prompt.clone(),
            seed,
            n_train: pairs.train.len(),
            n_test: pairs.test.len(),
            methods,
        };
        report.resolve_targets();
        report
    }

    /// Fills in [`MethodReport::seconds_to_zero_final`] of every method.
    pub fn resolve_targets(&mut self) {
        let Some(target) = self.methods.get("zero").map(|m| m.final_quality) else {
            return;
        };
        for method in self.methods.values_mut() {
            method.seconds_to_zero_final = method.seconds_to(target);
        }
    }

    fn beats(&self, rival: &str) -> Option<bool> {
        let at_0 = |name: &str| self.methods.get(name)?.quality_at_0();
        Some(at_0("denoised")? < at_0(rival)?)
    }

    /// The zero start's total time over the denoised start's time to the same quality; 0 if that was never reached. `None`
    /// without training.
    pub fn speedup(&self) -> Option<f64> {
        let end = self.methods.get("zero")?.curve.last()?;
        let zero = (end.epoch > 0.0).then_some(end.seconds)?;
        let denoised = self.methods.get("denoised")?;
        Some(match denoised.seconds_to_zero_final {
            Some(seconds) => zero / seconds.max(1e-9),
            None => 0.0,
        })
    }
}

impl Summary {
    fn of(concepts: &[ConceptReport]) -> Self {
        let count = |rival: &str| Count::of(concepts.iter().filter_map(|c| c.beats(rival)));
        let mut speedups: Vec<f64> = concepts.iter().filter_map(ConceptReport::speedup).collect();
        let reached = |concept: &ConceptReport| {
            let denoised = concept.methods.get("denoised");
            denoised.is_some_and(|method| method.seconds_to_zero_final.is_some())
        };
        Self {
            denoised_beats_zero_at_0: count("zero"),
            denoised_beats_nearest_at_0: count("nearest"),
            denoised_beats_mean_at_0: count("mean"),
            denoised_beats_wrong_prompt_at_0: count("wrong_prompt"),
            median_speedup_over_zero: (!speedups.is_empty()).then(|| median(&mut speedups)),
            reached_zero_final: Count::of(concepts.iter().map(reached)),
        }
    }
}

/// The median of `values`, which are sorted for it; NaN if there are none.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => values[n / 2],
        _ => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Measurement;

    fn method(qualities: &[f64]) -> MethodReport {
        let curve = qualities
            .iter()
            .enumerate()
            .map(|(epoch, &quality)| Measurement {
                epoch: epoch as f64,
                seconds: epoch as f64 + 0.5,
                quality,
                kid: 0.0,
                l1: 0.0,
                ssim: 0.0,
            })
            .collect();
        MethodReport {
            predict_seconds: 0.5,
            start_norm: Some(1.0),
            origin: None,
            zoo_distance: None,
            curve,
            final_quality: *qualities.last().unwrap_or(&0.0),
            seconds_to_zero_final: None,
        }
    }

    #[test]
    fn speedup_counts_from_the_start_of_prediction_and_never_is_one() {
        let mut concept = ConceptReport {
            name: "a".into(),
            prompt: "a".into(),
            seed: 0,
            n_train: 1,
            n_test: 1,
            methods: BTreeMap::from([
                ("zero".into(), method(&[9.0, 6.0, 5.0])),
                ("denoised".into(), method(&[4.0, 3.0, 2.0])),
                ("nearest".into(), method(&[8.0, 7.0, 6.0])),
            ]),
        };
        concept.resolve_targets();
        assert_eq!(concept.speedup(), Some(5.0));
        assert_eq!(concept.methods["nearest"].seconds_to_zero_final, None);
        let summary = Summary::of(&[concept]);
        let one = Count { count: 1, of: 1 };
        assert_eq!(summary.denoised_beats_zero_at_0, one);
        assert_eq!(summary.denoised_beats_mean_at_0, Count::default());
        assert_eq!(summary.reached_zero_final, one);
        assert_eq!(one.to_string(), "1/1");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["reached_zero_final"]["of"], 1);
    }
}
