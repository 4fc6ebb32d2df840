//! Which prompts of a zoo a prompt is like.

use std::collections::BTreeMap;
use std::fmt;

use weight_blocks::Zoo;

use crate::PromptEncoder;
use crate::error::Result;

/// The share of a zoo's own prompts that count as far from the others.
const FAR_SHARE: f64 = 0.05;

/// A concept of a zoo, and how similar its prompt is to another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// Name of the concept.
    pub concept: String,
    /// Its prompt.
    pub prompt: String,
    /// Cosine of the angle between the encoder's pooled vectors, 1 for equal prompts.
    pub similarity: f32,
}

/// The prompts of a zoo as vectors.
pub struct PromptNeighbours {
    /// Sorted by concept.
    concepts: Vec<(String, String, Vec<f32>)>,
    far_below: f32,
}

/// Without the vectors.
impl fmt::Debug for PromptNeighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptNeighbours")
            .field("concepts", &self.concepts.len())
            .field("far_below", &self.far_below)
            .finish_non_exhaustive()
    }
}

impl PromptNeighbours {
    /// Encodes the prompt of each concept of the zoo. In an empty zoo, no prompt has a neighbour.
    ///
    /// # Errors
    /// Returns [`Error::Text`](crate::Error::Text) if the encoder knows no word of a prompt.
    pub fn of_zoo(zoo: &Zoo, encoder: &PromptEncoder) -> Result<Self> {
        let prompts: BTreeMap<&str, &str> = (zoo.entries().iter())
            .map(|entry| (entry.concept.as_str(), entry.prompt.as_str()))
            .collect();
        let concepts = prompts
            .into_iter()
            .map(|(name, prompt)| Ok((name.to_owned(), prompt.to_owned(), encoder.pooled(prompt)?)))
            .collect::<Result<Vec<_>>>()?;
        let far_below = far_below(&concepts);
        Ok(Self {
            concepts,
            far_below,
        })
    }

    /// The number of concepts.
    pub fn len(&self) -> usize {
        self.concepts.len()
    }

    /// Whether there are no concepts.
    pub fn is_empty(&self) -> bool {
        self.concepts.is_empty()
    }

    /// The `count` concepts whose prompts are most similar to `prompt`, the most similar first.
    ///
    /// # Errors
    /// Returns [`Error::Text`](crate::Error::Text) if the encoder knows no word of the prompt.
    pub fn nearest(
        &self,
        encoder: &PromptEncoder,
        prompt: &str,
        count: usize,
    ) -> Result<Vec<Neighbour>> {
        let own = encoder.pooled(prompt)?;
        let mut found: Vec<(f32, usize)> = (self.concepts.iter().enumerate())
            .map(|(index, (_, _, vector))| (dot(&own, vector), index))
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let named = |(similarity, index): (f32, usize)| Neighbour {
            concept: self.concepts[index].0.clone(),
            prompt: self.concepts[index].1.clone(),
            similarity,
        };
        Ok(found.into_iter().take(count).map(named).collect())
    }

    /// A prompt whose nearest neighbour is less similar than this is far from all that the zoo holds: of the zoo's own
    /// prompts, one in twenty is as far from all others.
    pub fn far_below(&self) -> f32 {
        self.far_below
    }

    /// A warning for people if even the first of `nearest`, as [`PromptNeighbours::nearest`] gives them for `prompt`, is
    /// less similar than [`PromptNeighbours::far_below`].
    pub fn warning(&self, prompt: &str, nearest: &[Neighbour]) -> Option<String> {
        let nearest = nearest.first()?;
        (nearest.similarity < self.far_below).then(|| {
            format!(
                "“{prompt}” is far from everything that the model was trained on: the most similar training prompt, \
                 “{}”, has similarity {:.2}. Below {:.2}, the result may have little to do with your words.",
                nearest.prompt, nearest.similarity, self.far_below
            )
        })
    }
}

/// The similarity that [`FAR_SHARE`] of the prompts do not reach with any other.
fn far_below(concepts: &[(String, String, Vec<f32>)]) -> f32 {
    let mut nearest: Vec<f32> = (concepts.iter())
        .map(|(_, prompt, vector)| {
            let others = concepts.iter().filter(|other| other.1 != *prompt);
            others
                .map(|other| dot(vector, &other.2))
                .fold(-1.0, f32::max)
        })
        .collect();
    nearest.sort_by(f32::total_cmp);
    let at = (nearest.len() as f64 * FAR_SHARE) as usize;
    nearest.get(at).copied().unwrap_or(-1.0)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
