//! Concepts drawn for training steps, of a list or without end.

use concepts::Concept;
use concepts::grammar::{Grammar, Region};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::left_out::LeftOut;

/// Of concepts drawn without end, the share that comes from the list.
const LIST_SHARE: f64 = 0.25;
/// The share of the grammar's concepts that are named by a paraphrase.
const PARAPHRASED: f64 = 0.5;
/// Draws that one step can make.
const DRAWS_PER_STEP: u64 = 1 << 16;
/// Draws are repeated until one is not left out; each attempt has numbers of its own.
const ATTEMPT: u64 = 1 << 56;
/// After as many attempts, what is left out is all that there is to draw.
const ATTEMPTS: u64 = 200;

/// Draws concepts to train on: each of a list as often as the others, or most of them from the grammar of [`concepts`],
/// which has no end. What is drawn depends only on the seed, the stage, the step and the number of the draw.
#[derive(Debug, Clone)]
pub struct ConceptDraws {
    list: Vec<Concept>,
    endless: bool,
    /// How many concepts of the grammar there are to draw; all if `None`.
    limit: Option<u64>,
    seed: u64,
    left_out: LeftOut,
}

/// A drawn concept and the prompt by which a network is asked for it.
#[derive(Debug, Clone)]
pub struct DrawnPrompt {
    /// The prompt: the concept's own, or a paraphrase.
    pub prompt: String,
    /// The concept.
    pub concept: Concept,
}

impl ConceptDraws {
    /// The concepts of `list`.
    pub fn of_list(list: Vec<Concept>, seed: u64) -> Self {
        Self {
            list,
            endless: false,
            limit: None,
            seed,
            left_out: LeftOut::default(),
        }
    }

    /// A quarter from `list`, if it has concepts, and the others from the grammar's training region, half of them under
    /// a paraphrase of their prompt.
    pub fn endless(list: Vec<Concept>, seed: u64) -> Self {
        Self {
            endless: true,
            ..Self::of_list(list, seed)
        }
    }

    /// Draws at most `count` concepts of the grammar, again and again, each under its prompt or a paraphrase: to measure how
    /// much more concepts help. Those among them that are left out are not replaced.
    #[must_use]
    pub fn limited_to(mut self, count: u64) -> Self {
        self.limit = Some(count.max(1));
        self
    }

    /// Never draws these concepts: neither their prompts, whatever the order of the words, nor what looks like their edits.
    #[must_use]
    pub fn without(mut self, held_out: &[Concept]) -> Self {
        self.left_out.add(held_out);
        self
    }

    /// Draws others than the stage 0 of the same seed: a later training of a chain should not repeat those of an earlier one.
    #[must_use]
    pub fn for_stage(mut self, stage: u64) -> Self {
        self.seed ^= stage.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self
    }

    /// The draw `number` of `step`; none if there is nothing to draw from, or hardly anything that is not left out.
    pub fn draw(&self, step: u64, number: u64) -> Option<DrawnPrompt> {
        let draw = step.wrapping_mul(DRAWS_PER_STEP).wrapping_add(number);
        (0..ATTEMPTS)
            .map_while(|attempt| self.attempt(draw.wrapping_add(attempt.wrapping_mul(ATTEMPT))))
            .find(|drawn| !self.left_out.has(&drawn.concept, &drawn.prompt))
    }

    fn attempt(&self, draw: u64) -> Option<DrawnPrompt> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(draw);
        let from_list = rng.random::<f64>() < LIST_SHARE && !self.list.is_empty();
        match self.endless {
            true if !from_list => {
                let drawn = Grammar::new(Region::Training, self.seed)
                    .draw(self.limit.map_or(draw, |limit| rng.random_range(0..limit)));
                let paraphrase = match rng.random::<f64>() < PARAPHRASED {
                    true => drawn.paraphrases.choose(&mut rng),
                    false => None,
                };
                Some(DrawnPrompt {
                    prompt: paraphrase.unwrap_or(&drawn.concept.prompt).clone(),
                    concept: drawn.concept,
                })
            }
            _ => self.list.choose(&mut rng).map(|concept| DrawnPrompt {
                prompt: concept.prompt.clone(),
                concept: concept.clone(),
            }),
        }
    }

    /// The concepts of the list.
    pub(super) fn list(&self) -> &[Concept] {
        &self.list
    }

    /// The words of the prompts that are never drawn.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &[String]> {
        self.left_out.prompts()
    }

    /// What the draws are from, to tell one training from another.
    pub fn describe(&self) -> String {
        let list = format!("{} listed concepts", self.list.len());
        let grammar = match (self.endless, self.limit) {
            (false, _) => String::new(),
            (true, None) => " and the grammar".to_owned(),
            (true, Some(limit)) => format!(" and at most {limit} of the grammar"),
        };
        let left_out = match self.left_out.len() {
            0 => String::new(),
            held_out => format!(" without {held_out} held-out ones"),
        };
        format!("{list}{grammar}{left_out}, seed {}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use concepts::{Split, art_concepts};

    use super::*;

    #[test]
    fn draws_repeat_and_those_without_end_are_new_ones() {
        let list: Vec<Concept> = (art_concepts().into_iter())
            .filter(|concept| concept.split == Split::Train)
            .take(5)
            .collect();
        let known: BTreeSet<&str> = list.iter().map(|c| c.prompt.as_str()).collect();
        let prompts = |draws: &ConceptDraws| {
            let drawn = (1..=100).flat_map(|step| (0..4).map(move |i| (step, i)));
            drawn
                .map(|(step, i)| draws.draw(step, i).unwrap().prompt)
                .collect::<Vec<_>>()
        };
        let of_list = prompts(&ConceptDraws::of_list(list.clone(), 1));
        assert!(of_list.iter().all(|prompt| known.contains(prompt.as_str())));
        assert_eq!(of_list.iter().collect::<BTreeSet<_>>().len(), 5);

        let endless = prompts(&ConceptDraws::endless(list.clone(), 1));
        assert_eq!(endless, prompts(&ConceptDraws::endless(list.clone(), 1)));
        assert_ne!(endless, prompts(&ConceptDraws::endless(list.clone(), 2)));
        let from_list = (endless.iter())
            .filter(|prompt| known.contains(prompt.as_str()))
            .count();
        // 400 draws: 100 expected, 4 deviations are 35.
        assert!((65..135).contains(&from_list), "{from_list}");
        assert!(endless.iter().collect::<BTreeSet<_>>().len() > 290);

        let later = prompts(&ConceptDraws::endless(list.clone(), 1).for_stage(1));
        assert!(endless.iter().zip(&later).filter(|(a, b)| a == b).count() < 40);

        let few: BTreeSet<_> = {
            let draws = ConceptDraws::endless(Vec::new(), 1).limited_to(7);
            (1..=100)
                .map(|step| draws.draw(step, 0).unwrap().concept.prompt)
                .collect()
        };
        assert_eq!(few.len(), 7);
        let limited = ConceptDraws::endless(list.clone(), 1).limited_to(7);
        assert!(limited.describe().contains("at most 7 of the grammar"));

        assert!(ConceptDraws::of_list(Vec::new(), 1).draw(1, 0).is_none());
        assert!(ConceptDraws::endless(Vec::new(), 1).draw(1, 0).is_some());
    }

    #[test]
    fn what_is_left_out_is_not_drawn() {
        let draws = ConceptDraws::endless(Vec::new(), 1);
        let drawn: Vec<DrawnPrompt> = (0..300).filter_map(|step| draws.draw(step, 0)).collect();
        let held_out: Vec<Concept> = drawn[..20].iter().map(|d| d.concept.clone()).collect();
        let without = draws.without(&held_out);
        let left: Vec<DrawnPrompt> = (0..300).filter_map(|step| without.draw(step, 0)).collect();
        assert_eq!(left.len(), 300);
        for concept in &held_out {
            assert!(left.iter().all(|d| d.concept.prompt != concept.prompt));
        }
        // Most draws stay as they are.
        let pairs = drawn.iter().zip(&left);
        assert!(pairs.filter(|(a, b)| a.prompt == b.prompt).count() > 240);
        // Of few, those that are not left out remain.
        let few = ConceptDraws::endless(Vec::new(), 1).limited_to(3);
        let first = few.draw(1, 0).unwrap().concept;
        let without = few.without(std::slice::from_ref(&first));
        assert!((0..100).all(|step| without.draw(step, 0).unwrap().concept.prompt != first.prompt));
        // If nothing is left, nothing is drawn.
        let one = ConceptDraws::of_list(held_out[..1].to_vec(), 1).without(&held_out);
        assert!(one.draw(1, 0).is_none());
    }
}
