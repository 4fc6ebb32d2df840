//! Trainings of users' styles: one at a time, the others wait; all survive the end of the server.

mod files;
mod progress;
mod run;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use concepts::Pair;
use denoised_weights::Error;
use denoised_weights::run::{Lock, discard};

use crate::limits;
use crate::refusal::{Refusal, Result, failed};
use crate::workbench::Workbench;

pub(crate) use files::Spec;
pub(crate) use progress::{Shown, State};
pub(crate) use run::Run;

/// All trainings below one folder.
pub(crate) struct Trainings {
    dir: PathBuf,
    runs: Mutex<BTreeMap<u32, Arc<Run>>>,
    /// Wakes the worker.
    work: Condvar,
    closing: AtomicBool,
    worker: Mutex<Option<JoinHandle<()>>>,
    _lock: Lock,
}

/// The value of a lock, whatever became of the thread that held it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Trainings {
    /// Opens the folder, and continues the trainings that were running or waiting when the last server ended.
    pub(crate) fn open(dir: &Path, bench: Arc<Workbench>) -> Result<Arc<Self>, Error> {
        let busy = || Error::Busy {
            path: dir.to_owned(),
        };
        let lock = Lock::try_take(dir.join("lock"))?.ok_or_else(busy)?;
        let runs = files::read_all(dir)?;
        let runs = runs.into_iter().map(|run| (run.id(), Arc::new(run)));
        let trainings = Arc::new(Self {
            dir: dir.to_owned(),
            runs: Mutex::new(runs.collect()),
            work: Condvar::new(),
            closing: AtomicBool::new(false),
            worker: Mutex::new(None),
            _lock: lock,
        });
        let worker = worker::start(Arc::clone(&trainings), bench);
        *locked(&trainings.worker) = worker;
        Ok(trainings)
    }

    /// Writes the pairs and puts a training at the end of the queue.
    pub(crate) fn add(&self, spec: Spec, pairs: &[Pair]) -> Result<Arc<Run>> {
        let mut runs = locked(&self.runs);
        let waiting = runs.values().filter(|run| run.is_waiting()).count();
        if waiting >= limits::QUEUE {
            return Err(Refusal::impossible(format!(
                "{waiting} trainings are waiting already; wait until one begins"
            )));
        }
        if runs.len() >= limits::TRAININGS {
            return Err(Refusal::impossible(format!(
                "{} trainings are kept already; remove some that you no longer need",
                runs.len()
            )));
        }
        let id = runs.keys().next_back().map_or(1, |last| last + 1);
        let run = files::create(&self.dir, id, spec, pairs);
        let run = Arc::new(run.map_err(failed("the pairs cannot be saved"))?);
        runs.insert(id, Arc::clone(&run));
        drop(runs);
        self.work.notify_all();
        Ok(run)
    }

    pub(crate) fn get(&self, id: u32) -> Result<Arc<Run>> {
        let run = locked(&self.runs).get(&id).cloned();
        run.ok_or_else(|| Refusal::unknown("training"))
    }

    /// All, the latest first.
    pub(crate) fn all(&self) -> Vec<Arc<Run>> {
        locked(&self.runs).values().rev().cloned().collect()
    }

    /// Lets a paused training queue again.
    pub(crate) fn resume(&self, id: u32) -> Result<()> {
        self.get(id)?.ask(State::Waiting)?;
        self.work.notify_all();
        Ok(())
    }

    /// Removes a training that does not run, and its folder.
    pub(crate) fn remove(&self, id: u32) -> Result<()> {
        let run = self.get(id)?;
        let mut runs = locked(&self.runs);
        if run.is_running() {
            return Err(Refusal::impossible("stop the training before removing it"));
        }
        runs.remove(&id);
        drop(runs);
        run.forget();
        discard(run.dir()).map_err(failed("the training cannot be removed"))
    }

    /// Whether the server is about to end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Ends the running training at its last saved epoch and waits for that. It goes on when the folder is opened again.
    pub(crate) fn close(&self) {
        {
            let _runs = locked(&self.runs);
            self.closing.store(true, Ordering::Relaxed);
        }
        self.work.notify_all();
        let worker = locked(&self.worker).take();
        if let Some(worker) = worker
            && worker.join().is_err()
        {
            log::error!("the training thread ended with a panic");
        }
    }

    /// Waits for a training to do; `None` if the server ends.
    fn next(&self) -> Option<Arc<Run>> {
        let mut runs = locked(&self.runs);
        loop {
            if self.is_closing() {
                return None;
            }
            if let Some(run) = runs.values().find(|run| run.begin()) {
                return Some(Arc::clone(run));
            }
            runs = (self.work.wait(runs)).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
