use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use resumable_runs::workers::{self, lock};

use super::generator::Generator;
use super::list;
use super::outcome::{Outcome, Step, Stop};
use crate::chat::{ChatReply, ChatRequest};
use crate::screen::Dropped;
use crate::{Category, Error, PromptSet};

/// How many paraphrases each concept of a set should have.
struct Wanted(HashMap<Category, usize>);

impl Wanted {
    fn of(&self, set: &PromptSet, index: usize) -> usize {
        let category = set.concepts[index].category;
        self.0.get(&category).copied().unwrap_or(0)
    }

    fn total(&self, set: &PromptSet) -> usize {
        (0..set.concepts.len()).map(|i| self.of(set, i)).sum()
    }

    /// The paraphrases that there are, without any beyond the wanted number.
    fn done(&self, set: &PromptSet) -> usize {
        (0..set.concepts.len())
            .map(|i| set.concepts[i].paraphrases.len().min(self.of(set, i)))
            .sum()
    }

    fn missing(&self, set: &PromptSet, index: usize) -> usize {
        self.of(set, index)
            .saturating_sub(set.concepts[index].paraphrases.len())
    }
}

/// The answers to a round of requests.
struct Round {
    /// The index of the concept, and the answer, in the order of the requests.
    replies: Vec<(usize, ChatReply)>,
    /// Whether the budget allowed all requests.
    complete: bool,
}

impl Generator<'_> {
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
        let wanted = Wanted(wanted.iter().copied().collect());
        let before = wanted.done(set);
        let (mut stop, mut dropped) = (Stop::Complete, Vec::new());
        let mut dry = vec![0; set.concepts.len()];
        for round in 0.. {
            let mut requests = Vec::new();
            for (index, &dry) in dry.iter().enumerate() {
                let missing = wanted.missing(set, index);
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
            let Round { replies, complete } = self.ask_all(&requests, set, round, &|requests| {
                observe(Step {
                    done: wanted.done(set),
                    wanted: wanted.total(set),
                    requests,
                });
            })?;
            // In order, so that the choice between two equal paraphrases does not depend on the threads.
            for (index, reply) in replies {
                let there = set.concepts[index].paraphrases.len();
                dropped.extend(self.take_paraphrases(set, index, &reply, wanted.of(set, index)));
                let more = set.concepts[index].paraphrases.len() > there;
                dry[index] = if more { 0 } else { dry[index] + 1 };
            }
            if !complete {
                stop = Stop::Budget;
                break;
            }
        }
        let added = wanted.done(set) - before;
        Ok(self.outcome(stop, added, dropped))
    }

    /// Adds the paraphrases in `reply`, up to `most` in all. Returns the refused ones.
    fn take_paraphrases(
        &self,
        set: &mut PromptSet,
        index: usize,
        reply: &ChatReply,
        most: usize,
    ) -> Vec<Dropped> {
        let texts = list::entries(&reply.text, reply.cut, 4 * self.settings.per_request);
        let there = set.concepts[index].paraphrases.len();
        let dropped = set.add_paraphrases(index, &texts, &self.settings.screening);
        set.concepts[index].paraphrases.truncate(most.max(there));
        dropped
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

    /// Sends requests in parallel.
    fn ask_all(
        &self,
        requests: &[(usize, ChatRequest)],
        set: &PromptSet,
        round: usize,
        observe: &(dyn Fn(u64) + Sync),
    ) -> Result<Round, Error> {
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
        Ok(Round {
            replies: replies.into_iter().flatten().flatten().collect(),
            complete: !stop.load(Ordering::Relaxed),
        })
    }
}
