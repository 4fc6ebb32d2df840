//! Concepts drawn for training steps, of a list or without end.

use concepts::Concept;
use concepts::grammar::{Grammar, Region};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Of concepts drawn without end, the share that comes from the list.
const LIST_SHARE: f64 = 0.25;
/// The share of the grammar's concepts that are named by a paraphrase.
const PARAPHRASED: f64 = 0.5;
/// Draws that one step can make.
const DRAWS_PER_STEP: u64 = 1 << 16;

/// Draws concepts to train on: each of a list as often as the others, or most of them from the grammar of [`concepts`],
/// which has no end. What is drawn depends only on the seed, the step and the number of the draw.
#[derive(Debug, Clone)]
pub struct ConceptDraws {
    list: Vec<Concept>,
    grammar: Option<Grammar>,
    seed: u64,
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
            grammar: None,
            seed,
        }
    }

    /// A quarter from `list`, if it has concepts, and the others from the grammar's training region, half of them under
    /// a paraphrase of their prompt.
    pub fn endless(list: Vec<Concept>, seed: u64) -> Self {
        Self {
            list,
            grammar: Some(Grammar::new(Region::Training, seed)),
            seed,
        }
    }

    /// The draw `number` of `step`; none if there is nothing to draw from.
    pub fn draw(&self, step: u64, number: u64) -> Option<DrawnPrompt> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let draw = step.wrapping_mul(DRAWS_PER_STEP).wrapping_add(number);
        rng.set_stream(draw);
        let from_list = rng.random::<f64>() < LIST_SHARE && !self.list.is_empty();
        match &self.grammar {
            Some(grammar) if !from_list => {
                let drawn = grammar.draw(draw);
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

    /// What the draws are from, to tell one training from another.
    pub fn describe(&self) -> String {
        let list = format!("{} listed concepts", self.list.len());
        match self.grammar {
            Some(_) => format!("{list} and the grammar, seed {}", self.seed),
            None => format!("{list}, seed {}", self.seed),
        }
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

        assert!(ConceptDraws::of_list(Vec::new(), 1).draw(1, 0).is_none());
        assert!(ConceptDraws::endless(Vec::new(), 1).draw(1, 0).is_some());
    }
}
