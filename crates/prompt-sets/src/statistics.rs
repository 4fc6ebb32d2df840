use std::fmt;

use concepts::Split;
use serde::{Deserialize, Serialize};

use crate::{Category, PromptSet};

/// The numbers of one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryCount {
    /// The category.
    pub category: Category,
    /// Concepts.
    pub concepts: usize,
    /// Concepts that are not for training.
    pub held_out: usize,
    /// Paraphrases of all of them.
    pub paraphrases: usize,
}

/// The numbers that the paper reports of its data set. `Display` prints them beside the paper's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// By category.
    pub categories: Vec<CategoryCount>,
    /// Combinations of training concepts.
    pub combinations: usize,
}

/// Concepts, held out, paraphrases: art, character, facial.
const PAPER: [[usize; 3]; 3] = [[226, 20, 4126], [441, 20, 8070], [26, 5, 245]];
const PAPER_COMBINATIONS: usize = 84_477;

impl Statistics {
    /// Counts a set. The number of combinations comes from [`combine`](crate::combine::combine).
    pub fn new(set: &PromptSet, combinations: usize) -> Self {
        let categories = Category::ALL
            .map(|category| {
                let members = || set.concepts.iter().filter(|c| c.category == category);
                CategoryCount {
                    category,
                    concepts: members().count(),
                    held_out: members().filter(|c| c.split != Split::Train).count(),
                    paraphrases: members().map(|c| c.paraphrases.len()).sum(),
                }
            })
            .to_vec();
        Self {
            categories,
            combinations,
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:12} {:>15} {:>15} {:>15}",
            "", "concepts", "held out", "paraphrases"
        )?;
        for (row, paper) in self.categories.iter().zip(PAPER) {
            write!(out, "{:12}", row.category.name())?;
            for (value, paper) in [row.concepts, row.held_out, row.paraphrases]
                .into_iter()
                .zip(paper)
            {
                write!(out, " {:>15}", format!("{value} ({paper})"))?;
            }
            writeln!(out)?;
        }
        write!(
            out,
            "{:12} {} ({PAPER_COMBINATIONS}); the paper's in brackets",
            "combinations", self.combinations
        )
    }
}
