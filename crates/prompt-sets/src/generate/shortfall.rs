use std::fmt;

use serde::{Deserialize, Serialize};

use super::outcome::Stop;
use crate::Category;
use crate::screen::Reason;

/// The texts that were refused for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The reason.
    pub reason: Reason,
    /// The number of texts.
    pub count: usize,
}

/// A category with fewer concepts than wanted. `Display` says how many are missing and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The category.
    pub category: Category,
    /// Concepts wanted.
    pub wanted: usize,
    /// Concepts that there are.
    pub have: usize,
    /// Why no more were requested.
    pub stop: Stop,
    /// The number of rounds of asking again.
    pub rounds: usize,
    /// What was refused.
    pub lost: Vec<Loss>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: {} of {} concepts, {} missing: ",
            self.category.name(),
            self.have,
            self.wanted,
            self.wanted.saturating_sub(self.have)
        )?;
        match self.stop {
            Stop::Budget => write!(out, "the budget is used up; raise it and run again")?,
            Stop::Dry => write!(
                out,
                "the model had nothing new to say; add a list, or ask another model"
            )?,
            Stop::Rounds | Stop::Complete => write!(
                out,
                "filters refused too much in {} rounds; allow more, or loosen a filter",
                self.rounds
            )?,
        }
        let lost: Vec<String> = self
            .lost
            .iter()
            .map(|loss| format!("{} {}", loss.count, loss.reason.name()))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        write!(out, " (refused: {})", lost.join(", "))
    }
}
