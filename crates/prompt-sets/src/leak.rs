//! Training texts that say what is held out.

use std::collections::HashMap;

use concepts::Split;

use crate::embed::{TextEmbedder, dot, unit_vectors};
use crate::normal::{normalise, stemmed, stems};
use crate::{Error, PromptSet};

/// What counts as a leak.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakSettings {
    /// Also report texts that contain a held-out concept ("teal oil painting" if "oil painting" is held out). Default:
    /// true.
    pub contained: bool,
    /// Two texts mean the same from this cosine on. Only [`LeakCheck::near`] uses it. Default: 0.9.
    pub cosine: f32,
}

impl Default for LeakSettings {
    fn default() -> Self {
        Self {
            contained: true,
            cosine: 0.9,
        }
    }
}

/// A text that must not be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOutText {
    /// The text: a held-out concept, or a paraphrase of one.
    pub text: String,
    /// The concept.
    pub concept: String,
}

/// The way in which a training text resembles a held-out one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Likeness {
    /// The same up to case, punctuation and a leading article.
    Same,
    /// The same words in another order or number: "sketches in charcoal".
    SameWords,
    /// It contains the held-out text, up to plurals.
    Contained,
    /// The cosine of their vectors.
    Near(f32),
}

/// A training text that says what was held out.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak<'a> {
    /// The training text.
    pub text: String,
    /// The held-out text that it resembles.
    pub held_out: &'a HeldOutText,
    /// The way in which it does.
    pub likeness: Likeness,
}

/// Looks for held-out concepts, and paraphrases of them, in training texts.
#[derive(Debug, Clone)]
pub struct LeakCheck {
    held_out: Vec<HeldOutText>,
    /// By normal form.
    phrases: HashMap<String, usize>,
    /// By the stems of its words in order.
    stemmed: HashMap<String, usize>,
    /// By its stems, sorted.
    bags: HashMap<Vec<String>, usize>,
    longest: usize,
    settings: LeakSettings,
}

/// The number of texts that are embedded at a time.
const BATCH: usize = 256;

impl LeakCheck {
    /// A check for the concepts of `set` that are not for training, and for their paraphrases.
    pub fn new(set: &PromptSet, settings: LeakSettings) -> Self {
        let held_out = set
            .concepts
            .iter()
            .filter(|concept| concept.split != Split::Train)
            .flat_map(|concept| {
                std::iter::once(&concept.text)
                    .chain(&concept.paraphrases)
                    .map(|text| HeldOutText {
                        text: text.clone(),
                        concept: concept.text.clone(),
                    })
            })
            .collect();
        Self::of_texts(held_out, settings)
    }

    /// A check for a list of held-out texts.
    fn of_texts(held_out: Vec<HeldOutText>, settings: LeakSettings) -> Self {
        let (mut phrases, mut stemmed_phrases) = (HashMap::new(), HashMap::new());
        let (mut bags, mut longest) = (HashMap::new(), 0);
        for (index, entry) in held_out.iter().enumerate() {
            let normal = normalise(&entry.text);
            if normal.is_empty() {
                continue;
            }
            longest = longest.max(normal.split(' ').count());
            let bag = stems(&normal);
            if !bag.is_empty() {
                bags.entry(bag).or_insert(index);
            }
            stemmed_phrases.entry(stemmed(&normal)).or_insert(index);
            phrases.entry(normal).or_insert(index);
        }
        Self {
            held_out,
            phrases,
            stemmed: stemmed_phrases,
            bags,
            longest,
            settings,
        }
    }

    /// The held-out texts.
    pub fn held_out(&self) -> &[HeldOutText] {
        &self.held_out
    }

    /// The leak in a training text, if there is one, by its words.
    pub fn text(&self, text: &str) -> Option<Leak<'_>> {
        let normal = normalise(text);
        let leak = |index: usize, likeness| {
            Some(Leak {
                text: text.to_owned(),
                held_out: &self.held_out[index],
                likeness,
            })
        };
        if let Some(&index) = self.phrases.get(&normal) {
            return leak(index, Likeness::Same);
        }
        if let Some(&index) = self.bags.get(&stems(&normal)) {
            return leak(index, Likeness::SameWords);
        }
        if self.settings.contained {
            let normal = stemmed(&normal);
            let words: Vec<&str> = normal.split(' ').collect();
            for from in 0..words.len() {
                let mut phrase = String::new();
                for word in words.iter().skip(from).take(self.longest) {
                    if !phrase.is_empty() {
                        phrase.push(' ');
                    }
                    phrase.push_str(word);
                    if let Some(&index) = self.stemmed.get(&phrase) {
                        return leak(index, Likeness::Contained);
                    }
                }
            }
        }
        None
    }

    /// The training texts that leak by their words, or by their meaning: their largest cosine with a held-out text reaches
    /// [`LeakSettings::cosine`]. Texts are taken one by one and embedded in batches, so memory use stays constant.
    ///
    /// # Errors
    /// Returns the errors of `embed`, and those of comparing its vectors.
    pub fn near<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        embed: &dyn TextEmbedder,
    ) -> Result<Vec<Leak<'_>>, Error> {
        let held: Vec<&str> = self.held_out.iter().map(|h| h.text.as_str()).collect();
        let held = unit_vectors(embed, &held)?;
        let mut leaks = Vec::new();
        let mut batch: Vec<T> = Vec::with_capacity(BATCH);
        for text in texts {
            match self.text(text.as_ref()) {
                Some(leak) => leaks.push(leak),
                None => batch.push(text),
            }
            if batch.len() == BATCH {
                self.near_batch(&mut batch, &held, embed, &mut leaks)?;
            }
        }
        self.near_batch(&mut batch, &held, embed, &mut leaks)?;
        Ok(leaks)
    }

    fn near_batch<'a, T: AsRef<str>>(
        &'a self,
        batch: &mut Vec<T>,
        held: &[Vec<f32>],
        embed: &dyn TextEmbedder,
        leaks: &mut Vec<Leak<'a>>,
    ) -> Result<(), Error> {
        let texts: Vec<&str> = batch.iter().map(AsRef::as_ref).collect();
        let vectors = unit_vectors(embed, &texts)?;
        for (text, vector) in texts.iter().zip(&vectors) {
            if held.first().is_some_and(|h| h.len() != vector.len()) {
                return Err(Error::VectorLength {
                    first: held[0].len(),
                    other: vector.len(),
                });
            }
            let nearest = held
                .iter()
                .enumerate()
                .map(|(index, other)| (index, dot(vector, other)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((index, cosine)) = nearest
                && cosine >= self.settings.cosine
            {
                leaks.push(Leak {
                    text: (*text).to_owned(),
                    held_out: &self.held_out[index],
                    likeness: Likeness::Near(cosine),
                });
            }
        }
        batch.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_out_text_without_words_matches_nothing() {
        let empty = HeldOutText {
            text: "--".to_owned(),
            concept: String::new(),
        };
        let check = LeakCheck::of_texts(vec![empty], LeakSettings::default());
        assert!(check.text("Batik").is_none() && check.text("--").is_none());
    }
}
