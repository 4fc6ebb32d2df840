use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::Spent;
use super::screen::{Dropped, Screening};

/// How a chat model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorSettings {
    /// Entries asked for at once. Default: 25.
    pub per_request: usize,
    /// The longest answer in tokens. Default: 1024.
    pub max_tokens: u32,
    /// Requests in a row without anything new after which a category, or a concept, is given up. Default: 3.
    pub dry_requests: usize,
    /// Requests under way at a time, when paraphrasing. Default: 4.
    pub workers: usize,
    /// Shortest time between two requests, not counting a request's repeated attempts. Default: none.
    pub interval: Duration,
    /// What is refused.
    pub screening: Screening,
    /// Seed of the requests' seeds.
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
    /// Everything that was asked for is there.
    Complete,
    /// The model had nothing new to say.
    Dry,
    /// What filters refused was asked for again as often as [`Refill`](super::Refill) allows.
    Rounds,
    /// The next request might have exceeded the [`Budget`](super::Budget).
    Budget,
}

/// What a generation did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Why it ended.
    pub stop: Stop,
    /// Texts added.
    pub added: usize,
    /// Texts refused.
    pub dropped: Vec<Dropped>,
    /// What the journal's requests used, this run's and earlier ones'.
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
