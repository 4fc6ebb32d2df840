//! The report's charts.

use denoised_weights::comparison::MethodReport;
use denoised_weights::comparison::{ConceptReport, median};
use denoised_weights_examples::{METHODS, Result};
use result_figures::{Chart, Line, Paper, RGBColor, chart_svg};

use crate::results::Results;
use crate::stats::mean;

/// Points of the mean curve.
const STEPS: usize = 120;
/// The left end of logarithmic time axes, in seconds, at which methods that start at once are drawn.
const FIRST: f64 = 0.01;

/// Figure 4: mean quality over all concepts and seeds against wall time, each run's last measurement
/// holding until its next.
pub(crate) fn mean_curves(results: &Results) -> Chart<'static> {
    let lines = (results.methods.iter())
        .filter_map(|method| {
            let runs: Vec<&MethodReport> = (results.json.report.concepts.iter())
                .filter_map(|entry| entry.methods.get(method))
                .collect();
            (!runs.is_empty()).then(|| Line {
                name: method.clone(),
                points: mean_curve(&runs),
                bold: method == "denoised",
            })
        })
        .collect();
    Chart {
        title: "Quality against wall time, mean over concepts and seeds",
        x: "seconds of prediction and training",
        y: "Fréchet distance, lower is better",
        lines,
        series: METHODS,
        log_x: true,
        log_y: false,
    }
}

/// The curve from the moment at which all runs have begun to the median of their ends.
fn mean_curve(runs: &[&MethodReport]) -> Vec<(f64, f64)> {
    let seconds = |p: Option<f64>| p.unwrap_or(0.0).max(FIRST);
    let first = (runs.iter())
        .map(|run| seconds(run.curve.first().map(|p| p.seconds)))
        .fold(FIRST, f64::max);
    let mut ends: Vec<f64> = (runs.iter())
        .map(|run| seconds(run.curve.last().map(|p| p.seconds)))
        .collect();
    let last = median(&mut ends).max(first);
    (0..=STEPS)
        .map(|i| {
            let at = first * (last / first).powf(i as f64 / STEPS as f64);
            let values: Vec<f64> = (runs.iter())
                .filter_map(|run| {
                    let before = run
                        .curve
                        .iter()
                        .take_while(|p| p.seconds <= at * (1.0 + 1e-9));
                    before.last().map(|p| p.quality)
                })
                .collect();
            (at, mean(&values))
        })
        .collect()
}

/// The curves of one concept's run.
pub(crate) fn concept_curves<'a>(
    entry: &ConceptReport,
    methods: &[String],
    title: &'a str,
) -> Chart<'a> {
    let lines = (methods.iter())
        .filter_map(|method| {
            let run = entry.methods.get(method)?;
            Some(Line {
                name: method.clone(),
                points: (run.curve.iter())
                    .map(|p| (p.seconds.max(FIRST), p.quality))
                    .collect(),
                bold: method == "denoised",
            })
        })
        .collect();
    Chart {
        title,
        x: "seconds of prediction and training",
        y: "Fréchet distance, lower is better",
        lines,
        series: METHODS,
        log_x: true,
        log_y: false,
    }
}

/// How much faster than E²GAN, by the time that E²GAN is given.
pub(crate) fn budget_curves(results: &Results) -> Option<Chart<'static>> {
    let lines: Vec<Line> = (results.json.budgets.iter())
        .filter(|budget| !matches!(budget.method.as_str(), "pix2pix" | "comod"))
        .map(|budget| Line {
            name: budget.method.clone(),
            points: (budget.points.iter())
                .filter_map(|p| Some((p.epoch, p.speedup?.value)))
                .collect(),
            bold: budget.method == "denoised",
        })
        .collect();
    (lines.iter().any(|line| !line.points.is_empty())).then_some(Chart {
        title: "Times faster to the best quality that E²GAN had by then, median",
        x: "epochs of E²GAN",
        y: "times faster",
        lines,
        series: METHODS,
        log_x: false,
        log_y: true,
    })
}

/// Colours that nothing else has, for [`page_svg`] to replace.
const PAGE: Paper = Paper {
    ground: None,
    ink: RGBColor(1, 2, 3),
    grid: RGBColor(1, 2, 4),
};

/// A chart for a web page: its background is transparent and its text and axes have the colour of the text around it, so
/// that it is legible on light and on dark pages.
pub(crate) fn page_svg(chart: &Chart<'_>) -> Result<String> {
    let svg = chart_svg(chart, &PAGE)?;
    let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
    let svg = svg.replace(&hex(PAGE.ink), "currentColor");
    // Grid lines have the same colour, only fainter.
    let grid = hex(PAGE.grid);
    Ok(svg
        .replace(
            &format!("stroke=\"{grid}\""),
            "stroke=\"currentColor\" stroke-opacity=\"0.15\"",
        )
        .replacen(
            "<svg width=\"860\" height=\"520\" ",
            "<svg role=\"img\" ",
            1,
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use denoised_weights::comparison::Measurement;

    #[test]
    fn the_mean_curve_holds_each_measurement_until_the_next() {
        let run = |curve: &[(f64, f64)]| MethodReport {
            predict_seconds: 0.0,
            start_norm: None,
            origin: None,
            zoo_distance: None,
            curve: (curve.iter())
                .map(|&(seconds, quality)| Measurement {
                    epoch: 0.0,
                    seconds,
                    quality,
                    kid: 0.0,
                    l1: 0.0,
                    ssim: 0.0,
                })
                .collect(),
            final_quality: 0.0,
            seconds_to_zero_final: None,
        };
        let (a, b) = (
            run(&[(0.0, 10.0), (1.0, 6.0)]),
            run(&[(0.0, 20.0), (1.0, 8.0)]),
        );
        let points = mean_curve(&[&a, &b]);
        assert_eq!(points.first().map(|p| p.1), Some(15.0));
        assert_eq!(points[STEPS / 2].1, 15.0);
        assert!(
            points
                .last()
                .is_some_and(|p| (p.0 - 1.0).abs() < 1e-9 && p.1 == 7.0)
        );
    }
}
