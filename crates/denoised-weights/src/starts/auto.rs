//! A start chosen on the training pairs.

use std::cell::RefCell;
use std::time::Instant;

use finetune::{Initializer, Start};
use weight_blocks::NamedTensors;
use weight_blocks::WeightSpace;

use super::by_pairs::adapter_of;
use super::judge::Judge;
use super::{Starts, failed};
use crate::PromptNeighbours;
use crate::error::Result;
use crate::weights::{mix, with_strength};

/// Pairs that the candidates are compared on.
const JUDGED: usize = 16;
/// Pairs that the zoo's adapters are tried on first.
const GLANCED: usize = 4;
/// Zoo concepts that are tried, those with the most similar prompts.
const TRIED: usize = 16;
/// Strengths of the prediction.
const STRENGTHS: [f32; 4] = [0.5, 0.75, 1.0, 1.25];
/// Shares of the prediction in its mixtures with the zoo's best adapter.
const SHARES: [f32; 2] = [0.33, 0.67];

/// The start whose edits of some training pairs are nearest the targets, by L1 and texture: of the prompted base, the
/// prediction at several strengths, the zoo's adapters with the most similar prompts, and mixtures of both. It costs
/// forward passes, no training.
#[derive(Debug)]
pub struct AutoStart<'a> {
    starts: Starts<'a>,
    last: RefCell<Option<AutoChoice>>,
}

/// What an [`AutoStart`] compared.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoChoice {
    /// The candidates with the distances of their edits from the targets (L1 and texture, in units of the −1..1 range), the
    /// chosen one first.
    pub candidates: Vec<(String, f64)>,
    /// Seconds that the choice took.
    pub seconds: f64,
}

impl<'a> AutoStart<'a> {
    /// Chooses on the pairs of `starts`.
    pub fn new(starts: Starts<'a>) -> Self {
        Self {
            starts,
            last: RefCell::new(None),
        }
    }

    /// The last choice.
    pub fn take_choice(&self) -> Option<AutoChoice> {
        self.last.take()
    }

    fn choose(&self, prompt: &str) -> Result<Start> {
        let started = Instant::now();
        let Starts {
            predictor, pairs, ..
        } = self.starts;
        let base = predictor.prompted_base(prompt)?;
        let judge = Judge::new(&base, pairs, JUDGED)?;
        let glance = Judge::new(&base, pairs, GLANCED)?;

        let predicted = self.starts.denoised().start(prompt)?.weights;
        let mut candidates = vec![("prompted base".to_owned(), base.generator.read_weights()?)];
        for strength in STRENGTHS {
            let weights = with_strength(&base, &predicted, strength)?;
            candidates.push((format!("generated × {strength}"), weights));
        }
        if let Some((concept, adapter)) = self.best_of_zoo(prompt, &glance)? {
            for share in SHARES {
                let weights = mix(&adapter, &predicted, share)?;
                let (generated, rest) = (100.0 * share, 100.0 * (1.0 - share));
                let name =
                    format!("{generated:.0} % generated + {rest:.0} % zoo concept {concept}");
                candidates.push((name, weights));
            }
            candidates.push((concept, adapter));
        }
        let (best, values) = judge.best(candidates.iter().map(|(_, weights)| weights))?;
        let (name, weights) = candidates[best].clone();
        let names = candidates.into_iter().map(|(name, _)| name);
        let mut candidates: Vec<(String, f64)> = names.zip(values).collect();
        candidates.sort_by(|a, b| a.1.total_cmp(&b.1));
        self.last.replace(Some(AutoChoice {
            candidates,
            seconds: started.elapsed().as_secs_f64(),
        }));
        Ok(Start {
            weights,
            origin: Some(name),
        })
    }

    /// The best on a few pairs of the zoo's adapters with similar prompts; none if the zoo is empty.
    fn best_of_zoo(&self, prompt: &str, glance: &Judge) -> Result<Option<(String, NamedTensors)>> {
        let zoo = self.starts.zoo;
        if zoo.entries().is_empty() {
            return Ok(None);
        }
        let encoder = self.starts.predictor.encoder();
        let neighbours = PromptNeighbours::of_zoo(zoo, encoder)?;
        let mut near = (neighbours.nearest(encoder, prompt, TRIED)?.into_iter())
            .map(|neighbour| Ok((adapter_of(zoo, &neighbour.concept)?, neighbour.concept)))
            .collect::<Result<Vec<_>>>()?;
        let (best, _) = glance.best(near.iter().map(|(adapter, _)| adapter))?;
        let (adapter, concept) = near.swap_remove(best);
        Ok(Some((concept, adapter)))
    }
}

impl Initializer for AutoStart<'_> {
    fn name(&self) -> &str {
        "auto"
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        let name = format!("auto of zoo {:.12}", self.starts.zoo.digest());
        self.starts.identity(&name)
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.choose(prompt).map_err(|error| failed(self, error))
    }
}
