//! Prompts that are far from what the weight generator learned from.

use denoised_weights::{PromptEncoder, PromptNeighbours};
use weight_blocks::Zoo;

use crate::Result;

/// A warning for each of `prompts` that is far from all prompts of the zoo, as the playground shows it.
///
/// # Errors
/// As [`PromptNeighbours::of_zoo`].
pub fn far_prompts<'a>(
    zoo: &Zoo,
    encoder: &PromptEncoder,
    prompts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<String>> {
    let neighbours = PromptNeighbours::of_zoo(zoo, encoder)?;
    let mut warnings = Vec::new();
    for prompt in prompts {
        let nearest = neighbours.nearest(encoder, prompt, 1)?;
        warnings.extend(neighbours.warning(prompt, &nearest));
    }
    Ok(warnings)
}
