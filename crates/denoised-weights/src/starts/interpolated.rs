//! Between the two zoo concepts whose prompts are most similar.

use std::fmt;

use finetune::{Initializer, Start};
use weight_blocks::Zoo;

use super::by_pairs::adapter_of;
use super::failed;
use crate::error::Result;
use crate::weights::mix;
use crate::{Error, PromptEncoder, PromptNeighbours};

/// The adapters of the two most similar prompts, mixed in the ratio of their similarities.
pub struct Interpolated<'a> {
    zoo: &'a Zoo,
    encoder: &'a PromptEncoder,
    neighbours: PromptNeighbours,
}

/// Without the weights.
impl fmt::Debug for Interpolated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpolated")
            .field("zoo", &self.zoo.dir())
            .field("neighbours", &self.neighbours)
            .finish_non_exhaustive()
    }
}

impl<'a> Interpolated<'a> {
    /// Encodes the prompts of a zoo.
    ///
    /// # Errors
    /// As [`PromptNeighbours::of_zoo`].
    pub fn from_zoo(zoo: &'a Zoo, encoder: &'a PromptEncoder) -> Result<Self> {
        Ok(Self {
            zoo,
            encoder,
            neighbours: PromptNeighbours::of_zoo(zoo, encoder)?,
        })
    }

    fn between(&self, prompt: &str) -> Result<Start> {
        let near = self.neighbours.nearest(self.encoder, prompt, 2)?;
        let [first, second] = near.as_slice() else {
            return Err(Error::TooFewConcepts { found: near.len() });
        };
        let [a, b] = [first.similarity, second.similarity].map(|s| s.max(f32::EPSILON));
        let (from, to) = (
            adapter_of(self.zoo, &first.concept)?,
            adapter_of(self.zoo, &second.concept)?,
        );
        Ok(Start {
            weights: mix(&from, &to, b / (a + b))?,
            origin: Some(format!("{} and {}", first.concept, second.concept)),
        })
    }
}

impl Initializer for Interpolated<'_> {
    fn name(&self) -> &str {
        "interpolated"
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        Ok(format!("interpolated of zoo {:.12}", self.zoo.digest()))
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.between(prompt).map_err(|error| failed(self, error))
    }
}
