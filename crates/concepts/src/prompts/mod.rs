//! Building a data set of prompts: generate, filter, hold out, combine, paraphrase, check.
//!
//! The order matters. Concepts are held out *before* any are combined, so that no combination holds a held-out one;
//! paraphrases inherit their concept's split; and [`LeakCheck`] looks at what is to be trained on last.
//!
//! ```
//! use concepts::Split;
//! use concepts::prompts::*;
//!
//! let mut set = PromptSet::default();
//! for (category, texts) in [
//!     (Category::Art, ["charcoal sketch", "oil painting", "Batik"]),
//!     (Category::Character, ["zombie", "astronaut", "marble statue"]),
//!     (Category::Facial, ["grey hair", "thick beard", "older age"]),
//! ] {
//!     let texts = texts.map(str::to_owned);
//!     assert!(set.add(category, &texts, &Screening::default()).is_empty(), "nothing was refused");
//! }
//!
//! set.hold_out(HeldOut { art: 1, character: 1, facial: 1 }, 7)?;
//! let combinations: Vec<_> = combine(&set, &CombineRules::default())?.collect();
//! assert_eq!(combinations.len(), 3 * 2 * 2);
//!
//! let check = LeakCheck::new(&set, LeakSettings::default());
//! assert!(combinations.iter().all(|c| check.text(&c.text).is_none()));
//! let held_out = set.concepts.iter().find(|c| c.split == Split::Test).ok_or("none is held out")?;
//! assert!(check.text(&format!("A {}!", held_out.text)).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod category;
mod chat;
mod combine;
mod estimate;
mod generate;
mod journal;
mod leak;
mod list;
mod near;
mod normal;
mod outcome;
mod refill;
mod screen;
mod set;
mod shortfall;
mod stats;
mod templates;

pub use budget::{Budget, Price, Spent};
pub use category::Category;
pub use chat::{ChatModel, ChatReply, ChatRequest};
pub use combine::{Combination, CombineRules, PairRule, combine, combine_where};
pub use estimate::Estimate;
pub use generate::Generator;
pub use journal::Journal;
pub use leak::{HeldOutText, Leak, LeakCheck, LeakSettings, Likeness};
pub use near::{Embed, NearDuplicate, near_duplicates};
pub use normal::normalise;
pub use outcome::{GeneratorSettings, Outcome, Step, Stop};
pub use refill::Refill;
pub use screen::{Dropped, Reason, Screening};
pub use set::{HeldOut, PromptSet, TextConcept};
pub use shortfall::{Loss, Shortfall};
pub use stats::{CategoryCount, Statistics};
pub use templates::Templates;
