//! Curves as SVG, grids as PNG.

use std::path::Path;

use embedded_graphics::Drawable as _;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::Text as TextLine;
use image::RgbImage;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::Result;
use crate::report::ConceptReport;

/// Colours that stay apart for colour-blind eyes (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
    RGBColor(178, 140, 110),
];

/// The methods that have the colours above, in all charts.
const METHODS: [&str; 8] = [
    "zero",
    "denoised",
    "mean",
    "nearest",
    "wrong_prompt",
    "comod",
    "pix2pix",
    "denoised_l1",
];

/// For what is drawn beside the methods.
const OTHERS: [RGBColor; 4] = [
    RGBColor(125, 90, 190),
    RGBColor(190, 50, 90),
    RGBColor(110, 130, 30),
    RGBColor(60, 140, 140),
];

/// The colours of a chart's lines.
fn colours(lines: &[Line]) -> Vec<RGBColor> {
    let known = |line: &Line| METHODS.iter().position(|method| *method == line.name);
    if !lines.iter().any(|line| known(line).is_some()) {
        return COLOURS.iter().copied().cycle().take(lines.len()).collect();
    }
    let mut others = OTHERS.iter().copied().cycle();
    let mut colour = |line: &Line| match known(line) {
        Some(index) => Some(COLOURS[index]),
        None => others.next(),
    };
    lines.iter().filter_map(&mut colour).collect()
}

/// A chart of lines over one axis.
#[derive(Default)]
pub struct Chart<'a> {
    /// Above the chart.
    pub title: &'a str,
    /// What the horizontal axis shows, with its unit.
    pub x: &'a str,
    /// What the vertical axis shows.
    pub y: &'a str,
    /// The lines.
    pub lines: Vec<Line>,
    /// Horizontal axis by powers of ten; points at or left of zero are left out.
    pub log_x: bool,
    /// The same of the vertical axis.
    pub log_y: bool,
}

impl Chart<'_> {
    /// The points of a line as they are drawn.
    fn placed(&self, line: &Line) -> Vec<(f64, f64)> {
        let scale = |log: bool, v: f64| if log { v.log10() } else { v };
        (line.points.iter())
            .map(|&(x, y)| (scale(self.log_x, x), scale(self.log_y, y)))
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    }
}

/// A named line of points.
pub struct Line {
    /// In the legend.
    pub name: String,
    /// In order of the horizontal axis.
    pub points: Vec<(f64, f64)>,
    /// Drawn thick.
    pub bold: bool,
}

/// Draws quality against wall time (prediction and training), a line per method, both axes linear
/// from the lowest value.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_curves(path: &Path, quality: &str, concept: &ConceptReport) -> Result<()> {
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
        ..Chart::default()
    };
    write_chart(path, &chart)
}

/// Draws a chart as SVG; values that are no finite numbers are left out.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_chart(path: &Path, chart: &Chart<'_>) -> Result<()> {
    let svg = draw(chart, &WHITE_PAPER)
        .map_err(|error| format!("{}: cannot be drawn: {error}", path.display()))?;
    crate::files::write(path, svg.as_bytes())
}

/// A chart for a page: no ground of its own, and text and axes in the colour of the text around it, so that
/// it is legible on a light and on a dark page.
///
/// # Errors
/// Where it cannot be drawn.
pub fn page_svg(chart: &Chart<'_>) -> Result<String> {
    let svg = draw(chart, &PAGE)?;
    let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
    let svg = svg.replace(&hex(PAGE.ink), "currentColor");
    // Grid lines are ink too, only fainter.
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

/// What a chart stands on.
struct Paper {
    ground: Option<RGBColor>,
    ink: RGBColor,
    grid: RGBColor,
}

const WHITE_PAPER: Paper = Paper {
    ground: Some(WHITE),
    ink: BLACK,
    grid: RGBColor(235, 235, 235),
};

/// Colours that nothing else has; [`page_svg`] replaces them.
const PAGE: Paper = Paper {
    ground: None,
    ink: RGBColor(1, 2, 3),
    grid: RGBColor(1, 2, 4),
};

/// Lowest and highest value with a margin of 2 %, never empty.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return 0.0..1.0;
    }
    let margin = (high - low).max(1e-6) * 0.02;
    low - margin..high + margin
}

fn draw(chart: &Chart<'_>, paper: &Paper) -> Result<String> {
    let mut svg = String::new();
    {
        let placed: Vec<Vec<(f64, f64)>> =
            chart.lines.iter().map(|line| chart.placed(line)).collect();
        let points = || placed.iter().flatten();
        let area = SVGBackend::with_string(&mut svg, (860, 520)).into_drawing_area();
        if let Some(ground) = paper.ground {
            area.fill(&ground)?;
        }
        let text = |size: u32| ("sans-serif", size).into_font().color(&paper.ink);
        let mut frame = ChartBuilder::on(&area)
            .caption(chart.title, text(18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(
                Axis::new(range(points().map(|p| p.0)), chart.log_x),
                Axis::new(range(points().map(|p| p.1)), chart.log_y),
            )?;
        frame
            .configure_mesh()
            .x_desc(chart.x)
            .y_desc(chart.y)
            .label_style(text(12))
            .axis_desc_style(text(14))
            .axis_style(paper.ink)
            .bold_line_style(paper.grid)
            .light_line_style(paper.grid)
            .x_label_formatter(&|v| label(*v, chart.log_x))
            .y_label_formatter(&|v| label(*v, chart.log_y))
            .draw()?;
        for ((line, placed), colour) in (chart.lines.iter().zip(&placed)).zip(colours(&chart.lines))
        {
            let width = if line.bold { 3 } else { 1 };
            frame
                .draw_series(LineSeries::new(
                    placed.iter().copied(),
                    colour.stroke_width(width),
                ))?
                .label(line.name.as_str())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width))
                });
            // Marks where they can be told apart.
            if placed.len() <= 40 {
                frame
                    .draw_series((placed.iter()).map(|&at| Circle::new(at, 3, colour.filled())))?;
            }
        }
        let mut labels = frame.configure_series_labels();
        if let Some(ground) = paper.ground {
            labels.background_style(ground.mix(0.85));
        }
        labels
            .label_font(text(13))
            .border_style(paper.grid)
            .position(SeriesLabelPosition::UpperRight)
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

/// A linear axis with numbers at [`ticks`] and no lines between them.
struct Axis {
    linear: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Axis {
    fn new(range: std::ops::Range<f64>, log: bool) -> Self {
        Self {
            ticks: ticks(&range, log),
            linear: range.into(),
        }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.linear.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.linear.range()
    }
}

/// Where an axis has its numbers: at 1, 2 and 5 times the powers of ten where it goes by them.
fn ticks(range: &std::ops::Range<f64>, log: bool) -> Vec<f64> {
    if !log {
        let axis: RangedCoordf64 = range.clone().into();
        return axis.key_points(9);
    }
    let powers = range.start.floor() as i32..=range.end.ceil() as i32;
    let steps: &[f64] = if range.end - range.start > 2.5 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    powers
        .flat_map(|power| {
            steps
                .iter()
                .map(move |step| f64::from(power) + step.log10())
        })
        .filter(|tick| range.contains(tick))
        .collect()
}

/// A value of an axis, as powers of ten where the axis goes by them.
fn label(value: f64, log: bool) -> String {
    let value = if log { 10f64.powf(value) } else { value };
    match value.abs() {
        size if size >= 100.0 || (size >= 1.0 && value.fract().abs() < 1e-6) => {
            format!("{value:.0}")
        }
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    }
}

/// A captioned column of [`write_grid`].
pub struct Column {
    /// Up to two short lines, separated by `\n`.
    pub caption: String,
    /// One image per row.
    pub images: Vec<RgbImage>,
}

impl Column {
    /// `images` under `caption`.
    pub fn new(caption: impl Into<String>, images: Vec<RgbImage>) -> Self {
        Self {
            caption: caption.into(),
            images,
        }
    }
}

const SCALE: u32 = 2;
const GAP: u32 = 6;
const HEAD: u32 = 30;

/// Writes columns of equally sized images under their captions as PNG, each image at twice its
/// size.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_grid(path: &Path, columns: &[Column]) -> Result<()> {
    let Some(first) = columns.first().and_then(|c| c.images.first()) else {
        return Err(format!("{}: there are no images to draw", path.display()).into());
    };
    let (width, height) = (first.width() * SCALE, first.height() * SCALE);
    let rows = columns.iter().map(|c| c.images.len()).max().unwrap_or(0) as u32;
    let mut sheet = RgbImage::from_pixel(
        GAP + columns.len() as u32 * (width + GAP),
        HEAD + rows * (height + GAP),
        image::Rgb([255; 3]),
    );
    let style = MonoTextStyle::new(&FONT_6X10, BinaryColor::On);
    for (x, column) in (0u32..).zip(columns) {
        let left = GAP + x * (width + GAP);
        for (line, y) in column.caption.lines().zip([11, 22]) {
            let at = embedded_graphics::geometry::Point::new(left as i32, y);
            // Drawing on an image cannot fail.
            let Ok(_) = TextLine::new(line, at, style).draw(&mut Ink(&mut sheet));
        }
        for (y, image) in (0u32..).zip(&column.images) {
            let large =
                image::imageops::resize(image, width, height, image::imageops::FilterType::Nearest);
            let top = HEAD + y * (height + GAP);
            image::imageops::replace(&mut sheet, &large, i64::from(left), i64::from(top));
        }
    }
    crate::files::write_png(path, &sheet)
}

/// Black ink on an image, for embedded-graphics' fonts.
struct Ink<'a>(&'a mut RgbImage);

impl OriginDimensions for Ink<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Ink<'_> {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> std::result::Result<(), Self::Error> {
        for Pixel(at, _) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y))
                && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
            {
                *pixel = image::Rgb([30, 30, 30]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_keep_their_colours_and_no_two_lines_share_one() {
        let line = |name: &&str| Line {
            name: (*name).to_owned(),
            points: Vec::new(),
            bold: false,
        };
        let of = |names: &[&str]| colours(&names.iter().map(line).collect::<Vec<_>>());
        assert_eq!(of(&["denoised"]), of(&["zero", "denoised"])[1..]);
        let all: Vec<&str> = METHODS
            .iter()
            .copied()
            .chain(["denoised:30", "denoised:100"])
            .collect();
        let found = of(&all);
        for (i, colour) in found.iter().enumerate() {
            assert!(!found[..i].contains(colour), "{}", all[i]);
        }
        assert_eq!(of(&["training", "held-out concepts"]), COLOURS[..2]);
    }

    #[test]
    fn axes_have_round_numbers() {
        let log = ticks(&(-2.1..1.2), true);
        assert_eq!(
            log.iter().map(|t| label(*t, true)).collect::<Vec<_>>(),
            ["0.01", "0.1", "1", "10"]
        );
        let labels: Vec<_> = ticks(&(0.0..100.0), false)
            .iter()
            .map(|t| label(*t, false))
            .collect();
        assert!(
            labels.contains(&"50".to_owned()) || labels.contains(&"40".to_owned()),
            "{labels:?}"
        );
    }
}
