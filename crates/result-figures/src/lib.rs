#![doc = include_str!("../README.md")]

mod axis;
mod chart;
mod error;
mod grid;
mod palette;

pub use chart::{Chart, Line, Paper, chart_svg, write_chart};
pub use error::Error;
pub use grid::{Column, write_grid};
/// The colours of [`Paper`].
pub use plotters::style::RGBColor;
