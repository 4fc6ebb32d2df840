use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::chat::{ChatReply, ChatRequest};
use crate::parallel::lock;

/// Prices of a chat model in any currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Of a million prompt tokens.
    pub prompt: f64,
    /// Of a million completion tokens.
    pub completion: f64,
}

impl Price {
    /// What so many tokens cost.
    pub fn of(&self, prompt_tokens: u64, completion_tokens: u64) -> f64 {
        (self.prompt * prompt_tokens as f64 + self.completion * completion_tokens as f64) / 1e6
    }
}

/// Limits of a generation, over all runs that share a journal. A request is sent only if its longest answer would
/// still be within them.
///
/// What an attempt without an answer may have cost counts as spent, also of a request that failed for good; but only
/// the first attempt of a request is set aside for. Where a server fails after it charged, the requests under way when
/// a limit is reached can exceed it by their repeated attempts, once; after that nothing is sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// The model's prices; zero for one's own server.
    pub price: Price,
    /// The most money, in the currency of the price.
    pub max_cost: Option<f64>,
    /// The most tokens, prompt and completion together.
    pub max_tokens: Option<u64>,
    /// The most requests.
    pub max_requests: Option<u64>,
}

/// What has been used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests that were answered, and those given up that may have been served.
    pub requests: u64,
    /// Tokens of questions. Estimated at a token per three bytes where a server does not count them; attempts without
    /// an answer are counted too.
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

    /// The most that a request can use.
    pub(super) fn worst(request: &ChatRequest) -> Self {
        Self {
            requests: 1,
            prompt_tokens: tokens(&request.system) + tokens(&request.user),
            completion_tokens: request.max_tokens.into(),
        }
    }

    /// What a request used at most that failed after so many attempts without an answer.
    pub(super) fn lost(request: &ChatRequest, unanswered: u32) -> Self {
        let (worst, lost) = (Self::worst(request), u64::from(unanswered));
        Self {
            requests: lost.min(1),
            prompt_tokens: worst.prompt_tokens.saturating_mul(lost),
            completion_tokens: worst.completion_tokens.saturating_mul(lost),
        }
    }

    /// What a reply used.
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

/// A token is three to four bytes of English; the smaller figure errs towards spending less.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(3)
}

/// The budget with what has been spent and what requests under way may spend.
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

    /// Sets the most that `request` can use aside; `false` when the budget does not allow it.
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

    /// Replaces what was set aside by what was used.
    pub(super) fn settle(&self, request: &ChatRequest, spent: Spent) {
        let mut used = lock(&self.used);
        *used = used.minus(Spent::worst(request)).plus(spent);
    }
}
