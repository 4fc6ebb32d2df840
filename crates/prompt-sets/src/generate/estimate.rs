use serde::{Deserialize, Serialize};

use super::budget::Spent;
use super::generator::{Generator, KNOWN, known_count};
use crate::Category;
use crate::PromptSet;
use crate::chat::ChatRequest;

/// The requests, tokens and cost of a generation, estimated before it begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Requests, if every answer has the requested length and no entry is refused.
    pub requests: u64,
    /// Prompt tokens of these requests.
    pub prompt_tokens: u64,
    /// Completion tokens, at two per word.
    pub completion_tokens: u64,
    /// Their cost.
    pub cost: f64,
    /// The cost if every answer has [`GeneratorSettings::max_tokens`](super::GeneratorSettings::max_tokens) tokens.
    pub cost_at_most: f64,
}

impl Generator<'_> {
    /// An estimate for [`concepts`](Self::concepts) followed by [`paraphrases`](Self::paraphrases).
    pub fn estimate(
        &self,
        set: &PromptSet,
        concepts: &[(Category, usize)],
        paraphrases: &[(Category, usize)],
    ) -> Estimate {
        let mut estimate = Estimate::default();
        let per = self.settings.per_request.max(1);
        let mut add = |request: &ChatRequest, count: usize, times: usize| {
            let (times, worst) = (times as u64, Spent::worst(request));
            let words = count * self.settings.screening.max_words / 2;
            let answer = (2 * words as u64).min(worst.completion_tokens);
            estimate.requests += times;
            estimate.prompt_tokens += times * worst.prompt_tokens;
            estimate.completion_tokens += times * answer;
            let price = self.budget.price;
            estimate.cost += times as f64 * price.of(worst.prompt_tokens, answer);
            estimate.cost_at_most +=
                times as f64 * price.of(worst.prompt_tokens, worst.completion_tokens);
        };
        for &(category, count) in concepts {
            let have = known_count(set, category);
            let missing = count.saturating_sub(have);
            if missing > 0 {
                // On average, half of the list of known entries.
                let known = vec!["known entry"; (count / 2).min(KNOWN)];
                add(
                    &self.generate_request(category, missing, &known, 0),
                    missing.min(per),
                    missing.div_ceil(per),
                );
            }
        }
        for &(category, count) in paraphrases {
            let planned = concepts
                .iter()
                .find(|(c, _)| *c == category)
                .map_or(0, |(_, count)| *count);
            let members = known_count(set, category).max(planned);
            let user = self
                .templates
                .paraphrase(category, "some concept", count.min(per), 8);
            add(
                &self.request(user, 0),
                count.min(per),
                members * count.div_ceil(per),
            );
        }
        estimate
    }
}
