use image::RgbImage;

use super::QualityScore;
use crate::Error;

/// A score from 0 to 1 that needs neither weights nor a reference: is the image sharp, and free of noise, blocks and
/// burnt areas? It does not say whether the edit fits the prompt; [`Direction`](super::Direction) does.
///
/// With luma L = (0.299 R + 0.587 G + 0.114 B) / 255 it is the product
///
/// `σ_lap / (σ_lap + 0.05) · σ_L / (σ_L + 0.1) · 1 / (1 + σ_noise / 0.02) · 1 / (1 + blocks) · (1 - clipped)`
///
/// where σ_lap is the standard deviation of the Laplacian (4 neighbours) of the luma: sharpness (Pech-Pacheco et al., 2000);
/// σ_L that of the luma: contrast; σ_noise that of noise, estimated with a mask that edges and ramps leave at zero
/// (Immerkær, 1996); `blocks` the relative excess of luma steps across the borders of 8×8 blocks over other steps, or 0
/// (after Wang, Sheikh and Bovik, 2002); and `clipped` the share of pixels that are pure black or have all channels at 255.
/// An image in one colour (such as a safety filter's black square) scores 0, and so does one below 16 pixels a side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoReference;

/// The terms of [`NoReference`]'s formula.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Terms {
    sharpness: f64,
    contrast: f64,
    noise: f64,
    blocks: f64,
    clipped: f64,
}

/// The smallest side that is measured.
const MIN_SIDE: u32 = 16;

impl Terms {
    /// Measures an image; `None` below 16 pixels a side.
    fn new(image: &RgbImage) -> Option<Self> {
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

    /// The product documented at [`NoReference`].
    fn product(&self) -> f64 {
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
        Ok(Terms::new(edited).map_or(0.0, |terms| terms.product()))
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

    /// The places that have all eight neighbours.
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
        // Half a grey level avoids a division by zero for flat images.
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use image::Rgb;
    use serde_json::Value;

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/quality")
            .join(name)
    }

    #[test]
    fn terms_equal_those_of_scipy() {
        let text = std::fs::read(fixture("terms.json")).unwrap();
        let expected: Value = serde_json::from_slice(&text).unwrap();
        let mut scores = Vec::new();
        for (name, expected) in expected.as_object().unwrap() {
            let image = image::open(fixture(&format!("{name}.png")))
                .unwrap()
                .into_rgb8();
            let terms = Terms::new(&image).unwrap();
            for (term, value) in [
                ("sharpness", terms.sharpness),
                ("contrast", terms.contrast),
                ("noise", terms.noise),
                ("blocks", terms.blocks),
                ("clipped", terms.clipped),
            ] {
                let expected = expected[term].as_f64().unwrap();
                assert!(
                    (value - expected).abs() < 1e-9,
                    "{name} {term}: {value} and {expected}"
                );
            }
            scores.push((name.clone(), NoReference.score(&image, &image, "").unwrap()));
        }
        let score = |name: &str| scores.iter().find(|(n, _)| n == name).unwrap().1;
        for worse in ["blurred", "noisy", "blocky", "burnt"] {
            assert!(score("photo") > 1.2 * score(worse), "{scores:?}");
        }
    }

    #[test]
    fn uniform_and_tiny_images_score_zero() {
        let score = |image: &RgbImage| NoReference.score(image, image, "").unwrap();
        for colour in [0, 128, 255] {
            assert_eq!(score(&RgbImage::from_pixel(64, 64, Rgb([colour; 3]))), 0.0);
        }
        assert_eq!(score(&RgbImage::new(15, 64)), 0.0);
        assert_eq!(score(&RgbImage::new(0, 0)), 0.0);
    }
}
