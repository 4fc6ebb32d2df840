//! Prompts that are far from what the weight generator learned from.

use denoised_weights::{PromptEncoder, PromptNeighbours};
use weight_blocks::Zoo;

use crate::Result;

/// For each of `prompts`, a warning if it is far from all prompts of the zoo, as the playground shows it.
///
/// # Errors
/// As [`PromptNeighbours::of_zoo`].
pub fn far_prompts<'a>(
    zoo: &Zoo,
    encoder: &PromptEncoder,
    prompts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Option<String>>> {
    let neighbours = PromptNeighbours::of_zoo(zoo, encoder)?;
    let warning = |prompt: &str| -> Result<Option<String>> {
        let nearest = neighbours.nearest(encoder, prompt, 1)?;
        Ok(neighbours.warning(prompt, &nearest))
    };
    prompts.into_iter().map(warning).collect()
}
