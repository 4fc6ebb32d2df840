//! The fine-tuning in its folder, where an interrupted one continues.

use std::path::PathBuf;

use denoised_weights::comparison::{Comparison, Outcome};
use denoised_weights::run::{Lock, claim, discard, lock_training};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::display;
use denoised_weights_examples::progress::Progress;
use finetune::Initializer;

use super::args::Args;

/// A fine-tuning that has its folder to itself.
pub(crate) struct Training<'a> {
    comparison: &'a Comparison<'a>,
    start: &'a dyn Initializer,
    state: PathBuf,
    /// An earlier run was interrupted.
    interrupted: bool,
    _lock: Lock,
}

impl<'a> Training<'a> {
    /// Locks the folder and refuses one with the result of another training.
    pub(crate) fn open(
        args: &Args,
        comparison: &'a Comparison<'a>,
        start: &'a dyn Initializer,
    ) -> Result<Self> {
        let lock = lock_training(&args.out)?;
        let state = args.out.join("state");
        let interrupted = Comparison::has_begun(&state);
        let results = ["adapter.safetensors", "report.json"];
        let begun = interrupted || results.iter().any(|name| args.out.join(name).exists());
        let identity = comparison.identity(start)?;
        if let Err(error) = claim(&args.out.join("run.json"), begun, &identity) {
            if !interrupted {
                discard(&state)?;
            }
            return Err(format!("{error}\n  --out names another folder").into());
        }
        if interrupted {
            eprintln!("continuing the training in {}", display(&args.out));
        }
        Ok(Self {
            comparison,
            start,
            state,
            interrupted,
            _lock: lock,
        })
    }

    /// Trains, with a bar from when there is a start.
    pub(crate) fn run(&self) -> Result<Outcome> {
        if !self.interrupted {
            eprintln!("making the start ({}) …", self.start.name());
        }
        let epochs = self.comparison.recipe().epochs as u64;
        let mut bar: Option<Progress> = None;
        let outcome = (self.comparison).fine_tune_saved(self.start, &self.state, |point| {
            let done = point.epoch as u64;
            let bar = bar.get_or_insert_with(|| Progress::new("train", epochs, done));
            bar.set(done, format!("quality {:.2}", point.quality));
        })?;
        if let Some(bar) = bar {
            bar.finish();
        }
        Ok(outcome)
    }

    /// Removes the state, once the results are written.
    pub(crate) fn finish(self) -> Result<()> {
        Ok(discard(&self.state)?)
    }
}
