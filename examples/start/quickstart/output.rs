//! What is printed and drawn.

use std::path::Path;

use denoised_weights::comparison::{ComparisonReport, ConceptReport};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{METHODS, Result};
use result_figures::{Chart, Line, write_chart};
use weight_diffusion::Prediction;

/// Prints the norm of the predicted weights beside the zoo's, and the closest entry of the zoo.
pub(crate) fn print_prediction(
    progress: &Progress,
    prediction: Option<Prediction>,
    closest: Option<&(f64, String)>,
) {
    if let Some(prediction) = prediction {
        progress.line(&format!(
            "norm of the predicted weights {:.2}, of the zoo's {:.2} ± {:.2}",
            prediction.norm, prediction.zoo_norm_mean, prediction.zoo_norm_std
        ));
        if let Some(warning) = prediction.norm_warning() {
            progress.line(&format!("warning: {warning}"));
        }
    }
    if let Some((distance, concept)) = closest {
        progress.line(&format!(
            "the prediction's closest zoo entry is {concept}, {distance:.2} away in L2"
        ));
    }
}

/// Draws quality against wall time (prediction and training), a line per method.
pub(crate) fn write_curves(path: &Path, quality: &str, concept: &ConceptReport) -> Result<()> {
    let lines = (concept.methods.iter())
        .map(|(name, method)| Line {
            name: name.clone(),
            points: (method.curve.iter())
                .map(|point| (point.seconds, point.quality))
                .collect(),
            bold: name == "denoised",
        })
        .collect();
    let chart = Chart {
        title: &format!("{} — {quality}, lower is better", concept.name),
        x: "seconds of prediction and training",
        y: quality,
        lines,
        series: METHODS,
        ..Chart::default()
    };
    Ok(write_chart(path, &chart)?)
}

/// Prints the figures of one concept's methods.
pub(crate) fn print_table(quality: &str, concept: &ConceptReport) {
    println!("quality: {quality}, lower is better");
    println!(
        "{:14} {:>10} {:>12} {:>12} {:>18} {:>9} {:>9}",
        "start", "predict s", "at epoch 0", "final", "s to E²GAN's final", "total s", "L1 final"
    );
    // Without the zero start, there is nothing to reach.
    let not_reached = match concept.methods.contains_key("zero") {
        true => "never",
        false => "-",
    };
    for (name, method) in &concept.methods {
        let reached = method
            .seconds_to_zero_final
            .map_or(not_reached.to_owned(), |s| format!("{s:.2}"));
        let last = method.curve.last();
        println!(
            "{name:14} {:>10.3} {:>12.3} {:>12.3} {reached:>18} {:>9.2} {:>9.4}",
            method.predict_seconds,
            method.quality_at_0().unwrap_or(f64::NAN),
            method.final_quality,
            last.map_or(f64::NAN, |p| p.seconds),
            last.map_or(f64::NAN, |p| p.l1),
        );
    }
    let [denoised, zero] = ["denoised", "zero"].map(|name| concept.methods.get(name));
    let at_0 = denoised.and_then(|method| method.quality_at_0());
    if at_0
        .zip(zero)
        .is_some_and(|(at_0, zero)| at_0 <= zero.final_quality)
    {
        println!("denoised has zero's final quality before any training");
    } else if let Some(speedup) = concept.speedup() {
        println!(
            "{}",
            match speedup > 0.0 {
                true => format!("denoised has zero's final quality {speedup:.1} times faster"),
                false => "denoised does not reach zero's final quality".to_owned(),
            }
        );
    }
}

/// Prints the counts over all concepts.
pub(crate) fn print_summary(report: &ComparisonReport) {
    let s = &report.summary;
    println!(
        "\n{} concepts; quality: {}",
        report.concepts.len(),
        report.quality
    );
    for (what, count) in [
        ("the zero start", s.denoised_beats_zero_at_0),
        ("the nearest zoo concept", s.denoised_beats_nearest_at_0),
        ("the zoo's mean", s.denoised_beats_mean_at_0),
        ("the wrong prompt", s.denoised_beats_wrong_prompt_at_0),
    ] {
        // 0/0 means that one of the two was not run.
        if count.of > 0 {
            println!("denoised start better at epoch 0 than {what}: {count}");
        }
    }
    if let Some(speedup) = s.median_speedup_over_zero {
        println!(
            "zero's final quality reached by {} of the denoised starts, {speedup:.1} times faster in the median",
            s.reached_zero_final
        );
    }
}
