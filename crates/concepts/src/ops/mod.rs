//! The stages that edits are made of.

mod border;
mod canvas;
mod lines;
mod paint;
mod pattern;
mod tone;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use canvas::{Canvas, scaled};

/// The side, in pixels, for which radii and periods are given.
const REFERENCE_SIDE: f32 = 64.0;

/// The shape of a screen, with which a printer renders shades of one ink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Screen {
    /// Round dots on a square grid.
    Dots,
    /// Diagonal lines.
    Diagonals,
    /// Horizontal lines.
    Rows,
    /// Diagonal lines, crossed by others where it is darker.
    Hatching,
}

/// The shape of a texture that darkens an image at fixed places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Texture {
    /// The lower half of every period of rows: a television's lines.
    Scanlines,
    /// Threads that pass over and under each other.
    Weave,
    /// Everything but the two diagonals of each cell: cross-stitches.
    Stitches,
}

/// One deterministic stage of an edit, with its parameters.
///
/// Channel values are on a scale from 0 to 1 and results are clamped to it; `luma` is 0.299 R + 0.587 G + 0.114 B.
/// Radii and periods are in pixels of an image whose shorter side has 64 pixels, and grow with that side. Parameters out of
/// range (a period of 0, a radius above the side, a NaN or infinite number) are clamped, so that a stage read from a file
/// cannot panic.
///
/// Stages are plain data and serialize as `{"op": "posterise", "levels": 4}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Moves every pixel away from its luma (`amount` above 1) or to it (below 1; 0 gives grey).
    Saturate {
        /// Factor on the distance from the luma.
        amount: f32,
    },
    /// `(v - 0.5) * contrast + 0.5 + brightness`.
    Levels {
        /// Added to every channel.
        brightness: f32,
        /// Factor on the distance from mid-grey.
        contrast: f32,
    },
    /// `v ^ gamma`, channel by channel: above 1 darkens the mid-tones.
    Gamma {
        /// Exponents of red, green and blue.
        gamma: [f32; 3],
    },
    /// `1 - v`.
    Invert,
    /// Replaces red, green and blue by weighted sums of the three.
    Mix {
        /// One row of weights for each resulting channel.
        rows: [[f32; 3]; 3],
    },
    /// The usual sepia matrix.
    Sepia,
    /// Multiplies by a colour, like coloured glass.
    Multiply {
        /// Red, green and blue.
        colour: [u8; 3],
    },
    /// `v * (1 - amount) + colour * amount`, like fog.
    Blend {
        /// Red, green and blue.
        colour: [u8; 3],
        /// Share of the colour.
        amount: f32,
    },
    /// Looks the luma up on a line of evenly spaced colours, from black to white.
    GradientMap {
        /// Colours of the line; an empty one changes nothing.
        stops: Vec<[u8; 3]>,
        /// Share of the result; the rest stays the image.
        amount: f32,
    },
    /// Rounds every channel to one of `levels` evenly spaced values.
    Posterise {
        /// Number of values, at least 2.
        levels: u32,
    },
    /// Inverts the channels that are above `threshold`.
    Solarise {
        /// From 0 to 1.
        threshold: f32,
    },
    /// Gaussian blur.
    Blur {
        /// Standard deviation in pixels.
        radius: f32,
    },
    /// Adds `amount` times the difference from the blurred image.
    Sharpen {
        /// Standard deviation of the blur in pixels.
        radius: f32,
        /// Factor on the difference.
        amount: f32,
    },
    /// Screens the blurred image over the image: bright parts bleed into their surroundings.
    Glow {
        /// Standard deviation of the blur in pixels.
        radius: f32,
        /// Factor on the blurred image.
        amount: f32,
    },
    /// Kuwahara's filter: every pixel becomes the mean of that of the four squares at it which varies least. Flattens
    /// surfaces and keeps edges, like strokes of paint.
    Kuwahara {
        /// Side of a square in pixels, less one.
        radius: f32,
    },
    /// Dodges the luma by its blurred negative: pencil lines on white, in grey.
    Dodge {
        /// Standard deviation of the blur in pixels: the width of the strokes.
        radius: f32,
        /// Exponent on the result: the pressure of the pencil.
        pressure: f32,
    },
    /// Extended difference of Gaussians: black shapes and lines on white, in grey.
    Xdog {
        /// Standard deviation of the finer blur in pixels; the coarser is 1.6 times as wide.
        radius: f32,
        /// Weight of edges relative to the shade.
        edges: f32,
        /// Shade below which ink begins.
        threshold: f32,
        /// Steepness of the step from ink to paper.
        steepness: f32,
    },
    /// Length of the luma's gradient: bright lines on black, in grey.
    Edges {
        /// Standard deviation of the blur before it, in pixels.
        radius: f32,
        /// Factor on the length; it is 1 at a step from black to white before any blur.
        gain: f32,
    },
    /// The lines of [`Edges`](Self::Edges), each in the brightest shade of the colour at its place.
    ColourEdges {
        /// Standard deviation of the blur before it, in pixels.
        radius: f32,
        /// Factor on the length.
        gain: f32,
    },
    /// Darkens the image along its edges.
    Outline {
        /// Standard deviation of the blur before the edges, in pixels.
        radius: f32,
        /// Factor on the gradient's length.
        gain: f32,
    },
    /// The luma as a relief, lit from the upper left, in grey around 0.5.
    Emboss {
        /// Standard deviation of the blur before it, in pixels.
        radius: f32,
        /// Factor on the slope.
        gain: f32,
    },
    /// Squares of one colour each: the mean of what they cover.
    Mosaic {
        /// Side of a square in pixels.
        period: f32,
    },
    /// Panes of one colour each in rows that are shifted by half a pane, with dark bars between them.
    Panes {
        /// Side of a pane in pixels.
        period: f32,
        /// How dark the bars are, from 0 to 1.
        lead: f32,
    },
    /// Renders the shades of every channel by a screen of ink.
    Halftone {
        /// Shape of the screen.
        screen: Screen,
        /// Its period in pixels.
        period: f32,
        /// Steepness of the step from ink to paper.
        steepness: f32,
    },
    /// Darkens the image by a texture.
    Texture {
        /// Shape of the texture.
        texture: Texture,
        /// Its period in pixels.
        period: f32,
        /// How dark it gets, from 0 to 1.
        depth: f32,
    },
    /// Darkens the image towards its corners, with the square of the distance from the centre.
    Vignette {
        /// How dark the corners get, from 0 to 1.
        amount: f32,
    },
    /// Covers the border by a frame of one colour.
    Frame {
        /// Width of the frame in pixels.
        width: f32,
        /// Red, green and blue.
        colour: [u8; 3],
    },
}

impl Op {
    /// Applies the stage to `image` [height, width, RGB]; the result has the same dimensions. The same image always
    /// gives the same result, up to rounding between platforms whose mathematical functions differ. An image without pixels
    /// is returned unchanged.
    ///
    /// ```
    /// use concepts::Op;
    /// use image::{Rgb, RgbImage};
    ///
    /// let orange = RgbImage::from_pixel(2, 2, Rgb([255, 128, 0]));
    /// assert_eq!(Op::Invert.apply(&orange), RgbImage::from_pixel(2, 2, Rgb([0, 127, 255])));
    /// ```
    pub fn apply(&self, image: &RgbImage) -> RgbImage {
        let (width, height) = image.dimensions();
        let side = width.min(height);
        if side == 0 {
            return image.clone();
        }
        let scale = side as f32 / REFERENCE_SIDE;
        let length = |pixels: f32| scaled(pixels, scale, side);
        let period = |pixels: f32| (length(pixels).round() as usize).max(2);

        let mut canvas = Canvas::from_image(image);
        match *self {
            Op::Saturate { amount } => tone::saturate(&mut canvas, amount),
            Op::Levels {
                brightness,
                contrast,
            } => canvas.each(|v| (v - 0.5) * contrast + 0.5 + brightness),
            Op::Gamma { gamma } => tone::gamma(&mut canvas, gamma),
            Op::Invert => canvas.each(|v| 1.0 - v),
            Op::Mix { rows } => tone::mix(&mut canvas, rows),
            Op::Sepia => tone::mix(&mut canvas, tone::SEPIA),
            Op::Multiply { colour } => tone::multiply(&mut canvas, colour),
            Op::Blend { colour, amount } => tone::blend(&mut canvas, colour, amount),
            Op::GradientMap { ref stops, amount } => tone::gradient_map(&mut canvas, stops, amount),
            Op::Posterise { levels } => tone::posterise(&mut canvas, levels),
            Op::Solarise { threshold } => {
                canvas.each(|v| if v > threshold { 1.0 - v } else { v });
            }
            Op::Blur { radius } => canvas = canvas.blur(length(radius)),
            Op::Sharpen { radius, amount } => paint::sharpen(&mut canvas, length(radius), amount),
            Op::Glow { radius, amount } => paint::glow(&mut canvas, length(radius), amount),
            Op::Kuwahara { radius } => canvas = paint::kuwahara(&canvas, length(radius)),
            Op::Dodge { radius, pressure } => lines::dodge(&mut canvas, length(radius), pressure),
            Op::Xdog {
                radius,
                edges,
                threshold,
                steepness,
            } => lines::xdog(&mut canvas, length(radius), edges, threshold, steepness),
            Op::Edges { radius, gain } => lines::edges(&mut canvas, length(radius), gain, scale),
            Op::ColourEdges { radius, gain } => {
                lines::colour_edges(&mut canvas, length(radius), gain, scale);
            }
            Op::Outline { radius, gain } => {
                lines::outline(&mut canvas, length(radius), gain, scale);
            }
            Op::Emboss { radius, gain } => lines::emboss(&mut canvas, length(radius), gain, scale),
            Op::Mosaic { period: p } => pattern::mosaic(&mut canvas, period(p)),
            Op::Panes { period: p, lead } => pattern::panes(&mut canvas, period(p), lead),
            Op::Halftone {
                screen,
                period: p,
                steepness,
            } => pattern::halftone(&mut canvas, screen, period(p), steepness),
            Op::Texture {
                texture,
                period: p,
                depth,
            } => pattern::texture(&mut canvas, texture, period(p), depth),
            Op::Vignette { amount } => border::vignette(&mut canvas, amount),
            Op::Frame { width, colour } => {
                border::frame(&mut canvas, length(width).round() as usize, colour);
            }
        }
        canvas.into_image()
    }
}
