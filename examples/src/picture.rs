//! Curves as SVG.

use std::path::Path;

use plotters::prelude::*;

use crate::Result;
use crate::report::ConceptReport;

/// Colours that stay apart for colour-blind eyes (Okabe and Ito), in the order of the methods.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// Draws quality against wall time (prediction and training), a line per method, both axes linear
/// from the lowest value.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_curves(path: &Path, quality: &str, concept: &ConceptReport) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg, quality, concept)
        .map_err(|error| format!("{}: cannot be drawn: {error}", path.display()))?;
    crate::files::write(path, svg.as_bytes())
}

fn draw(
    svg: &mut String,
    quality: &str,
    concept: &ConceptReport,
) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let points = || concept.methods.values().flat_map(|m| &m.curve);
    let longest = points().map(|p| p.seconds).fold(0.1, f64::max);
    let worst = points().map(|p| p.quality).fold(0.0, f64::max);
    let best = points().map(|p| p.quality).fold(worst, f64::min);
    let margin = (worst - best).max(1e-6) * 0.05;

    let area = SVGBackend::with_string(svg, (860, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            format!("{} — {quality}, lower is better", concept.name),
            ("sans-serif", 18),
        )
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..longest * 1.02, (best - margin)..(worst + margin))?;
    chart
        .configure_mesh()
        .x_desc("seconds of prediction and training")
        .y_desc(quality)
        .light_line_style(RGBColor(235, 235, 235))
        .draw()?;
    for ((name, method), colour) in concept.methods.iter().zip(COLOURS.iter().cycle()) {
        let width = if name == "denoised" { 3 } else { 1 };
        let line = || method.curve.iter().map(|p| (p.seconds, p.quality));
        chart
            .draw_series(LineSeries::new(line(), colour.stroke_width(width)))?
            .label(name.as_str())
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width))
            });
        chart.draw_series(line().map(|at| Circle::new(at, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    area.present()?;
    Ok(())
}
