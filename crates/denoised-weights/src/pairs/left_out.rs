//! Concepts that a training must not draw.

use std::collections::BTreeSet;

use concepts::Concept;
use image::{Rgb, RgbImage};

/// Side of the image on which edits are compared.
const PROBE: u32 = 32;
/// Edits are the same to the eye if the probe's values differ by less than this on average, of 255.
const SAME_LOOK: f64 = 4.0;

/// Concepts that are held out, known by the words of their prompts and by what their edits look like.
#[derive(Clone, Default)]
pub(super) struct LeftOut {
    prompts: BTreeSet<Vec<String>>,
    looks: Vec<RgbImage>,
}

impl std::fmt::Debug for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.prompts).finish()
    }
}

impl LeftOut {
    pub(super) fn add(&mut self, concepts: &[Concept]) {
        let probe = probe();
        for concept in concepts {
            self.prompts.insert(words(&concept.prompt));
            self.looks.push(concept.apply(&probe));
        }
    }

    /// The words of each prompt, in alphabetical order.
    pub(super) fn prompts(&self) -> impl Iterator<Item = &[String]> {
        self.prompts.iter().map(Vec::as_slice)
    }

    pub(super) fn len(&self) -> usize {
        self.looks.len()
    }

    /// Whether one of the concepts has the words of `prompt` or of the concept's own prompt, in any order, or an edit that
    /// looks like the concept's.
    pub(super) fn has(&self, concept: &Concept, prompt: &str) -> bool {
        if self.looks.is_empty() {
            return false;
        }
        let known = |prompt: &str| self.prompts.contains(&words(prompt));
        known(prompt) || known(&concept.prompt) || {
            let look = concept.apply(&probe());
            (self.looks.iter()).any(|other| mean_difference(&look, other) < SAME_LOOK)
        }
    }
}

/// The words of a prompt in alphabetical order.
fn words(prompt: &str) -> Vec<String> {
    let mut words: Vec<String> = prompt
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.sort_unstable();
    words
}

/// Slopes and waves of all tones, in colours that change from pixel to pixel.
fn probe() -> RgbImage {
    RgbImage::from_fn(PROBE, PROBE, |x, y| {
        let wave = 40.0 * (0.7 * x as f32).sin() * (0.5 * y as f32).cos();
        let tone = |slope: u32, share: f32| (7.0 * slope as f32 + 16.0 + share * wave) as u8;
        Rgb([
            tone(x, 0.5),
            tone(y, 1.0),
            tone((x + PROBE - 1 - y) / 2, -0.5),
        ])
    })
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    let pairs = a.as_raw().iter().zip(b.as_raw());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use concepts::{art_concepts, find};

    use super::*;

    #[test]
    fn words_and_looks_are_known_again() {
        let list = art_concepts();
        let held_out = find(&list, "teal-charcoal-sketch").unwrap();
        let mut left_out = LeftOut::default();
        assert!(!left_out.has(held_out, &held_out.prompt));
        left_out.add(std::slice::from_ref(held_out));
        let other = find(&list, "sepia-photograph").unwrap();
        assert!(!left_out.has(other, &other.prompt));
        // The words in another order, for another edit.
        assert!(left_out.has(other, "charcoal sketch, teal"));
        // The edit under another name.
        let renamed = Concept {
            prompt: "something else".to_owned(),
            ..held_out.clone()
        };
        assert!(left_out.has(&renamed, &renamed.prompt));
    }
}
