use std::collections::HashSet;
use std::path::Path;

use concepts::{Split, random};
use resumable_runs::{read_json, write_json};
use serde::{Deserialize, Serialize};

use crate::embed::{TextEmbedder, near_duplicates};
use crate::leak::{LeakCheck, LeakSettings};
use crate::screen::{Dropped, Reason, Screening};
use crate::{Category, Error, normalise};

/// A concept of a prompt data set, with its paraphrases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextConcept {
    /// Its category.
    pub category: Category,
    /// Its text.
    pub text: String,
    /// Its part of the experiment, which its paraphrases share.
    pub split: Split,
    /// Other wordings of it.
    #[serde(default)]
    pub paraphrases: Vec<String>,
}

/// How many concepts of each category to hold out for test. The default is the paper's: 20, 20, 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldOutCounts {
    /// Art styles.
    pub art: usize,
    /// Characters.
    pub character: usize,
    /// Facial modifications.
    pub facial: usize,
}

impl Default for HeldOutCounts {
    fn default() -> Self {
        Self {
            art: 20,
            character: 20,
            facial: 5,
        }
    }
}

impl HeldOutCounts {
    /// The number for one category.
    pub fn of(&self, category: Category) -> usize {
        match category {
            Category::Art => self.art,
            Category::Character => self.character,
            Category::Facial => self.facial,
        }
    }
}

/// A prompt data set: concepts by category, with splits and paraphrases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptSet {
    /// The concepts, in the order in which they were added.
    pub concepts: Vec<TextConcept>,
}

impl PromptSet {
    /// Adds texts as training concepts of a category. Returns those that `screening` refuses or that are known already, in
    /// any category or as a paraphrase.
    pub fn add(
        &mut self,
        category: Category,
        texts: &[String],
        screening: &Screening,
    ) -> Vec<Dropped> {
        let mut known = self.normal_forms();
        let (kept, dropped) = screening.split(texts.iter().map(String::as_str), &mut known);
        self.concepts
            .extend(kept.into_iter().map(|text| TextConcept {
                category,
                text,
                split: Split::Train,
                paraphrases: Vec::new(),
            }));
        dropped
    }

    /// Removes, and returns, the concepts that mean the same as an earlier one, by the cosine of their vectors.
    ///
    /// # Errors
    /// Returns the errors of `embed`, and [`Error::VectorCount`], [`Error::VectorLength`] or [`Error::NonFiniteVector`] if its
    /// vectors cannot be compared.
    pub fn drop_near(
        &mut self,
        embed: &dyn TextEmbedder,
        threshold: f32,
    ) -> Result<Vec<Dropped>, Error> {
        let texts: Vec<&str> = self.concepts.iter().map(|c| c.text.as_str()).collect();
        let found = near_duplicates(&texts, embed, threshold)?;
        let gone: HashSet<usize> = found.iter().map(|near| near.index).collect();
        let dropped = found
            .iter()
            .map(|near| Dropped {
                text: self.concepts[near.index].text.clone(),
                reason: Reason::NearDuplicate,
            })
            .collect();
        let mut index = 0;
        self.concepts.retain(|_| {
            index += 1;
            !gone.contains(&(index - 1))
        });
        Ok(dropped)
    }

    /// Draws test concepts with `seed` in every category; earlier draws are undone. The draw depends on the set of texts and
    /// not on their order.
    ///
    /// # Errors
    /// Returns [`Error::TooManyHeldOut`] if no concept of a category would be left to train on.
    pub fn hold_out(&mut self, count: HeldOutCounts, seed: u64) -> Result<(), Error> {
        for category in Category::ALL {
            let mut members: Vec<usize> = (0..self.concepts.len())
                .filter(|&i| self.concepts[i].category == category)
                .collect();
            let wanted = count.of(category);
            if wanted > 0 && wanted >= members.len() {
                return Err(Error::TooManyHeldOut {
                    category,
                    wanted,
                    members: members.len(),
                });
            }
            members.sort_by(|&a, &b| self.concepts[a].text.cmp(&self.concepts[b].text));
            random::shuffle(&mut members, seed);
            for (rank, index) in members.into_iter().enumerate() {
                self.concepts[index].split = if rank < wanted {
                    Split::Test
                } else {
                    Split::Train
                };
            }
        }
        Ok(())
    }

    /// Removes training concepts, and paraphrases of training concepts, that say what is held out, by their words and, with
    /// `embed`, by their meaning. Returns the removed texts. To be called after [`hold_out`](Self::hold_out) and again after
    /// paraphrasing.
    ///
    /// # Errors
    /// Returns the errors of `embed`; nothing is removed then.
    pub fn drop_leaks(
        &mut self,
        settings: &LeakSettings,
        embed: Option<&dyn TextEmbedder>,
    ) -> Result<Vec<String>, Error> {
        let check = LeakCheck::new(self, settings.clone());
        let training = self.concepts.iter().filter(|c| c.split == Split::Train);
        let texts = training.flat_map(|c| std::iter::once(&c.text).chain(&c.paraphrases));
        let removed: Vec<String> = match embed {
            Some(embed) => check
                .near(texts, embed)?
                .into_iter()
                .map(|leak| leak.text)
                .collect(),
            None => texts
                .filter(|text| check.text(text).is_some())
                .cloned()
                .collect(),
        };
        let gone: HashSet<&str> = removed.iter().map(String::as_str).collect();
        self.concepts.retain_mut(|concept| {
            if concept.split != Split::Train {
                return true;
            }
            concept
                .paraphrases
                .retain(|text| !gone.contains(text.as_str()));
            !gone.contains(concept.text.as_str())
        });
        Ok(removed)
    }

    /// Adds paraphrases of the concept at `index`. Returns those that are refused or known already anywhere in the set: one
    /// text never stands for two concepts.
    pub fn add_paraphrases(
        &mut self,
        index: usize,
        texts: &[String],
        screening: &Screening,
    ) -> Vec<Dropped> {
        let mut known = self.normal_forms();
        let (kept, dropped) = screening.split(texts.iter().map(String::as_str), &mut known);
        if let Some(concept) = self.concepts.get_mut(index) {
            concept.paraphrases.extend(kept);
        }
        dropped
    }

    /// The normal forms of all concepts and paraphrases.
    pub(crate) fn normal_forms(&self) -> HashSet<String> {
        self.concepts
            .iter()
            .flat_map(|c| std::iter::once(&c.text).chain(&c.paraphrases))
            .map(|text| normalise(text))
            .collect()
    }

    /// The concepts of a category and a split.
    pub fn of(&self, category: Category, split: Split) -> impl Iterator<Item = &TextConcept> {
        self.concepts
            .iter()
            .filter(move |c| c.category == category && c.split == split)
    }

    /// Writes the set as JSON, whole or not at all.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_json(path, self)?)
    }

    /// Reads a file that [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be read or is not a prompt set.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(read_json(path)?)
    }
}
