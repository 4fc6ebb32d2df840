//! Curves as SVG, grids as PNG.

mod axis;
mod chart;
mod grid;
mod palette;

pub use chart::{Chart, Line, Paper, chart_svg, write_chart};
pub use grid::{Column, write_grid};
