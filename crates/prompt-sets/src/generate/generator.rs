use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::budget::{Budget, Purse, Spent};
use super::journal::{self, Journal};
use super::list;
use super::outcome::{GeneratorSettings, Outcome, Step, Stop};
use super::templates::Templates;
use crate::Category;
use crate::Error;
use crate::PromptSet;
use crate::chat::{ChatModel, ChatReply, ChatRequest};
use crate::screen::Dropped;
use resumable_runs::workers::{self, Pace, lock};

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

    /// Adds paraphrases until each concept of a category has as many as wanted.
    ///
    /// # Errors
    /// Returns the model's error if it gives up, and [`Error::File`] if the journal cannot be written. Earlier answers are
    /// in the journal.
    pub fn paraphrases(
        &self,
        set: &mut PromptSet,
        wanted: &[(Category, usize)],
        observe: &(dyn Fn(Step) + Sync),
    ) -> Result<Outcome, Error> {
        let wanted: HashMap<Category, usize> = wanted.iter().copied().collect();
        let want = |set: &PromptSet, i: usize| {
            let category = set.concepts[i].category;
            wanted.get(&category).copied().unwrap_or(0)
        };
        let total = (0..set.concepts.len()).map(|i| want(set, i)).sum();
        let count = |set: &PromptSet| -> usize {
            (0..set.concepts.len())
                .map(|i| set.concepts[i].paraphrases.len().min(want(set, i)))
                .sum()
        };
        let (mut dropped, before) = (Vec::new(), count(set));
        let mut stop = Stop::Complete;
        let mut dry = vec![0; set.concepts.len()];
        for round in 0.. {
            let mut requests = Vec::new();
            for (index, &dry) in dry.iter().enumerate() {
                let missing =
                    want(set, index).saturating_sub(set.concepts[index].paraphrases.len());
                if missing == 0 {
                    continue;
                }
                if dry == self.settings.dry_requests {
                    stop = Stop::Dry;
                    continue;
                }
                requests.push((index, self.paraphrase_request(set, index, missing, round)));
            }
            if requests.is_empty() {
                break;
            }
            let (replies, within) = self.ask_all(&requests, set, round, &|requests| {
                observe(Step {
                    done: count(set),
                    wanted: total,
                    requests,
                });
            })?;
            // In order, so that the choice between two equal paraphrases does not depend on the threads.
            for (index, reply) in replies {
                let texts = list::entries(&reply.text, reply.cut, 4 * self.settings.per_request);
                let there = set.concepts[index].paraphrases.len();
                dropped.extend(set.add_paraphrases(index, &texts, &self.settings.screening));
                let most = want(set, index);
                let paraphrases = &mut set.concepts[index].paraphrases;
                paraphrases.truncate(most.max(there));
                dry[index] = if paraphrases.len() > there {
                    0
                } else {
                    dry[index] + 1
                };
            }
            if !within {
                stop = Stop::Budget;
                break;
            }
        }
        let added = count(set) - before;
        Ok(self.outcome(stop, added, dropped))
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

    fn paraphrase_request(
        &self,
        set: &PromptSet,
        index: usize,
        missing: usize,
        round: usize,
    ) -> ChatRequest {
        let concept = &set.concepts[index];
        let count = (missing + 1).min(self.settings.per_request).max(1);
        let words = self.settings.screening.max_words;
        self.request(
            self.templates
                .paraphrase(concept.category, &concept.text, count, words),
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

    /// Sends requests in parallel. Returns the answers in order, and whether the budget sufficed.
    #[allow(
        clippy::type_complexity,
        reason = "one private caller, which takes it apart at once"
    )]
    fn ask_all(
        &self,
        requests: &[(usize, ChatRequest)],
        set: &PromptSet,
        round: usize,
        observe: &(dyn Fn(u64) + Sync),
    ) -> Result<(Vec<(usize, ChatReply)>, bool), Error> {
        let stop = AtomicBool::new(false);
        let failed = Mutex::new(None);
        let replies = workers::map(self.settings.workers, requests.len(), &stop, |i| {
            let (index, request) = &requests[i];
            let label = format!("paraphrases/{}/{round}", set.concepts[*index].text);
            match self.ask(request, &label) {
                Ok(Some(reply)) => {
                    observe(self.journal.spent().requests);
                    Some((*index, reply))
                }
                Ok(None) => {
                    stop.store(true, Ordering::Relaxed);
                    None
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    lock(&failed).get_or_insert(error);
                    None
                }
            }
        });
        if let Some(error) = lock(&failed).take() {
            return Err(error);
        }
        let within = !stop.load(Ordering::Relaxed);
        Ok((replies.into_iter().flatten().flatten().collect(), within))
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
