//! Collecting the weights of any network.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use weight_blocks::{ConceptRecord, NamedTensors, Zoo};

use crate::Error;
use crate::error::Result;
use crate::pairs::PairsGiven;
use crate::run::{Lock, discard};

/// The progress of [`collect`] and [`Collector::collect`](super::Collector::collect).
#[derive(Debug, Clone, Copy)]
pub enum CollectEvent<'a> {
    /// Another process trains the concept; it comes again at the end, in case that process is killed.
    Busy {
        /// Name of the concept.
        concept: &'a str,
    },
    /// The training of the concept begins, from [`Collector::collect`](super::Collector::collect) alone.
    Begin {
        /// Name of the concept.
        concept: &'a str,
        /// How many pairs there are for it, of which [`CollectOptions::counts`](super::CollectOptions::counts) takes some.
        given: PairsGiven,
    },
    /// The concept is in the zoo.
    Collected {
        /// Name of the concept.
        concept: &'a str,
        /// Metrics of its last checkpoint, by name.
        metrics: &'a BTreeMap<String, f64>,
    },
}

/// Trains, with `train`, each of the named `concepts` that `zoo` lacks, and appends it. Gives the number of concepts that
/// this process trained.
///
/// The network may be any: `train` gets a concept's name, the concept, and a folder for states that should survive an
/// interruption, which is removed once the concept is in the zoo. It returns the record, which gets the concept's name, and
/// the weights of each of its checkpoints, such as
/// [`ModuleSpace::read_weights`](weight_blocks::WeightSpace::read_weights) gives them. After an interruption, the same call goes
/// on with the concepts that are missing. Several processes may collect into one zoo: a concept is trained by one of them.
///
/// ```
/// use std::collections::BTreeMap;
/// use denoised_weights::burn::nn::LinearConfig;
/// use denoised_weights::burn::tensor::Device;
/// use denoised_weights::collecting::collect;
/// use denoised_weights::weight_blocks::{
///     Checkpoint, ConceptRecord, GroupingRule, Layout, ModuleSpace, WeightSpace, Zoo,
/// };
///
/// # let dir = tempfile::tempdir()?;
/// let device = Device::flex();
/// let network = || ModuleSpace::new(LinearConfig::new(2, 3).init(&device));
/// let layout = Layout::new("mine", network()?.layer_groups(), GroupingRule::Appended, 4)?;
/// let mut zoo = Zoo::create(dir.path(), &layout, "digest of the frozen base")?;
///
/// let prompts = ["odd against even", "greater than six"];
/// let tasks = prompts.map(|prompt| (prompt.replace(' ', "-"), prompt));
/// let trained = collect(&mut zoo, &tasks, |name, prompt, _states| {
///     let network = network()?; // … and its training
///     let record = ConceptRecord {
///         concept: name.into(),
///         prompt: prompt.to_string(),
///         seed: 0,
///         recipe: "constant".into(),
///         checkpoints: vec![Checkpoint { epoch: 1, metrics: BTreeMap::new() }],
///     };
///     Ok::<_, denoised_weights::Error>((record, vec![network.read_weights()?]))
/// }, |_| ())?;
/// assert_eq!((trained, zoo.entries().len()), (2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns the error of `train`; [`Error::Weights`] if the weights do not fit the zoo or cannot be written; and
/// [`Error::Io`] if a lock or a folder cannot be made or removed. What was collected before stays in the zoo.
pub fn collect<C, E: From<Error>>(
    zoo: &mut Zoo,
    concepts: &[(String, C)],
    mut train: impl FnMut(&str, &C, &Path) -> Result<(ConceptRecord, Vec<NamedTensors>), E>,
    mut observe: impl FnMut(CollectEvent<'_>),
) -> Result<usize, E> {
    let mut collected = 0;
    let mut queue: VecDeque<_> = concepts.iter().map(|concept| (concept, false)).collect();
    while let Some((concept, wait)) = queue.pop_front() {
        let (name, source) = concept;
        let work = Work::of(zoo, name);
        if is_recorded(zoo, name)? {
            work.tidy()?;
            continue;
        }
        let Some(lock) = work.lock(wait)? else {
            observe(CollectEvent::Busy { concept: name });
            queue.push_back((concept, true));
            continue;
        };
        if is_recorded(zoo, name)? {
            work.clear(lock)?;
            continue;
        }
        let (mut record, weights) = train(name, source, &work.states)?;
        record.concept.clone_from(name);
        zoo.append(&record, &weights).map_err(Error::from)?;
        work.clear(lock)?;
        collected += 1;
        if let Some(last) = record.checkpoints.last() {
            let metrics = &last.metrics;
            observe(CollectEvent::Collected {
                concept: name,
                metrics,
            });
        }
    }
    zoo.refresh().map_err(Error::from)?;
    // States of other processes may still be in the folder; the last process removes it.
    let _ = std::fs::remove_dir(zoo.dir().join(WORK));
    Ok(collected)
}

/// The folder in a zoo for concepts in training.
const WORK: &str = "work";

fn is_recorded(zoo: &Zoo, name: &str) -> Result<bool> {
    Ok(zoo.is_recorded(name)?)
}

/// What a concept in training keeps on disk.
struct Work {
    states: PathBuf,
    lock: PathBuf,
}

impl Work {
    fn of(zoo: &Zoo, name: &str) -> Self {
        let dir = zoo.dir().join(WORK);
        Self {
            states: dir.join(name),
            lock: dir.join(format!("{name}.lock")),
        }
    }

    fn lock(&self, wait: bool) -> Result<Option<Lock>> {
        Ok(match wait {
            true => Some(Lock::wait(&self.lock)?),
            false => Lock::try_take(&self.lock)?,
        })
    }

    /// Removes a finished concept's state, then its lock: a process that waits for it finds the concept in the zoo.
    fn clear(&self, lock: Lock) -> Result<()> {
        discard(&self.states)?;
        Ok(lock.remove()?)
    }

    /// [`Work::clear`] after a process that was killed between appending the concept and clearing.
    fn tidy(&self) -> Result<()> {
        if !self.lock.exists() && !self.states.exists() {
            return Ok(());
        }
        match Lock::try_take(&self.lock)? {
            Some(lock) => self.clear(lock),
            None => Ok(()),
        }
    }
}
