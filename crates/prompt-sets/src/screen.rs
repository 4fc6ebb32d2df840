//! Refusing texts that are not prompts.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::normalise;

/// Limits that a prompt must keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screening {
    /// The largest number of words. Default: 8.
    pub max_words: usize,
    /// The largest number of characters. Default: 80.
    pub max_chars: usize,
    /// The smallest number of letters. Default: 3.
    pub min_letters: usize,
}

impl Default for Screening {
    fn default() -> Self {
        Self {
            max_words: 8,
            max_chars: 80,
            min_letters: 3,
        }
    }
}

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing but space and punctuation.
    Empty,
    /// More words or characters than allowed.
    TooLong,
    /// Too few letters, a word three times in a row, or Latin letters without a vowel.
    Meaningless,
    /// The model talks about the list or itself, or wrote a placeholder or an address.
    Chatter,
    /// The prompt is known already, up to case, punctuation and a leading article.
    Duplicate,
    /// Another prompt means the same, by the cosine of their embeddings.
    NearDuplicate,
    /// It says what is held out.
    Leak,
}

impl Reason {
    /// A word for messages that count: "3 near-duplicate".
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too long",
            Self::Meaningless => "meaningless",
            Self::Chatter => "chatter",
            Self::Duplicate => "duplicate",
            Self::NearDuplicate => "near-duplicate",
            Self::Leak => "saying what is held out",
        }
    }
}

/// A text that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The text.
    pub text: String,
    /// Why.
    pub reason: Reason,
}

/// What models write around a list.
const CHATTER: [&str; 17] = [
    "as an ai",
    "language model",
    "here are",
    "here is",
    "here s a",
    "i cannot",
    "i can t",
    "i m sorry",
    "i apologize",
    "let me know",
    "certainly",
    "of course",
    "sure here",
    "different ways to",
    "hope this helps",
    "feel free",
    "the following",
];

impl Screening {
    /// The normal form of `text` if it can be a prompt.
    ///
    /// # Errors
    /// Returns the first reason against it.
    pub fn check(&self, text: &str) -> Result<String, Reason> {
        let chars = text.chars().take(self.max_chars.saturating_add(1)).count();
        if chars > self.max_chars {
            return Err(Reason::TooLong);
        }
        let normal = normalise(text);
        if normal.is_empty() {
            return Err(Reason::Empty);
        }
        if normal.split(' ').count() > self.max_words {
            return Err(Reason::TooLong);
        }
        if text.contains("://") || text.contains(['[', ']', '{', '}', '<', '>', '|', '\\']) {
            return Err(Reason::Chatter);
        }
        if CHATTER
            .iter()
            .any(|phrase| normal.starts_with(phrase) || normal.contains(&format!(" {phrase} ")))
            || text.trim_end().ends_with(':')
        {
            return Err(Reason::Chatter);
        }
        if self.is_meaningless(&normal) {
            return Err(Reason::Meaningless);
        }
        Ok(normal)
    }

    fn is_meaningless(&self, normal: &str) -> bool {
        let letters = || normal.chars().filter(|c| c.is_alphabetic());
        // A character of an ideographic script counts as several letters.
        let weight: usize = letters()
            .map(|c| if c as u32 >= 0x2E80 { 3 } else { 1 })
            .sum();
        if weight < self.min_letters {
            return true;
        }
        let latin = letters().all(|c| c.is_ascii());
        if latin && !letters().any(|c| "aeiouy".contains(c)) {
            return true;
        }
        let words: Vec<&str> = normal.split(' ').collect();
        let thrice = words.windows(3).any(|w| w[0] == w[1] && w[1] == w[2]);
        let chars: Vec<char> = normal.chars().collect();
        let stutter = chars
            .windows(4)
            .any(|w| w.iter().all(|c| *c == w[0] && c.is_alphabetic()));
        thrice || stutter
    }

    /// Splits `texts` into those to keep and those refused. `known` holds the normal forms that count as duplicates; those of
    /// the kept texts are added.
    pub fn split<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
        known: &mut HashSet<String>,
    ) -> (Vec<String>, Vec<Dropped>) {
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        for text in texts {
            let text = text.trim();
            let reason = match self.check(text) {
                Ok(normal) => {
                    if known.insert(normal) {
                        kept.push(text.to_owned());
                        continue;
                    }
                    Reason::Duplicate
                }
                Err(reason) => reason,
            };
            dropped.push(Dropped {
                text: text.chars().take(200).collect(),
                reason,
            });
        }
        (kept, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let check = |text: &str| Screening::default().check(text);
        for good in [
            "oil painting",
            "浮世絵",
            "1920s film noir",
            "Ukiyo-e",
            "sky",
            "a person with a certain smile",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "word ".repeat(9);
        let huge = "x".repeat(10_000);
        for (text, reason) in [
            ("", Reason::Empty),
            (" -- ", Reason::Empty),
            (long.as_str(), Reason::TooLong),
            (huge.as_str(), Reason::TooLong),
            ("42", Reason::Meaningless),
            ("xkcd grrr", Reason::Meaningless),
            ("very very very dark", Reason::Meaningless),
            ("aaaaargh", Reason::Meaningless),
            ("Sure! Here are ten styles", Reason::Chatter),
            ("As an AI language model", Reason::Chatter),
            ("[insert style]", Reason::Chatter),
            ("see http://example.org", Reason::Chatter),
            ("Art styles:", Reason::Chatter),
        ] {
            assert_eq!(check(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn duplicates_are_found_across_lists() {
        let mut known = HashSet::from([normalise("Oil painting")]);
        let (kept, dropped) = Screening::default().split(
            ["An oil-painting", "Sketch", "a sketch", "etching"],
            &mut known,
        );
        assert_eq!(kept, ["Sketch", "etching"]);
        assert!(dropped.iter().all(|d| d.reason == Reason::Duplicate));
        assert_eq!(dropped.len(), 2);
    }
}
