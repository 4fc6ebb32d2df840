use std::collections::{HashMap, HashSet};

use super::generator::{Generator, KNOWN, known_count};
use super::list;
use super::outcome::{Outcome, Step, Stop};
use super::shortfall::{Loss, Shortfall};
use crate::Category;
use crate::Error;
use crate::PromptSet;
use crate::chat::ChatReply;
use crate::normalise;
use crate::screen::{Dropped, Reason};

/// The largest number of refused texts that a question names. The rest is left to known texts.
const NAMED: usize = KNOWN / 2;

/// Replacing what filters removed: how often the model is asked again, and what must not come back.
///
/// One value is passed to all calls of [`Generator::concepts_until`] for a set, so that the rounds are counted over all of
/// them. It need not be stored between runs: the journal's answers lead to the same state again.
#[derive(Debug, Clone, Default)]
pub struct Refill {
    most: usize,
    used: usize,
    begun: bool,
    /// Requests so far, by category. Their number determines the next one's seed.
    asked: HashMap<Category, usize>,
    /// What filters removed.
    refused: Vec<(Category, String)>,
    losses: Vec<(Category, Loss)>,
    dry: HashSet<Category>,
    over_budget: bool,
}

impl Refill {
    /// At most `rounds` rounds of asking again.
    pub fn new(rounds: usize) -> Self {
        Self {
            most: rounds,
            ..Self::default()
        }
    }

    /// The number of rounds so far.
    pub fn rounds(&self) -> usize {
        self.used
    }

    /// The categories that have fewer concepts than wanted.
    pub fn shortfalls(&self, set: &PromptSet, wanted: &[(Category, usize)]) -> Vec<Shortfall> {
        wanted
            .iter()
            .map(|&(category, wanted)| Shortfall {
                category,
                wanted,
                have: known_count(set, category),
                stop: if self.dry.contains(&category) {
                    Stop::Dry
                } else if self.over_budget {
                    Stop::Budget
                } else {
                    Stop::Rounds
                },
                rounds: self.used,
                lost: self
                    .losses
                    .iter()
                    .filter(|(of, _)| *of == category)
                    .map(|(_, loss)| *loss)
                    .collect(),
            })
            .filter(|short| short.have < short.wanted)
            .collect()
    }

    fn lose(&mut self, category: Category, dropped: &[Dropped]) {
        for Dropped { reason, .. } in dropped {
            let found = self
                .losses
                .iter_mut()
                .find(|(of, loss)| *of == category && loss.reason == *reason);
            match found {
                Some((_, loss)) => loss.count += 1,
                None => self.losses.push((
                    category,
                    Loss {
                        reason: *reason,
                        count: 1,
                    },
                )),
            }
        }
    }

    /// Runs `filter` and remembers what it removes.
    fn filter(
        &mut self,
        set: &mut PromptSet,
        filter: &mut dyn FnMut(&mut PromptSet) -> Result<Vec<Dropped>, Error>,
    ) -> Result<Vec<Dropped>, Error> {
        let before: HashMap<String, Category> = set
            .concepts
            .iter()
            .map(|concept| (concept.text.clone(), concept.category))
            .collect();
        let dropped = filter(set)?;
        let there: HashSet<&str> = set.concepts.iter().map(|c| c.text.as_str()).collect();
        for one in &dropped {
            // Paraphrases are not counted here.
            if let Some(&category) = before.get(&one.text)
                && !there.contains(one.text.as_str())
            {
                self.lose(category, std::slice::from_ref(one));
                self.refused.push((category, one.text.clone()));
            }
        }
        Ok(dropped)
    }

    fn open(&self, set: &PromptSet, wanted: &[(Category, usize)]) -> bool {
        let missing = |&(category, count): &(Category, usize)| {
            known_count(set, category) < count && !self.dry.contains(&category)
        };
        wanted.iter().any(missing)
    }
}

impl Generator<'_> {
    /// Adds concepts until each category has as many as wanted.
    ///
    /// # Errors
    /// Returns the model's error if it gives up, and [`Error::File`] if the journal cannot be written. Earlier answers are
    /// in the journal.
    pub fn concepts(
        &self,
        set: &mut PromptSet,
        wanted: &[(Category, usize)],
        observe: &dyn Fn(Step),
    ) -> Result<Outcome, Error> {
        let filter = &mut |_: &mut PromptSet| Ok(Vec::new());
        self.concepts_until(set, wanted, &mut Refill::default(), filter, observe)
    }

    /// [`concepts`](Self::concepts) with a filter over the whole set, which removes what it refuses (such as
    /// near-duplicates). Replacements are requested until each category has as many concepts as wanted, or as often as
    /// `refill` allows. The model is told what was refused, and refused texts do not come back. A category in which the model
    /// has nothing new to say is abandoned.
    ///
    /// ```
    /// use prompt_sets::chat::{ChatModel, ChatReply, ChatRequest};
    /// use prompt_sets::generate::{Budget, Generator, GeneratorSettings, Journal, Refill, Templates};
    /// use prompt_sets::{Category, PromptSet};
    /// # struct Parrot;
    /// # impl ChatModel for Parrot {
    /// #     fn name(&self) -> &str {
    /// #         "parrot"
    /// #     }
    /// #     fn complete(&self, request: &ChatRequest) -> Result<ChatReply, prompt_sets::Error> {
    /// #         let known = request.user.contains("painting in oils");
    /// #         let text = if known { "Batik" } else { "oil painting\npainting in oils" };
    /// #         Ok(ChatReply { text: text.to_owned(), ..Default::default() })
    /// #     }
    /// # }
    /// # let dir = tempfile::tempdir()?;
    /// # let journal = Journal::open(&dir.path().join("answers.jsonl"))?;
    /// # let templates = Templates::default();
    /// # let generator = Generator::new(&Parrot, &templates, &journal, Budget::default(), GeneratorSettings::default());
    /// // Any text encoder; this one recognises oil.
    /// let embed = |texts: &[&str]| {
    ///     Ok(texts.iter().map(|t| if t.contains("oil") { vec![1.0, 0.1] } else { vec![0.0, 1.0] }).collect())
    /// };
    /// let (mut set, mut refill, wanted) = (PromptSet::default(), Refill::new(5), [(Category::Art, 2)]);
    /// generator.concepts_until(&mut set, &wanted, &mut refill, &mut |set| set.drop_near(&embed, 0.95), &|_| {})?;
    /// assert_eq!(set.concepts[1].text, "Batik");
    /// assert_eq!((refill.rounds(), refill.shortfalls(&set, &wanted).len()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the filter's error, the model's if it gives up, and [`Error::File`] if the journal cannot be written. Earlier
    /// answers are in the journal.
    pub fn concepts_until(
        &self,
        set: &mut PromptSet,
        wanted: &[(Category, usize)],
        refill: &mut Refill,
        filter: &mut dyn FnMut(&mut PromptSet) -> Result<Vec<Dropped>, Error>,
        observe: &dyn Fn(Step),
    ) -> Result<Outcome, Error> {
        let before = set.concepts.len();
        let mut dropped = refill.filter(set, filter)?;
        while refill.open(set, wanted) && !refill.over_budget {
            if refill.begun {
                if refill.used == refill.most {
                    break;
                }
                refill.used += 1;
            }
            refill.begun = true;
            self.ask_concepts(set, wanted, refill, &mut dropped, observe)?;
            dropped.extend(refill.filter(set, filter)?);
        }
        let short = refill.shortfalls(set, wanted);
        // The budget first, because it is what the user can change.
        let stop = [Stop::Budget, Stop::Rounds, Stop::Dry]
            .into_iter()
            .find(|stop| short.iter().any(|short| short.stop == *stop))
            .unwrap_or(Stop::Complete);
        let added = set.concepts.len().saturating_sub(before);
        Ok(self.outcome(stop, added, dropped))
    }

    /// Asks until each category has as many concepts as wanted or is dry, or the budget is used up.
    fn ask_concepts(
        &self,
        set: &mut PromptSet,
        wanted: &[(Category, usize)],
        refill: &mut Refill,
        dropped: &mut Vec<Dropped>,
        observe: &dyn Fn(Step),
    ) -> Result<(), Error> {
        let total: usize = wanted.iter().map(|(_, count)| count).sum();
        let refused: HashSet<String> = refill.refused.iter().map(|(_, t)| normalise(t)).collect();
        for &(category, count) in wanted {
            let mut dry = 0;
            while known_count(set, category) < count && !refill.dry.contains(&category) {
                if dry == self.settings.dry_requests {
                    refill.dry.insert(category);
                    break;
                }
                let Some(reply) = self.ask_category(set, category, count, refill)? else {
                    refill.over_budget = true;
                    return Ok(());
                };
                let there = set.concepts.len();
                let gone = self.take_concepts(set, category, count, &reply, &refused);
                refill.lose(category, &gone);
                dropped.extend(gone);
                let more = set.concepts.len() > there;
                dry = if more { 0 } else { dry + 1 };
                observe(Step {
                    done: wanted
                        .iter()
                        .map(|&(category, count)| known_count(set, category).min(count))
                        .sum(),
                    wanted: total,
                    requests: self.journal.spent().requests,
                });
            }
        }
        Ok(())
    }

    /// Asks once for the concepts that `category` lacks. `None` if the budget does not allow it.
    fn ask_category(
        &self,
        set: &PromptSet,
        category: Category,
        count: usize,
        refill: &mut Refill,
    ) -> Result<Option<ChatReply>, Error> {
        let known = set.concepts.iter().filter(|c| c.category == category);
        let mut known: Vec<&str> = known.map(|c| c.text.as_str()).collect();
        let missing = count - known.len();
        let refused = refill.refused.iter().filter(|(of, _)| *of == category);
        let refused: Vec<&str> = refused.map(|(_, text)| text.as_str()).collect();
        known.extend(&refused[refused.len().saturating_sub(NAMED)..]);
        let round = refill.asked.entry(category).or_default();
        let request = self.generate_request(category, missing, &known, *round);
        let label = format!("concepts/{}/{round}", category.name());
        *round += 1;
        self.ask(&request, &label)
    }

    /// Adds the concepts in `reply`, up to `count` in all. Returns the refused ones.
    fn take_concepts(
        &self,
        set: &mut PromptSet,
        category: Category,
        count: usize,
        reply: &ChatReply,
        refused: &HashSet<String>,
    ) -> Vec<Dropped> {
        let texts = list::entries(&reply.text, reply.cut, 4 * self.settings.per_request);
        let (back, texts): (Vec<String>, Vec<String>) = texts
            .into_iter()
            .partition(|text| refused.contains(&normalise(text)));
        let mut gone = set.add(category, &texts, &self.settings.screening);
        gone.extend(back.into_iter().map(|text| Dropped {
            text,
            reason: Reason::Duplicate,
        }));
        // Surplus concepts are not kept, so that the numbers are those that were wanted.
        let surplus = known_count(set, category).saturating_sub(count);
        set.concepts.truncate(set.concepts.len() - surplus);
        gone
    }
}
