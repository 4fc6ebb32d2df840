use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::Spent;
use crate::screen::{Dropped, Screening};

/// How a chat model is asked, and what is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorSettings {
    /// Entries per request. Default: 25.
    pub per_request: usize,
    /// The longest answer in tokens. Default: 1024.
    pub max_tokens: u32,
    /// A category, or a concept, is abandoned after so many requests in a row without anything new. Default: 3.
    pub dry_requests: usize,
    /// Requests in progress at a time, for paraphrases. Default: 4.
    pub workers: usize,
    /// The shortest time between two requests, not counting repeated attempts. Default: none.
    pub interval: Duration,
    /// Limits on the texts.
    pub screening: Screening,
    /// The seed of the first request; later ones count up from it.
    pub seed: u64,
}

impl Default for GeneratorSettings {
    fn default() -> Self {
        Self {
            per_request: 25,
            max_tokens: 1024,
            dry_requests: 3,
            workers: 4,
            interval: Duration::ZERO,
            screening: Screening::default(),
            seed: 0,
        }
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Everything wanted is there.
    Complete,
    /// The model had nothing new to say.
    Dry,
    /// Replacements for refused texts were requested as often as [`Refill`](super::Refill) allows.
    Rounds,
    /// The next request might have exceeded the [`Budget`](super::Budget).
    Budget,
}

/// The result of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Why it ended.
    pub stop: Stop,
    /// Texts added.
    pub added: usize,
    /// Texts refused.
    pub dropped: Vec<Dropped>,
    /// What the journal's requests used, in this run and earlier ones.
    pub spent: Spent,
}

/// Progress of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Texts there.
    pub done: usize,
    /// Texts wanted.
    pub wanted: usize,
    /// Requests in the journal.
    pub requests: u64,
}
