//! Building a prompt data set: generate, filter, hold out, combine, paraphrase, check.
//!
//! The order matters. Concepts are held out *before* any are combined, so that no combination contains a held-out one;
//! paraphrases inherit their concept's split; and [`LeakCheck`](leak::LeakCheck) checks the training texts last.
//!
//! ```
//! use concepts::Split;
//! use prompt_sets::combine::{CombineRules, combine};
//! use prompt_sets::leak::{LeakCheck, LeakSettings};
//! use prompt_sets::screen::Screening;
//! use prompt_sets::{Category, HeldOutCounts, PromptSet};
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
//! set.hold_out(HeldOutCounts { art: 1, character: 1, facial: 1 }, 7)?;
//! let combinations: Vec<_> = combine(&set, &CombineRules::default())?.collect();
//! assert_eq!(combinations.len(), 3 * 2 * 2);
//!
//! let check = LeakCheck::new(&set, LeakSettings::default());
//! assert!(combinations.iter().all(|c| check.text(&c.text).is_none()));
//! let held_out = set.concepts.iter().find(|c| c.split == Split::Test).ok_or("none is held out")?;
//! assert!(check.text(&format!("A {}!", held_out.text)).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | task | items |
//! | --- | --- |
//! | the set, as a JSON file | [`PromptSet`], [`TextConcept`], [`Category`], [`HeldOutCounts`], [`Statistics`] |
//! | ask a chat model | [`chat`] |
//! | generate concepts and paraphrases within a budget, resumably | [`generate`] |
//! | refuse texts that are not prompts | [`screen`] |
//! | texts that mean the same | [`embed`] |
//! | two concepts in one prompt | [`combine`] |
//! | training texts that say what is held out | [`leak`] |
//!
//! # Features
//!
//! `http` (on by default) brings [`chat`]'s and [`embed`]'s clients of OpenAI-compatible servers. Without it nothing here
//! uses a network.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod category;
pub mod chat;
pub mod combine;
pub mod embed;
mod error;
// Set by cargo-fuzz.
#[allow(unexpected_cfgs)]
#[doc(hidden)]
pub mod fuzzing;
pub mod generate;
pub mod leak;
mod normal;
mod reasoning;
mod sample;
pub mod screen;
mod set;
mod statistics;

pub use category::Category;
pub use error::Error;
pub use normal::normalise;
pub use set::{HeldOutCounts, PromptSet, TextConcept};
pub use statistics::{CategoryCount, Statistics};
