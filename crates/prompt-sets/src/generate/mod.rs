//! Concepts and paraphrases from a chat model, within a budget and resumably.

mod budget;
mod entry;
mod estimate;
mod generator;
mod journal;
pub(crate) mod list;
mod outcome;
mod paraphrases;
mod refill;
mod shortfall;
mod templates;

pub use budget::{Budget, Price, Spent};
pub use estimate::Estimate;
pub use generator::Generator;
pub use journal::Journal;
pub use outcome::{GeneratorSettings, Outcome, Step, Stop};
pub use refill::Refill;
pub use shortfall::{Loss, Shortfall};
pub use templates::Templates;
