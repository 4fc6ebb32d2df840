use image::RgbImage;

use crate::Error;

/// How good an edit is; the editor with the highest mean wins.
pub trait QualityScore {
    /// A short name for reports.
    fn name(&self) -> &str;

    /// The score of `edited`, made from `photo` as `prompt` says; higher is better.
    ///
    /// # Errors
    /// When a network that the score needs fails.
    fn score(&self, photo: &RgbImage, edited: &RgbImage, prompt: &str) -> Result<f64, Error>;
}

/// A score from 0 to 1 that needs neither weights nor a reference: is the image sharp, and free of noise, blocks and
/// burnt areas? It does not say whether the edit fits the prompt; see [`Direction`](super::Direction) for that.
///
/// With luma L = (0.299 R + 0.587 G + 0.114 B) / 255 it is the product
///
/// `σ_lap / (σ_lap + 0.05) · σ_L / (σ_L + 0.1) · 1 / (1 + σ_noise / 0.02) · 1 / (1 + blocks) · (1 - clipped)`
///
/// of [`QualityTerms`]. An image in one colour (a safety filter's black square, say) has 0. Images below 16 pixels a
/// side have 0 too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoReference;

/// What [`NoReference`] is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityTerms {
    /// Standard deviation of the Laplacian (4 neighbours) of the luma: sharpness (Pech-Pacheco et al., 2000).
    pub sharpness: f64,
    /// Standard deviation of the luma: contrast.
    pub contrast: f64,
    /// Standard deviation of noise, estimated with a mask that edges and ramps leave at zero (Immerkær, 1996).
    pub noise: f64,
    /// By how much luma steps across the borders of 8×8 blocks exceed the other steps, relative to them; 0 where they
    /// do not (after Wang, Sheikh and Bovik, 2002).
    pub blocks: f64,
    /// Share of pixels that are pure black, or have all channels at 255.
    pub clipped: f64,
}

/// The smallest side that is measured.
const MIN_SIDE: u32 = 16;

impl QualityTerms {
    /// Measures an image; `None` below 16 pixels a side.
    pub fn new(image: &RgbImage) -> Option<Self> {
        let (width, height) = image.dimensions();
        if width < MIN_SIDE || height < MIN_SIDE {
            return None;
        }
        let luma = Luma {
            width: width as usize,
            height: height as usize,
            values: image
                .pixels()
                .map(|p| {
                    let [r, g, b] = p.0.map(f64::from);
                    (0.299 * r + 0.587 * g + 0.114 * b) / 255.0
                })
                .collect(),
        };
        let clipped = image
            .pixels()
            .filter(|p| p.0 == [0; 3] || p.0 == [255; 3])
            .count();
        Some(Self {
            sharpness: luma.laplacian_deviation(),
            contrast: deviation(luma.values.iter().copied()),
            noise: luma.noise(),
            blocks: luma.blocks(),
            clipped: clipped as f64 / luma.values.len() as f64,
        })
    }

    /// The product given at [`NoReference`].
    pub fn product(&self) -> f64 {
        let saturate = |value: f64, half: f64| value / (value + half);
        saturate(self.sharpness, 0.05) * saturate(self.contrast, 0.1)
            / (1.0 + self.noise / 0.02)
            / (1.0 + self.blocks)
            * (1.0 - self.clipped)
    }
}

impl QualityScore for NoReference {
    fn name(&self) -> &str {
        "no-reference"
    }

    fn score(&self, _photo: &RgbImage, edited: &RgbImage, _prompt: &str) -> Result<f64, Error> {
        Ok(QualityTerms::new(edited).map_or(0.0, |terms| terms.product()))
    }
}

struct Luma {
    width: usize,
    height: usize,
    values: Vec<f64>,
}

impl Luma {
    fn at(&self, x: usize, y: usize) -> f64 {
        self.values[y * self.width + x]
    }

    /// Places that have all eight neighbours.
    fn inner(&self) -> impl Iterator<Item = (usize, usize)> {
        let (width, height) = (self.width, self.height);
        (1..height - 1).flat_map(move |y| (1..width - 1).map(move |x| (x, y)))
    }

    fn laplacian_deviation(&self) -> f64 {
        deviation(self.inner().map(|(x, y)| {
            self.at(x - 1, y) + self.at(x + 1, y) + self.at(x, y - 1) + self.at(x, y + 1)
                - 4.0 * self.at(x, y)
        }))
    }

    fn noise(&self) -> f64 {
        let sum: f64 = self
            .inner()
            .map(|(x, y)| {
                let corners = self.at(x - 1, y - 1)
                    + self.at(x + 1, y - 1)
                    + self.at(x - 1, y + 1)
                    + self.at(x + 1, y + 1);
                let sides =
                    self.at(x - 1, y) + self.at(x + 1, y) + self.at(x, y - 1) + self.at(x, y + 1);
                (corners - 2.0 * sides + 4.0 * self.at(x, y)).abs()
            })
            .sum();
        let count = ((self.width - 2) * (self.height - 2)) as f64;
        sum * (std::f64::consts::PI / 2.0).sqrt() / (6.0 * count)
    }

    fn blocks(&self) -> f64 {
        // [inside, across]: sum and count of absolute steps.
        let mut steps = [(0.0, 0.0); 2];
        for y in 0..self.height {
            for x in 0..self.width {
                let here = self.at(x, y);
                let mut add = |place: usize, other: f64| {
                    let step = &mut steps[usize::from(place.is_multiple_of(8))];
                    step.0 += (here - other).abs();
                    step.1 += 1.0;
                };
                if x > 0 {
                    add(x, self.at(x - 1, y));
                }
                if y > 0 {
                    add(y, self.at(x, y - 1));
                }
            }
        }
        let [inside, across] = steps.map(|(sum, count)| sum / count);
        // Half a grey level keeps a flat image from dividing by zero.
        ((across - inside) / (inside + 0.5 / 255.0)).max(0.0)
    }
}

fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    if count > 0.0 {
        (squares / count).sqrt()
    } else {
        0.0
    }
}
