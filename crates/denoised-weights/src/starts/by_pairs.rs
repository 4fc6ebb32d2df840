//! The zoo's adapter that edits the training pairs best.

use std::fmt;

use finetune::{Initializer, PairSet, Start};
use weight_blocks::{Entry, NamedTensors, Zoo};

use super::failed;
use super::judge::{Rounds, best};
use crate::AdapterPredictor;
use crate::error::Result;

/// The zoo's adapter whose edits of the training pairs are nearest the targets, texture included: all on 4 of the pairs,
/// then the best 4 on 16.
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
        let rounds = Rounds::new(&base, self.pairs)?;
        let load = |entry: &Entry| Ok((entry.concept.clone(), self.zoo.load(entry)?));
        let zoo = (self.zoo.last_entries().into_iter())
            .map(load)
            .collect::<Result<Vec<_>>>()?;
        best(rounds.finish(rounds.first.rank(zoo)?)?)
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
