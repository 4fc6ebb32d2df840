//! The results, and their summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use denoised_weights::comparison::median;
use denoised_weights_examples::Result;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) device: String,
    pub(crate) quality: String,
    /// Median L2 distance of a zoo adapter to the closest one of another concept.
    pub(crate) zoo_nearest_weights: f64,
    /// The same for their edited photos, as L1 of values in 0..1.
    pub(crate) zoo_nearest_outputs: f64,
    pub(crate) concepts: Vec<ConceptReport>,
    pub(crate) interpolations: Vec<Interpolation>,
}

/// Distances of the predicted adapter: L2 of weights, L1 of edited photos with values in 0..1.
#[derive(Serialize)]
pub(crate) struct ConceptReport {
    pub(crate) concept: String,
    pub(crate) prompt: String,
    /// The zoo concept with the closest weights.
    pub(crate) closest_weights: String,
    pub(crate) weights_to_closest: f64,
    pub(crate) weights_to_mean: f64,
    pub(crate) weights_to_trained: f64,
    /// Distance of the trained adapter to the closest one of the zoo.
    pub(crate) trained_to_closest: f64,
    /// Cosine between (prediction - mean) and (trained - mean).
    pub(crate) cosine_to_trained: f64,
    /// Cosine between (prediction - mean) and (closest - mean).
    pub(crate) cosine_to_closest: f64,
    /// The zoo concept whose edited photos are closest to the prediction's.
    pub(crate) closest_outputs: String,
    pub(crate) outputs_to_closest: f64,
    pub(crate) outputs_to_mean: f64,
    pub(crate) outputs_to_trained: f64,
    pub(crate) outputs_to_target: f64,
    /// The smallest distance of any zoo adapter's edited photos to the targets.
    pub(crate) best_zoo_to_target: f64,
    /// Quality of untrained starts, by name.
    pub(crate) quality: BTreeMap<&'static str, f64>,
}

/// Predictions between two prompts, whose tokens are mixed.
#[derive(Serialize)]
pub(crate) struct Interpolation {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) steps: Vec<InterpolationStep>,
}

#[derive(Serialize)]
pub(crate) struct InterpolationStep {
    pub(crate) share: f64,
    /// L1 of the edited photos to the mixture of the two targets.
    pub(crate) to_mixed_target: f64,
    /// L1 of the mixture of the two ends' edited photos to the same.
    pub(crate) ends_mixed_to_mixed_target: f64,
    pub(crate) to_first_target: f64,
    pub(crate) to_second_target: f64,
}

/// The report as Markdown.
pub(crate) fn summary(report: &Report) -> Result<String> {
    let mut text = format!(
        "Medians over {} held-out concepts.\n\n",
        report.concepts.len()
    );
    write_distances(&mut text, report)?;
    writeln!(
        text,
        "\nCosine of (prediction - mean) with (trained - mean): {:.2}, with (closest - mean): {:.2}.",
        report.middle(|c| c.cosine_to_trained),
        report.middle(|c| c.cosine_to_closest)
    )?;
    writeln!(
        text,
        "Outputs closer to the targets than to any zoo adapter's outputs: {}; closer to the targets than the best zoo adapter is: {}.",
        report.count(|c| c.outputs_to_target < c.outputs_to_closest),
        report.count(|c| c.outputs_to_target < c.best_zoo_to_target)
    )?;
    write_qualities(&mut text, report)?;
    write_interpolations(&mut text, report)?;
    Ok(text)
}

impl Report {
    /// The median over the concepts.
    fn middle(&self, value: impl Fn(&ConceptReport) -> f64) -> f64 {
        median(&mut self.concepts.iter().map(value).collect::<Vec<_>>())
    }

    /// How many of the concepts pass a test.
    fn count(&self, test: impl Fn(&ConceptReport) -> bool) -> String {
        let passed = self.concepts.iter().filter(|c| test(c)).count();
        format!("{passed}/{}", self.concepts.len())
    }
}

fn write_distances(text: &mut String, report: &Report) -> Result<()> {
    type Distance = fn(&ConceptReport) -> f64;
    let rows: [(&str, Option<Distance>, Option<Distance>); 6] = [
        (
            "to the closest zoo adapter",
            Some(|c| c.weights_to_closest),
            Some(|c| c.outputs_to_closest),
        ),
        (
            "to the zoo's mean",
            Some(|c| c.weights_to_mean),
            Some(|c| c.outputs_to_mean),
        ),
        (
            "to the adapter trained from zero",
            Some(|c| c.weights_to_trained),
            Some(|c| c.outputs_to_trained),
        ),
        ("to the targets", None, Some(|c| c.outputs_to_target)),
        (
            "best zoo adapter to the targets",
            None,
            Some(|c| c.best_zoo_to_target),
        ),
        (
            "trained from zero, to the closest zoo adapter",
            Some(|c| c.trained_to_closest),
            None,
        ),
    ];
    writeln!(
        text,
        "| the predicted adapter's distance | weights, L2 | edited photos, L1 |"
    )?;
    writeln!(text, "| --- | ---: | ---: |")?;
    for (name, weights, outputs) in rows {
        let cell = |distance: Option<Distance>, digits: usize| {
            distance.map_or(String::new(), |d| format!("{:.digits$}", report.middle(d)))
        };
        writeln!(
            text,
            "| {name} | {} | {} |",
            cell(weights, 2),
            cell(outputs, 4)
        )?;
    }
    writeln!(
        text,
        "| a zoo adapter to the closest other one | {:.2} | {:.4} |",
        report.zoo_nearest_weights, report.zoo_nearest_outputs
    )?;
    Ok(())
}

fn write_qualities(text: &mut String, report: &Report) -> Result<()> {
    writeln!(text, "\n| untrained start | {} (median) |", report.quality)?;
    writeln!(text, "| --- | ---: |")?;
    for name in [
        "predicted",
        "closest_outputs",
        "closest_weights",
        "wrong_prompt",
        "random_prompt",
        "mean",
        "zero",
        "trained",
    ] {
        let value = report.middle(|c| c.quality.get(name).copied().unwrap_or(f64::NAN));
        writeln!(text, "| {name} | {value:.1} |")?;
    }
    Ok(())
}

fn write_interpolations(text: &mut String, report: &Report) -> Result<()> {
    writeln!(
        text,
        "\n| from → to | share | L1 to the mixed target | ends mixed | to the first | to the second |"
    )?;
    writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for pair in &report.interpolations {
        for step in &pair.steps {
            writeln!(
                text,
                "| {} → {} | {} | {:.4} | {:.4} | {:.4} | {:.4} |",
                pair.from,
                pair.to,
                step.share,
                step.to_mixed_target,
                step.ends_mixed_to_mixed_target,
                step.to_first_target,
                step.to_second_target
            )?;
        }
    }
    Ok(())
}
