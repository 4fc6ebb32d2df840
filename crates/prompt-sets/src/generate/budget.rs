use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::chat::{ChatReply, ChatRequest};
use resumable_runs::workers::lock;

/// The prices of a chat model, in any currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// The price of a million prompt tokens.
    pub prompt: f64,
    /// The price of a million completion tokens.
    pub completion: f64,
}

impl Price {
    /// The cost of these tokens.
    pub fn of(&self, prompt_tokens: u64, completion_tokens: u64) -> f64 {
        (self.prompt * prompt_tokens as f64 + self.completion * completion_tokens as f64) / 1e6
    }
}

/// Limits of a generation, over all runs that share a journal. A request is sent only if its longest answer would still be
/// within them.
///
/// The possible cost of an attempt without an answer counts as spent, even if its request failed for good. Only the first
/// attempt of a request is reserved in advance, though: if a server fails after it charged, the requests in progress when a
/// limit is reached can exceed it by their repeated attempts, once. After that nothing is sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// The model's prices; zero for a server of your own.
    pub price: Price,
    /// The largest cost, in the currency of the price.
    pub max_cost: Option<f64>,
    /// The largest number of tokens, prompt and completion together.
    pub max_tokens: Option<u64>,
    /// The largest number of requests.
    pub max_requests: Option<u64>,
}

/// Requests and tokens that have been used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests that were answered, and abandoned ones that may have been served.
    pub requests: u64,
    /// Tokens of questions, estimated at one token per three bytes if the server does not count them. Attempts without an
    /// answer are included.
    pub prompt_tokens: u64,
    /// Tokens of answers, likewise.
    pub completion_tokens: u64,
}

impl Spent {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self
                .completion_tokens
                .saturating_add(other.completion_tokens),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            prompt_tokens: self.prompt_tokens.saturating_sub(other.prompt_tokens),
            completion_tokens: self
                .completion_tokens
                .saturating_sub(other.completion_tokens),
        }
    }

    /// The most that `request` can use.
    pub(super) fn worst(request: &ChatRequest) -> Self {
        Self {
            requests: 1,
            prompt_tokens: tokens(&request.system) + tokens(&request.user),
            completion_tokens: request.max_tokens.into(),
        }
    }

    /// The most that a failed `request` used, after so many attempts without an answer.
    pub(super) fn lost(request: &ChatRequest, unanswered: u32) -> Self {
        let (worst, lost) = (Self::worst(request), u64::from(unanswered));
        Self {
            requests: lost.min(1),
            prompt_tokens: worst.prompt_tokens.saturating_mul(lost),
            completion_tokens: worst.completion_tokens.saturating_mul(lost),
        }
    }

    /// What `reply` used.
    pub(super) fn of(request: &ChatRequest, reply: &ChatReply) -> Self {
        let worst = Self::worst(request);
        let prompt = reply.prompt_tokens.unwrap_or(worst.prompt_tokens);
        let lost = u64::from(reply.unanswered);
        Self {
            requests: 1,
            prompt_tokens: prompt.saturating_mul(lost + 1),
            completion_tokens: reply
                .completion_tokens
                .unwrap_or_else(|| tokens(&reply.text))
                .saturating_add(worst.completion_tokens.saturating_mul(lost)),
        }
    }
}

/// A token is three to four bytes of English. The smaller figure errs towards spending less.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(3)
}

/// The budget, with what has been spent and what requests in progress may spend.
#[derive(Debug)]
pub(super) struct Purse {
    budget: Budget,
    used: Mutex<Spent>,
}

impl Purse {
    pub(super) fn new(budget: Budget, spent: Spent) -> Self {
        Self {
            budget,
            used: Mutex::new(spent),
        }
    }

    /// Reserves the most that `request` can use. Returns `false` if the budget does not allow it.
    pub(super) fn reserve(&self, request: &ChatRequest) -> bool {
        let mut used = lock(&self.used);
        let after = used.plus(Spent::worst(request));
        let budget = &self.budget;
        let cost = budget
            .price
            .of(after.prompt_tokens, after.completion_tokens);
        let tokens = after.prompt_tokens.saturating_add(after.completion_tokens);
        let fits = budget.max_cost.is_none_or(|max| cost <= max)
            && budget.max_tokens.is_none_or(|max| tokens <= max)
            && budget.max_requests.is_none_or(|max| after.requests <= max);
        if fits {
            *used = after;
        }
        fits
    }

    /// Replaces what was reserved by what was used.
    pub(super) fn settle(&self, request: &ChatRequest, spent: Spent) {
        let mut used = lock(&self.used);
        *used = used.minus(Spent::worst(request)).plus(spent);
    }
}
