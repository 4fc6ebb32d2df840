use std::fmt;

use super::budget::{Budget, Purse, Spent};
use super::journal::{self, Journal};
use super::outcome::{GeneratorSettings, Outcome, Stop};
use super::templates::Templates;
use crate::Category;
use crate::Error;
use crate::PromptSet;
use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::screen::Dropped;
use resumable_runs::workers::Pace;

/// Generates concepts and paraphrases with a chat model.
///
/// Requests are determined by the set, the templates and the settings, and answers are kept in a [`Journal`]. To resume
/// after an interruption, start again from the same set: answered questions are not asked again.
///
/// ```
/// use prompt_sets::chat::{ChatModel, ChatReply, ChatRequest};
/// use prompt_sets::generate::{Budget, Generator, GeneratorSettings, Journal, Stop, Templates};
/// use prompt_sets::{Category, PromptSet};
///
/// struct Parrot;
/// impl ChatModel for Parrot {
///     fn name(&self) -> &str {
///         "parrot"
///     }
///     fn complete(&self, _: &ChatRequest) -> Result<ChatReply, prompt_sets::Error> {
///         Ok(ChatReply { text: "1. oil painting\n2. Oil Painting\n3. Batik".to_owned(), ..Default::default() })
///     }
/// }
///
/// let dir = tempfile::tempdir()?;
/// let journal = Journal::open(&dir.path().join("answers.jsonl"))?;
/// let templates = Templates::default();
/// let generator = Generator::new(&Parrot, &templates, &journal, Budget::default(), GeneratorSettings::default());
/// let mut set = PromptSet::default();
/// let outcome = generator.concepts(&mut set, &[(Category::Art, 2)], &|_| {})?;
/// assert_eq!(outcome.stop, Stop::Complete);
/// assert_eq!(set.concepts[1].text, "Batik");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Generator<'a> {
    model: &'a (dyn ChatModel + Sync),
    pub(super) templates: &'a Templates,
    pub(super) journal: &'a Journal,
    pub(super) budget: Budget,
    pub(super) settings: GeneratorSettings,
    purse: Purse,
    pace: Pace,
}

/// Without the model and what it has answered.
impl fmt::Debug for Generator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("budget", &self.budget)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The number of known entries that a request names. More would cost more than the repetitions that they avoid.
pub(super) const KNOWN: usize = 150;

impl<'a> Generator<'a> {
    /// A generator that asks `model` and writes to `journal`.
    pub fn new(
        model: &'a (dyn ChatModel + Sync),
        templates: &'a Templates,
        journal: &'a Journal,
        budget: Budget,
        settings: GeneratorSettings,
    ) -> Self {
        Self {
            purse: Purse::new(budget.clone(), journal.spent()),
            pace: Pace::new(settings.interval),
            model,
            templates,
            journal,
            budget,
            settings,
        }
    }

    pub(super) fn request(&self, user: String, round: usize) -> ChatRequest {
        ChatRequest {
            system: self.templates.system().to_owned(),
            user,
            max_tokens: self.settings.max_tokens,
            seed: self.settings.seed.wrapping_add(round as u64) & 0x7fff_ffff,
        }
    }

    pub(super) fn generate_request(
        &self,
        category: Category,
        missing: usize,
        known: &[&str],
        round: usize,
    ) -> ChatRequest {
        // A few more than needed, since some will be refused.
        let count = (missing + 3).min(self.settings.per_request).max(1);
        let known = &known[known.len().saturating_sub(KNOWN)..];
        let words = self.settings.screening.max_words;
        self.request(
            self.templates.generate(category, count, words, known),
            round,
        )
    }

    /// The journal's answer, or the model's. `None` if the budget does not allow the request.
    pub(super) fn ask(
        &self,
        request: &ChatRequest,
        label: &str,
    ) -> Result<Option<ChatReply>, Error> {
        let key = journal::key(self.model, request);
        if let Some(reply) = self.journal.get(&key) {
            return Ok(Some(reply));
        }
        if !self.purse.reserve(request) {
            return Ok(None);
        }
        self.pace.wait();
        match self.model.complete(request) {
            Ok(reply) => {
                self.purse.settle(request, Spent::of(request, &reply));
                self.journal
                    .append(key, label, self.model.name(), request, &reply)?;
                Ok(Some(reply))
            }
            Err(error) => {
                let lost = Spent::lost(request, error.unanswered());
                self.purse.settle(request, lost);
                self.journal.lose(key, label, self.model.name(), lost)?;
                Err(error)
            }
        }
    }

    pub(super) fn outcome(&self, stop: Stop, added: usize, dropped: Vec<Dropped>) -> Outcome {
        Outcome {
            stop,
            added,
            dropped,
            spent: self.journal.spent(),
        }
    }
}

pub(super) fn known_count(set: &PromptSet, category: Category) -> usize {
    set.concepts
        .iter()
        .filter(|c| c.category == category)
        .count()
}
