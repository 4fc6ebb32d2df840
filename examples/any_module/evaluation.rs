//! How good each start is on the unseen tasks, before training and during it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use denoised_weights::PromptEncoder;
use denoised_weights_examples::Result;
use serde::{Deserialize, Serialize};
use weight_blocks::Zoo;

use crate::chain::Chain;
use crate::digits::Digits;
use crate::network::Classifier;
use crate::ridge::RidgeData;
use crate::starts::{NAMES, Starts};
use crate::tasks::Task;
use crate::training::{Examples, Recipe, train};

/// Steps after which a fine-tuning that has not reached its goal ends.
pub(crate) const CAP: usize = 200;
/// Share of the converged accuracy that is the goal.
const GOAL: f64 = 0.95;
/// Candidates for each start's learning rate.
const RATES: [f64; 3] = [3e-3, 1e-2, 3e-2];

/// The results of a seed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub seed: u64,
    pub adapters: usize,
    /// Learning rate of each start, chosen on the validation tasks.
    pub rates: BTreeMap<String, f64>,
    pub tasks: Vec<TaskReport>,
}

/// The results of an unseen task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TaskReport {
    pub name: String,
    pub prompt: String,
    pub kind: String,
    /// Accuracy after a long training from zero.
    pub converged: f64,
    pub starts: BTreeMap<String, StartReport>,
}

/// The results of a start.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StartReport {
    /// Accuracy before any training.
    pub accuracy: f64,
    /// Steps to 95 % of the converged accuracy; none if they were more than [`CAP`].
    pub steps: Option<usize>,
}

/// Evaluates all starts. Settings are chosen on other tasks and other pictures than those of the results.
pub(crate) fn evaluate(
    chain: &Chain,
    mut observe: impl FnMut(&str, usize, usize),
) -> Result<Report> {
    let zoo = Zoo::open(chain.dir.join("zoo"))?;
    let encoder = PromptEncoder::embedded()?;
    let ridge = RidgeData::of_zoo(&zoo, &encoder)?;
    let starts = Starts::new(chain, &zoo, &encoder, &ridge)?;

    let (tasks, splits) = (&chain.tasks, &chain.splits);
    let mut steps: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for (number, task) in tasks.validation.iter().enumerate() {
        observe("learning rates", number, tasks.validation.len());
        let mut trial = Trial::new(chain, &starts, task, &splits.validation)?;
        for name in NAMES {
            let start = starts.start(name, task, &tasks.validation)?;
            for (i, rate) in RATES.into_iter().enumerate() {
                let found = trial.run(&start, rate)?;
                *steps.entry((name, i)).or_default() += found.steps.unwrap_or(CAP);
            }
        }
    }
    let rate = |name: &str| {
        let best = (0..RATES.len()).min_by_key(|&i| steps.get(&(name, i)));
        RATES[best.unwrap_or(0)]
    };
    let mut reports = Vec::new();
    for (number, task) in tasks.test.iter().enumerate() {
        observe("unseen tasks", number, tasks.test.len());
        let mut trial = Trial::new(chain, &starts, task, &splits.test)?;
        let mut found = BTreeMap::new();
        for name in NAMES {
            let start = starts.start(name, task, &tasks.test)?;
            found.insert(name.to_owned(), trial.run(&start, rate(name))?);
        }
        reports.push(TaskReport {
            name: task.name.clone(),
            prompt: task.prompt.clone(),
            kind: task.kind.map_or("training", |kind| kind.name()).to_owned(),
            converged: trial.converged,
            starts: found,
        });
    }
    Ok(Report {
        seed: chain.seed,
        adapters: zoo.entries().len(),
        rates: NAMES
            .iter()
            .map(|&name| (name.to_owned(), rate(name)))
            .collect(),
        tasks: reports,
    })
}

/// Fine-tunings of one task.
struct Trial<'a> {
    chain: &'a Chain,
    train: Examples,
    measure: Examples,
    converged: f64,
}

impl<'a> Trial<'a> {
    fn new(chain: &'a Chain, starts: &Starts<'_>, task: &Task, measured: &Digits) -> Result<Self> {
        let train_on = Examples::of_task(task, &chain.splits.train, &chain.device);
        let measure = Examples::of_task(task, measured, &chain.device);
        let go = |_, _: &Classifier| Ok(ControlFlow::Continue(()));
        let recipe = chain.adapter_recipe();
        let long = Recipe {
            steps: 4 * recipe.steps,
            ..recipe
        };
        let trained = train(
            starts.base.clone(),
            Classifier::forward,
            &train_on,
            &long,
            go,
        )?;
        let converged = measure.accuracy(&trained, Classifier::forward)?;
        Ok(Self {
            chain,
            train: train_on,
            measure,
            converged,
        })
    }

    fn run(&mut self, start: &Classifier, learning_rate: f64) -> Result<StartReport> {
        let mut report = StartReport {
            accuracy: self.measure.accuracy(start, Classifier::forward)?,
            steps: None,
        };
        let recipe = self.chain.recipe(CAP, learning_rate);
        train(
            start.clone(),
            Classifier::forward,
            &self.train,
            &recipe,
            |step, network| {
                if is_measured(step) {
                    let network = burn::module::Module::valid(network);
                    let accuracy = self.measure.accuracy(&network, Classifier::forward)?;
                    if accuracy >= GOAL * self.converged {
                        report.steps = Some(step);
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            },
        )?;
        Ok(report)
    }
}

/// Each of the first ten steps, then every 5th, then every 20th.
fn is_measured(step: usize) -> bool {
    let every = match step {
        ..=10 => 1,
        11..=60 => 5,
        _ => 20,
    };
    step.is_multiple_of(every)
}
