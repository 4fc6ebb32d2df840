//! Curves as SVG.

use std::path::Path;

use plotters::prelude::*;

use crate::Error;
use crate::axis::{Axis, label, range};
use crate::palette::colours;

/// A chart of lines over one axis.
#[derive(Debug, Default)]
pub struct Chart<'a> {
    /// The text above the chart.
    pub title: &'a str,
    /// What the horizontal axis shows, with its unit.
    pub x: &'a str,
    /// What the vertical axis shows.
    pub y: &'a str,
    /// The lines.
    pub lines: Vec<Line>,
    /// Names whose lines have the same colours in every chart that is given these names, whichever of them it shows.
    pub series: &'a [&'a str],
    /// Makes the horizontal axis logarithmic; points at or left of zero are left out.
    pub log_x: bool,
    /// Makes the vertical axis logarithmic; points at or below zero are left out.
    pub log_y: bool,
}

impl Chart<'_> {
    /// The points of a line in the coordinates of the axes.
    fn placed(&self, line: &Line) -> Vec<(f64, f64)> {
        let scale = |log: bool, v: f64| if log { v.log10() } else { v };
        (line.points.iter())
            .map(|&(x, y)| (scale(self.log_x, x), scale(self.log_y, y)))
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    }
}

/// A named line of points.
#[derive(Debug)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// In order of the horizontal axis.
    pub points: Vec<(f64, f64)>,
    /// Draws it thick.
    pub bold: bool,
}

/// Writes a chart as SVG, black on white.
///
/// # Errors
/// Returns [`Error::Draw`] as [`chart_svg`], and [`Error::File`] if the file cannot be written.
pub fn write_chart(path: &Path, chart: &Chart<'_>) -> Result<(), Error> {
    let svg = chart_svg(chart, &WHITE_PAPER)?;
    Ok(tensor_file::atomic::write(path, svg.as_bytes())?)
}

/// The colours around the lines of a chart.
#[derive(Debug)]
pub struct Paper {
    /// The background; transparent if there is none.
    pub ground: Option<RGBColor>,
    /// Texts and axes.
    pub ink: RGBColor,
    /// The lines of the grid.
    pub grid: RGBColor,
}

impl Paper {
    fn text(&self, size: u32) -> TextStyle<'_> {
        ("sans-serif", size).into_font().color(&self.ink)
    }
}

/// Black on white.
const WHITE_PAPER: Paper = Paper {
    ground: Some(WHITE),
    ink: BLACK,
    grid: RGBColor(235, 235, 235),
};

type Frame<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// Draws a chart as SVG of 860×520 pixels.
///
/// # Errors
/// Returns [`Error::Draw`] if plotters cannot draw it.
pub fn chart_svg(chart: &Chart<'_>, paper: &Paper) -> Result<String, Error> {
    draw(chart, paper).map_err(|error| Error::Draw {
        title: chart.title.to_owned(),
        message: error.to_string(),
    })
}

/// An error of plotters, each of whose steps has a type of its own.
type DrawResult<T> = Result<T, Box<dyn std::error::Error>>;

fn draw(chart: &Chart<'_>, paper: &Paper) -> DrawResult<String> {
    let mut svg = String::new();
    {
        let placed: Vec<Vec<(f64, f64)>> =
            chart.lines.iter().map(|line| chart.placed(line)).collect();
        let points = || placed.iter().flatten();
        let area = SVGBackend::with_string(&mut svg, (860, 520)).into_drawing_area();
        if let Some(ground) = paper.ground {
            area.fill(&ground)?;
        }
        let mut frame = ChartBuilder::on(&area)
            .caption(chart.title, paper.text(18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(
                Axis::new(range(points().map(|p| p.0)), chart.log_x),
                Axis::new(range(points().map(|p| p.1)), chart.log_y),
            )?;
        draw_axes(&mut frame, chart, paper)?;
        for ((line, placed), colour) in
            (chart.lines.iter().zip(&placed)).zip(colours(&chart.lines, chart.series))
        {
            draw_line(&mut frame, line, placed, colour)?;
        }
        draw_legend(&mut frame, paper)?;
        area.present()?;
    }
    Ok(svg)
}

fn draw_axes(frame: &mut Frame<'_>, chart: &Chart<'_>, paper: &Paper) -> DrawResult<()> {
    frame
        .configure_mesh()
        .x_desc(chart.x)
        .y_desc(chart.y)
        .label_style(paper.text(12))
        .axis_desc_style(paper.text(14))
        .axis_style(paper.ink)
        .bold_line_style(paper.grid)
        .light_line_style(paper.grid)
        .x_label_formatter(&|v| label(*v, chart.log_x))
        .y_label_formatter(&|v| label(*v, chart.log_y))
        .draw()?;
    Ok(())
}

fn draw_line(
    frame: &mut Frame<'_>,
    line: &Line,
    placed: &[(f64, f64)],
    colour: RGBColor,
) -> DrawResult<()> {
    let style = colour.stroke_width(if line.bold { 3 } else { 1 });
    frame
        .draw_series(LineSeries::new(placed.iter().copied(), style))?
        .label(line.name.as_str())
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    // More marks than this run into each other.
    if placed.len() <= 40 {
        frame.draw_series((placed.iter()).map(|&at| Circle::new(at, 3, colour.filled())))?;
    }
    Ok(())
}

fn draw_legend(frame: &mut Frame<'_>, paper: &Paper) -> DrawResult<()> {
    let mut labels = frame.configure_series_labels();
    if let Some(ground) = paper.ground {
        labels.background_style(ground.mix(0.85));
    }
    labels
        .label_font(paper.text(13))
        .border_style(paper.grid)
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    Ok(())
}
