//! What is found, and how it reads.

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
    /// L2 distance of a zoo adapter to the closest other one, median.
    pub(crate) zoo_nearest_weights: f64,
    /// The same between their edited photos, L1 of values in 0..1.
    pub(crate) zoo_nearest_outputs: f64,
    pub(crate) concepts: Vec<ConceptReport>,
    pub(crate) interpolations: Vec<Interpolation>,
}

/// Distances of the predicted adapter: weights in L2, edited photos in L1 of values in 0..1.
#[derive(Serialize)]
pub(crate) struct ConceptReport {
    pub(crate) concept: String,
    pub(crate) prompt: String,
    /// The zoo concept with the closest weights.
    pub(crate) closest_weights: String,
    pub(crate) weights_to_closest: f64,
    pub(crate) weights_to_mean: f64,
    pub(crate) weights_to_trained: f64,
    /// Of the trained adapter itself to the closest of the zoo.
    pub(crate) trained_to_closest: f64,
    /// Between (prediction - mean) and (trained - mean).
    pub(crate) cosine_to_trained: f64,
    /// Between (prediction - mean) and (closest - mean).
    pub(crate) cosine_to_closest: f64,
    /// The zoo concept whose edited photos are closest to the prediction's.
    pub(crate) closest_outputs: String,
    pub(crate) outputs_to_closest: f64,
    pub(crate) outputs_to_mean: f64,
    pub(crate) outputs_to_trained: f64,
    pub(crate) outputs_to_target: f64,
    /// The best that any zoo adapter does: its outputs' distance to the targets.
    pub(crate) best_zoo_to_target: f64,
    /// Quality of untrained starts, by what was asked or taken.
    pub(crate) quality: BTreeMap<&'static str, f64>,
}

/// Between two prompts, their tokens mixed.
#[derive(Serialize)]
pub(crate) struct Interpolation {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) steps: Vec<InterpolationStep>,
}

#[derive(Serialize)]
pub(crate) struct InterpolationStep {
    pub(crate) share: f64,
    /// L1 of the edited photos to the two targets mixed alike.
    pub(crate) to_mixed_target: f64,
    /// L1 of the two ends' edited photos, mixed alike, to the same.
    pub(crate) ends_mixed_to_mixed_target: f64,
    pub(crate) to_first_target: f64,
    pub(crate) to_second_target: f64,
}

/// The report as Markdown.
pub(crate) fn summary(report: &Report) -> Result<String> {
    let mut text = String::new();
    let middle = |pick: &dyn Fn(&ConceptReport) -> f64| {
        median(&mut report.concepts.iter().map(pick).collect::<Vec<_>>())
    };
    let count = |test: &dyn Fn(&ConceptReport) -> bool| {
        format!(
            "{}/{}",
            report.concepts.iter().filter(|c| test(c)).count(),
            report.concepts.len()
        )
    };
    writeln!(
        text,
        "Medians over {} held-out concepts.\n",
        report.concepts.len()
    )?;
    writeln!(
        text,
        "| the predicted adapter's distance | weights, L2 | edited photos, L1 |"
    )?;
    writeln!(text, "| --- | ---: | ---: |")?;
    let row = |text: &mut String, name: &str, weights: Option<f64>, outputs: Option<f64>| {
        let cell = |value: Option<f64>, digits: usize| {
            value.map_or(String::new(), |v| format!("{v:.digits$}"))
        };
        writeln!(
            text,
            "| {name} | {} | {} |",
            cell(weights, 2),
            cell(outputs, 4)
        )
    };
    row(
        &mut text,
        "to the closest zoo adapter",
        Some(middle(&|c| c.weights_to_closest)),
        Some(middle(&|c| c.outputs_to_closest)),
    )?;
    row(
        &mut text,
        "to the zoo's mean",
        Some(middle(&|c| c.weights_to_mean)),
        Some(middle(&|c| c.outputs_to_mean)),
    )?;
    row(
        &mut text,
        "to the adapter trained from zero",
        Some(middle(&|c| c.weights_to_trained)),
        Some(middle(&|c| c.outputs_to_trained)),
    )?;
    row(
        &mut text,
        "to the targets",
        None,
        Some(middle(&|c| c.outputs_to_target)),
    )?;
    row(
        &mut text,
        "best zoo adapter to the targets",
        None,
        Some(middle(&|c| c.best_zoo_to_target)),
    )?;
    row(
        &mut text,
        "trained from zero, to the closest zoo adapter",
        Some(middle(&|c| c.trained_to_closest)),
        None,
    )?;
    row(
        &mut text,
        "a zoo adapter to the closest other one",
        Some(report.zoo_nearest_weights),
        Some(report.zoo_nearest_outputs),
    )?;
    writeln!(
        text,
        "\nCosine of (prediction - mean) with (trained - mean): {:.2}, with (closest - mean): {:.2}.",
        middle(&|c| c.cosine_to_trained),
        middle(&|c| c.cosine_to_closest)
    )?;
    writeln!(
        text,
        "Outputs closer to the targets than to any zoo adapter's outputs: {}; closer to the targets than the best zoo adapter is: {}.",
        count(&|c| c.outputs_to_target < c.outputs_to_closest),
        count(&|c| c.outputs_to_target < c.best_zoo_to_target)
    )?;
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
        let value = middle(&|c| c.quality.get(name).copied().unwrap_or(f64::NAN));
        writeln!(text, "| {name} | {value:.1} |")?;
    }
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
    Ok(text)
}
