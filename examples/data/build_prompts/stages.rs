//! The stages of a build: concepts, held-out concepts, paraphrases, combinations.

use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::io::Write;
use std::sync::Mutex;

use denoised_weights_examples::Result;
use denoised_weights_examples::progress::Progress;
use prompt_sets::combine::{Combination, CombineRules, combine_where};
use prompt_sets::embed::TextEmbedder;
use prompt_sets::generate::{Generator, Outcome, Refill, Shortfall, Step, Stop};
use prompt_sets::leak::{LeakCheck, LeakSettings};
use prompt_sets::screen::{Dropped, Reason};
use prompt_sets::{HeldOutCounts, PromptSet, Statistics};
use tensor_file::atomic::AtomicFile;

use super::args::{Args, by_category};

/// What the stages share, and what they leave for the report.
pub(crate) struct Stages<'a> {
    args: &'a Args,
    embed: Option<Box<dyn TextEmbedder>>,
    leaks: LeakSettings,
    refill: Refill,
    pub dropped: Vec<Dropped>,
    pub stops: Vec<Stop>,
}

impl<'a> Stages<'a> {
    pub(crate) fn new(args: &'a Args) -> Result<Self> {
        Ok(Self {
            args,
            embed: args.embedder()?,
            leaks: LeakSettings {
                cosine: args.near,
                ..LeakSettings::default()
            },
            refill: Refill::new(args.rounds),
            dropped: Vec::new(),
            stops: Vec::new(),
        })
    }

    /// Generates, filters, holds out and paraphrases; returns the training texts that were removed because they give
    /// away a held-out concept.
    pub(crate) fn fill(
        &mut self,
        set: &mut PromptSet,
        generator: Option<&Generator<'_>>,
    ) -> Result<Vec<String>> {
        // Near-duplicates are removed before any concept is held out, and so are those among their replacements.
        self.concepts(set, generator, None)?;
        self.hold_out(set, generator)?;
        let mut removed = Vec::new();
        let mut paraphrased = HashSet::new();
        loop {
            self.concepts(set, generator, Some(&mut removed))?;
            let Some(generator) = generator else { break };
            // Replacements of concepts that give away a held-out paraphrase need paraphrases too.
            let present: HashSet<String> = set.concepts.iter().map(|c| c.text.clone()).collect();
            if present.is_subset(&paraphrased) {
                break;
            }
            paraphrased = present;
            self.paraphrase(set, generator)?;
        }
        set.write(&self.args.out.join("set.json"))?;
        Ok(removed)
    }

    /// Rounds in which replacements were asked for.
    pub(crate) fn rounds(&self) -> usize {
        self.refill.rounds()
    }

    /// The categories with fewer concepts than wanted.
    pub(crate) fn shortfalls(&self, set: &PromptSet) -> Vec<Shortfall> {
        self.refill
            .shortfalls(set, &by_category(self.args.concepts))
    }

    fn hold_out(&self, set: &mut PromptSet, generator: Option<&Generator<'_>>) -> Result<()> {
        let [art, character, facial] = self.args.held_out;
        let held_out = HeldOutCounts {
            art,
            character,
            facial,
        };
        let Err(error) = set.hold_out(held_out, self.args.seed) else {
            return Ok(());
        };
        let reasons: Vec<String> = match generator {
            Some(_) => (self.shortfalls(set).iter())
                .map(|short| format!("; {short}"))
                .collect(),
            None => Vec::new(),
        };
        Err(format!("{error}{}", reasons.concat()).into())
    }

    /// Asks for the concepts that are missing and drops those that mean the same; with `leaks`, after concepts were held
    /// out, also those that give away a held-out one.
    fn concepts(
        &mut self,
        set: &mut PromptSet,
        generator: Option<&Generator<'_>>,
        mut leaks: Option<&mut Vec<String>>,
    ) -> Result<()> {
        let args = self.args;
        let (embed, settings) = (self.embed.as_deref(), &self.leaks);
        let mut filter = |set: &mut PromptSet| {
            let mut dropped = match embed {
                Some(embed) => set.drop_near(embed, args.near)?,
                None => Vec::new(),
            };
            if let Some(leaks) = &mut leaks {
                for text in set.drop_leaks(settings, embed)? {
                    leaks.push(text.clone());
                    dropped.push(Dropped {
                        text,
                        reason: Reason::Leak,
                    });
                }
            }
            Ok(dropped)
        };
        let Some(generator) = generator else {
            let dropped = filter(set)?;
            self.dropped.extend(dropped);
            return Ok(());
        };
        let wanted = by_category(args.concepts);
        let total: usize = args.concepts.iter().sum();
        let progress: OnceCell<Mutex<Progress>> = OnceCell::new();
        let observe = |step| {
            let new = || Mutex::new(Progress::new("concepts", total as u64, 0));
            show(progress.get_or_init(new), step);
        };
        let outcome =
            generator.concepts_until(set, &wanted, &mut self.refill, &mut filter, &observe)?;
        self.note("concepts", outcome);
        Ok(())
    }

    fn paraphrase(&mut self, set: &mut PromptSet, generator: &Generator<'_>) -> Result<()> {
        let per = by_category(self.args.paraphrases);
        let total: usize = (set.concepts.iter())
            .filter_map(|concept| {
                per.iter()
                    .find(|(category, _)| *category == concept.category)
            })
            .map(|(_, count)| count)
            .sum();
        let progress = Mutex::new(Progress::new("paraphrases", total as u64, 0));
        let outcome = generator.paraphrases(set, &per, &|step| show(&progress, step))?;
        self.note("paraphrases", outcome);
        Ok(())
    }

    /// Writes the combinations one by one, without those that give away a held-out concept; returns the number of these
    /// too.
    pub(crate) fn combine(&self, set: &PromptSet) -> Result<(Statistics, usize)> {
        let args = self.args;
        let check = LeakCheck::new(set, self.leaks.clone());
        let rules = CombineRules {
            limit: Some(args.combinations),
            seed: args.seed,
            conflicts: args.conflicts()?,
            ..CombineRules::default()
        };
        let path = args.out.join("combinations.jsonl");
        let mut file = AtomicFile::create(&path)?;
        let mut count = 0;
        let leaks = Cell::new(0);
        let keep = |combination: &Combination| {
            let leak = check.text(&combination.text).is_some();
            leaks.set(leaks.get() + usize::from(leak));
            !leak
        };
        // This counts every combination that is left out, as the rules have a limit; the draw below asks again.
        let combinations = combine_where(set, &rules, &keep)?;
        let left_out = leaks.get();
        {
            let cannot_write = |error| format!("cannot write {}: {error}", path.display());
            let mut out = std::io::BufWriter::new(&mut file);
            for combination in combinations {
                serde_json::to_writer(&mut out, &combination)
                    .map_err(std::io::Error::from)
                    .and_then(|()| out.write_all(b"\n"))
                    .map_err(cannot_write)?;
                count += 1;
            }
            out.flush().map_err(cannot_write)?;
        }
        file.commit()?;
        Ok((Statistics::new(set, count), left_out))
    }

    fn note(&mut self, what: &str, outcome: Outcome) {
        let nothing = outcome.added == 0 && outcome.dropped.is_empty();
        if nothing && outcome.stop == Stop::Complete {
            return;
        }
        let end = match outcome.stop {
            Stop::Complete => "complete",
            Stop::Dry => "the model had nothing new to say",
            Stop::Rounds => "replacements were asked for as often as --rounds allows",
            Stop::Budget => "the budget is used up",
        };
        println!(
            "{what}: {} added, {} refused; {end}",
            outcome.added,
            outcome.dropped.len()
        );
        self.dropped.extend(outcome.dropped);
        self.stops.push(outcome.stop);
    }
}

fn show(progress: &Mutex<Progress>, step: Step) {
    if let Ok(mut progress) = progress.lock() {
        progress.set(step.done as u64, format!("{} answers", step.requests));
    }
}
