//! A start chosen on the training pairs.

use std::cell::RefCell;
use std::time::Instant;

use finetune::{Initializer, Start};
use weight_blocks::WeightSpace;

use super::by_pairs::adapter_of;
use super::judge::{Judge, Judged, Rounds, best, sort};
use super::{Starts, failed};
use crate::PromptNeighbours;
use crate::error::Result;
use crate::weights::{mix, with_strength};

/// Zoo concepts that are tried, those with the most similar prompts.
const TRIED: usize = 16;
/// The best of them, which are mixed with the prediction.
const MIXED: usize = 3;
/// Strengths of the prediction.
const STRENGTHS: [f32; 4] = [0.5, 0.75, 1.0, 1.25];
/// Shares of the prediction in the mixtures.
const SHARES: [f32; 2] = [0.33, 0.67];

/// The start whose edits of some training pairs are nearest the targets, by L1 and texture: of the prompted base, the
/// prediction at several strengths, the zoo's adapters with the most similar prompts, and mixtures of both. All are compared
/// on 4 pairs, then the best 4 on 16. It costs forward passes, no training.
#[derive(Debug)]
pub struct AutoStart<'a> {
    starts: Starts<'a>,
    last: RefCell<Option<AutoChoice>>,
}

/// What an [`AutoStart`] compared.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoChoice {
    /// The chosen candidate first, then the others of the second round, and those that only the first round measured; the
    /// best of each first.
    pub candidates: Vec<AutoCandidate>,
    /// Seconds that the choice took.
    pub seconds: f64,
}

/// A candidate of an [`AutoStart`].
#[derive(Debug, Clone, PartialEq)]
pub struct AutoCandidate {
    /// What it is.
    pub name: String,
    /// The distance of its edits from the targets (L1 and texture, in units of the −1..1 range).
    pub distance: f64,
    /// The number of pairs on which the distance was measured.
    pub pairs: usize,
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
        let rounds = Rounds::new(&base, pairs)?;

        let predicted = self.starts.denoised().start(prompt)?.weights;
        let mut candidates = vec![("prompted base".to_owned(), base.generator.read_weights()?)];
        for strength in STRENGTHS {
            let weights = with_strength(&base, &predicted, strength)?;
            candidates.push((format!("generated × {strength}"), weights));
        }
        let zoo = self.near_of_zoo(prompt, &rounds.first)?;
        for adapter in zoo.iter().take(MIXED) {
            for share in SHARES {
                let weights = mix(&adapter.weights, &predicted, share)?;
                let (generated, rest) = (100.0 * share, 100.0 * (1.0 - share));
                let concept = &adapter.name;
                let name =
                    format!("{generated:.0} % generated + {rest:.0} % zoo concept {concept}");
                candidates.push((name, weights));
            }
        }
        let mut ranked = rounds.first.rank(candidates)?;
        ranked.extend(zoo);
        sort(&mut ranked);
        let ranked = rounds.finish(ranked)?;
        self.last.replace(Some(AutoChoice {
            candidates: ranked.iter().map(AutoCandidate::from).collect(),
            seconds: started.elapsed().as_secs_f64(),
        }));
        best(ranked)
    }

    /// The zoo's adapters with similar prompts, as the first round ranks them; none if the zoo is empty.
    fn near_of_zoo(&self, prompt: &str, judge: &Judge) -> Result<Vec<Judged>> {
        let zoo = self.starts.zoo;
        if zoo.entries().is_empty() {
            return Ok(Vec::new());
        }
        let encoder = self.starts.predictor.encoder();
        let neighbours = PromptNeighbours::of_zoo(zoo, encoder)?;
        let near = (neighbours.nearest(encoder, prompt, TRIED)?.into_iter())
            .map(|near| Ok((near.concept.clone(), adapter_of(zoo, &near.concept)?)))
            .collect::<Result<Vec<_>>>()?;
        judge.rank(near)
    }
}

impl From<&Judged> for AutoCandidate {
    fn from(judged: &Judged) -> Self {
        Self {
            name: judged.name.clone(),
            distance: judged.distance,
            pairs: judged.pairs,
        }
    }
}

impl Initializer for AutoStart<'_> {
    fn name(&self) -> &str {
        "auto"
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        let name = format!("auto in two rounds of zoo {:.12}", self.starts.zoo.digest());
        self.starts.identity(&name)
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.choose(prompt).map_err(|error| failed(self, error))
    }
}
