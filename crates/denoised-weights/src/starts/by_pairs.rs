//! The zoo's adapter that edits the training pairs best.

use std::fmt;

use finetune::{Initializer, PairSet, Start};
use weight_blocks::{NamedTensors, Zoo};

use super::failed;
use super::judge::Judge;
use crate::AdapterPredictor;
use crate::error::Result;

/// Pairs of the first round, in which every adapter is tried.
const GLANCED: usize = 4;
/// Pairs of the second round.
const JUDGED: usize = 16;
/// Adapters of the second round.
const FINALISTS: usize = 4;

/// The zoo's adapter whose edits of the training pairs are nearest the targets, texture included: all on 4 of the pairs, then
/// the best 4 on 16.
/// [`Starts::make`](super::Starts::make) makes it for [`StartKind::BestByPairs`](super::StartKind::BestByPairs).
pub struct BestByPairs<'a> {
    pub(super) predictor: &'a AdapterPredictor,
    pub(super) zoo: &'a Zoo,
    pub(super) pairs: &'a PairSet,
}

/// Without the networks and the images.
impl fmt::Debug for BestByPairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BestByPairs")
            .field("zoo", &self.zoo.dir())
            .field("pairs", &self.pairs.len())
            .finish_non_exhaustive()
    }
}

impl BestByPairs<'_> {
    fn find(&self, prompt: &str) -> Result<Start> {
        let base = self.predictor.prompted_base(prompt)?;
        let glance = Judge::new(&base, self.pairs, GLANCED)?;
        let mut found = Vec::new();
        for entry in self.zoo.last_entries() {
            let adapter = self.zoo.load(entry)?;
            found.push((glance.distance(&adapter)?, &entry.concept, adapter));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(FINALISTS);
        let adapters = found.iter().map(|(_, _, adapter)| adapter);
        let (best, _) = Judge::new(&base, self.pairs, JUDGED)?.best(adapters)?;
        let (_, concept, weights) = found
            .into_iter()
            .nth(best)
            .ok_or(finetune::Error::EmptyZoo)?;
        Ok(Start {
            weights,
            origin: Some(concept.clone()),
        })
    }
}

impl Initializer for BestByPairs<'_> {
    fn name(&self) -> &str {
        "best_by_pairs"
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        Ok(format!("best_by_pairs of zoo {:.12}", self.zoo.digest()))
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.find(prompt).map_err(|error| failed(self, error))
    }
}

/// The adapter of a concept of the zoo.
pub(super) fn adapter_of(zoo: &Zoo, concept: &str) -> Result<NamedTensors> {
    let entries = zoo.last_entries();
    let entry = entries.into_iter().find(|entry| entry.concept == concept);
    Ok(zoo.load(entry.ok_or(finetune::Error::EmptyZoo)?)?)
}
