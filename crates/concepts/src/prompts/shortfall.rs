use std::fmt;

use serde::{Deserialize, Serialize};

use super::category::Category;
use super::outcome::Stop;
use super::screen::Reason;

/// Texts that were refused for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The reason.
    pub reason: Reason,
    /// How many.
    pub count: usize,
}

/// A category with fewer concepts than wanted. `Display` says how many are missing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The category.
    pub category: Category,
    /// Concepts wanted.
    pub wanted: usize,
    /// Concepts there.
    pub have: usize,
    /// Why no more were asked for.
    pub stop: Stop,
    /// How often what was refused was asked for again.
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
