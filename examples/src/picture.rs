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

/// A chart of lines over one axis.
pub struct Chart<'a> {
    /// Above the chart.
    pub title: &'a str,
    /// What the horizontal axis shows, with its unit.
    pub x: &'a str,
    /// What the vertical axis shows.
    pub y: &'a str,
    /// The lines.
    pub lines: Vec<Line>,
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
    };
    write_chart(path, &chart)
}

/// Draws a chart as SVG; values that are no finite numbers are left out.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write_chart(path: &Path, chart: &Chart<'_>) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg, chart)
        .map_err(|error| format!("{}: cannot be drawn: {error}", path.display()))?;
    crate::files::write(path, svg.as_bytes())
}

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

fn draw(
    svg: &mut String,
    chart: &Chart<'_>,
) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let area = SVGBackend::with_string(svg, (860, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut frame = ChartBuilder::on(&area)
        .caption(chart.title, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(range(points().map(|p| p.0)), range(points().map(|p| p.1)))?;
    frame
        .configure_mesh()
        .x_desc(chart.x)
        .y_desc(chart.y)
        .light_line_style(RGBColor(235, 235, 235))
        .draw()?;
    for (line, colour) in chart.lines.iter().zip(COLOURS.iter().cycle()) {
        let width = if line.bold { 3 } else { 1 };
        let finite =
            || (line.points.iter().copied()).filter(|(x, y)| x.is_finite() && y.is_finite());
        frame
            .draw_series(LineSeries::new(finite(), colour.stroke_width(width)))?
            .label(line.name.as_str())
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width))
            });
        frame.draw_series(finite().map(|at| Circle::new(at, 3, colour.filled())))?;
    }
    frame
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    area.present()?;
    Ok(())
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
