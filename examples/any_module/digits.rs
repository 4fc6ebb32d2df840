//! Handwritten digits, and what a task does to the pictures.

use std::path::Path;

use denoised_weights_examples::Result;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pixels in a row and in a column of a picture.
pub(crate) const SIDE: usize = 8;
/// Pixels of a picture.
pub(crate) const PIXELS: usize = SIDE * SIDE;
/// A picture, row after row, from 0 (paper) to 1 (ink).
pub(crate) type Picture = [f32; PIXELS];

/// Pictures with the digit that each shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digits {
    pub pictures: Vec<Picture>,
    pub labels: Vec<usize>,
}

/// The pictures that adapters are trained on, those that settings are chosen on, and those of the results.
pub(crate) struct Splits {
    pub train: Digits,
    pub validation: Digits,
    pub test: Digits,
}

impl Digits {
    /// Reads the sheet and the labels that `tools/digits_sheet.py` wrote.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let sheet = dir.join("digits.png");
        let image = image::open(&sheet).map_err(|e| format!("{}: {e}", sheet.display()))?;
        let image = image.into_luma8();
        let path = dir.join("labels.txt");
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let labels: Vec<usize> = (text.chars())
            .filter_map(|c| c.to_digit(10).map(|digit| digit as usize))
            .collect();
        let columns = (image.width() as usize / SIDE).max(1);
        if labels.len().div_ceil(columns) * SIDE > image.height() as usize {
            let (path, count) = (path.display(), labels.len());
            return Err(format!("{path}: {count} labels, more than the sheet has pictures").into());
        }
        let pictures = (0..labels.len())
            .map(|i| {
                let (left, top) = (SIDE * (i % columns), SIDE * (i / columns));
                let pixel = |p| ((left + p % SIDE) as u32, (top + p / SIDE) as u32);
                std::array::from_fn(|p| f32::from(image[pixel(p)].0[0]) / 240.0)
            })
            .collect();
        Ok(Self { pictures, labels })
    }

    /// Three disjoint parts that `seed` picks: 55 % to train on, 20 % to choose settings on, 25 % for the results.
    pub(crate) fn split(&self, seed: u64) -> Splits {
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (train, rest) = order.split_at(order.len() * 55 / 100);
        let (validation, test) = rest.split_at(rest.len() * 4 / 9);
        let part = |numbers: &[usize]| Self {
            pictures: numbers.iter().map(|&i| self.pictures[i]).collect(),
            labels: numbers.iter().map(|&i| self.labels[i]).collect(),
        };
        Splits {
            train: part(train),
            validation: part(validation),
            test: part(test),
        }
    }
}

/// What is done to all pictures of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transform {
    Plain,
    UpsideDown,
    Mirrored,
    Inverted,
    Thin,
    Thick,
    Left,
    Down,
    Noisy,
    Rotated,
    Faint,
}

impl Transform {
    pub(crate) const ALL: [Self; 11] = [
        Self::Plain,
        Self::UpsideDown,
        Self::Mirrored,
        Self::Inverted,
        Self::Thin,
        Self::Thick,
        Self::Left,
        Self::Down,
        Self::Noisy,
        Self::Rotated,
        Self::Faint,
    ];

    /// The transformed picture; `number` is the picture's own, from which its noise is drawn.
    pub(crate) fn apply(self, picture: &Picture, number: usize) -> Picture {
        let at = |x: usize, y: usize| picture[y * SIDE + x];
        let around = |x: usize, y: usize| {
            let near = |v: usize| v.saturating_sub(1)..(v + 2).min(SIDE);
            near(y).flat_map(move |y| near(x).map(move |x| picture[y * SIDE + x]))
        };
        let last = SIDE - 1;
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        std::array::from_fn(|p| {
            let (x, y) = (p % SIDE, p / SIDE);
            match self {
                Self::Plain => at(x, y),
                Self::UpsideDown => at(last - x, last - y),
                Self::Mirrored => at(last - x, y),
                Self::Inverted => 1.0 - at(x, y),
                // Darker than the surroundings, and darkest in the surroundings.
                Self::Thin => {
                    let (sum, count) = around(x, y).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
                    (2.0 * (at(x, y) - sum / count)).clamp(0.0, 1.0)
                }
                Self::Thick => around(x, y).fold(0.0, f32::max),
                Self::Left => {
                    if x + 2 < SIDE {
                        at(x + 2, y)
                    } else {
                        0.0
                    }
                }
                Self::Down => {
                    if y >= 2 {
                        at(x, y - 2)
                    } else {
                        0.0
                    }
                }
                Self::Noisy => at(x, y) + 0.6 * (rng.random::<f32>() - 0.5),
                Self::Rotated => at(y, last - x),
                Self::Faint => 0.35 * at(x, y) + 0.4,
            }
        })
    }
}
