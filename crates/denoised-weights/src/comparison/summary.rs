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
    /// 0. `None` if nothing was trained.
    pub median_speedup_over_zero: Option<f64>,
    /// Concepts whose denoised start reached the zero start's final quality, of those for which both were trained.
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
    /// unless both were trained.
    pub fn speedup(&self) -> Option<f64> {
        let zero = self.trained("zero")?.curve.last()?.seconds;
        let reached = self.trained("denoised")?.seconds_to_zero_final;
        Some(reached.map_or(0.0, |seconds| zero / seconds.max(1e-9)))
    }

    /// Whether the denoised start reached the zero start's final quality.
    fn reached_zero_final(&self) -> Option<bool> {
        self.trained("zero")?;
        let reached = self.trained("denoised")?.seconds_to_zero_final;
        Some(reached.is_some())
    }

    /// A method that was measured past its start.
    fn trained(&self, name: &str) -> Option<&MethodReport> {
        let trained = |method: &&MethodReport| method.curve.last().is_some_and(|p| p.epoch > 0.0);
        self.methods.get(name).filter(trained)
    }
}

impl Summary {
    fn of(concepts: &[ConceptReport]) -> Self {
        let count = |rival: &str| Count::of(concepts.iter().filter_map(|c| c.beats(rival)));
        let mut speedups: Vec<f64> = concepts.iter().filter_map(ConceptReport::speedup).collect();
        let reached = concepts
            .iter()
            .filter_map(ConceptReport::reached_zero_final);
        Self {
            denoised_beats_zero_at_0: count("zero"),
            denoised_beats_nearest_at_0: count("nearest"),
            denoised_beats_mean_at_0: count("mean"),
            denoised_beats_wrong_prompt_at_0: count("wrong_prompt"),
            median_speedup_over_zero: (!speedups.is_empty()).then(|| median(&mut speedups)),
            reached_zero_final: Count::of(reached),
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

    fn concept(methods: &[(&str, &[f64])]) -> ConceptReport {
        let methods = (methods.iter()).map(|(name, curve)| ((*name).into(), method(curve)));
        let mut concept = ConceptReport {
            name: "a".into(),
            prompt: "a".into(),
            seed: 0,
            n_train: 1,
            n_test: 1,
            methods: methods.collect(),
        };
        concept.resolve_targets();
        concept
    }

    #[test]
    fn speedup_counts_from_the_start_of_prediction() {
        let concept = concept(&[
            ("zero", &[9.0, 6.0, 5.0]),
            ("denoised", &[4.0, 3.0, 2.0]),
            ("nearest", &[8.0, 7.0, 6.0]),
        ]);
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

    #[test]
    fn a_quality_never_reached_is_a_speedup_of_zero_and_untrained_methods_do_not_count() {
        let never = concept(&[("zero", &[9.0, 5.0]), ("denoised", &[8.0, 6.0])]);
        assert_eq!(never.speedup(), Some(0.0));
        let untrained: [&[(&str, &[f64])]; 4] = [
            &[("zero", &[9.0, 5.0])],
            &[("denoised", &[8.0, 6.0])],
            &[("zero", &[9.0]), ("denoised", &[8.0])],
            &[("zero", &[9.0, 5.0]), ("denoised", &[8.0])],
        ];
        let mut concepts: Vec<_> = untrained.iter().map(|methods| concept(methods)).collect();
        assert!(concepts.iter().all(|concept| concept.speedup().is_none()));
        concepts.push(never);
        let summary = Summary::of(&concepts);
        assert_eq!(summary.reached_zero_final, Count { count: 0, of: 1 });
        assert_eq!(summary.median_speedup_over_zero, Some(0.0));
    }
}
