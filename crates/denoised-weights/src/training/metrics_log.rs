//! Every step of a training as a line of JSON, and its curves.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weight_diffusion::train::{StepStats, Validation};

use crate::Error;
use crate::error::{Result, io};
use crate::run;

const FILE: &str = "metrics.jsonl";

/// A line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// An optimizer step.
    Step(StepStats),
    /// An evaluation on held-out concepts.
    HeldOut(Validation),
}

impl Metric {
    fn step(&self) -> u64 {
        match self {
            Self::Step(stats) => stats.step,
            Self::HeldOut(validation) => validation.step,
        }
    }
}

/// `metrics.jsonl`: a line per step and evaluation, without times, so that a resumed run leaves the same file as an
/// uninterrupted one. Lines are written when a state is saved.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    lines: Vec<Metric>,
    /// Lines that the file has.
    written: usize,
}

impl MetricsLog {
    /// The log in `dir` with the lines up to `step`; lines that an interrupted run wrote past its last state are removed,
    /// and are written again when the steps are repeated.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be read, and [`Error::BadMetrics`], which names the line, if it is damaged.
    pub fn open(dir: &Path, step: u64) -> Result<Self> {
        let path = dir.join(FILE);
        let text = read(&path)?;
        let (lines, kept) = parse(&path, &text, step)?;
        if kept < text.len() {
            run::write(&path, &text.as_bytes()[..kept])?;
        }
        Ok(Self {
            path,
            written: lines.len(),
            lines,
        })
    }

    /// The lines so far, also those of earlier runs.
    pub(super) fn lines(&self) -> &[Metric] {
        &self.lines
    }

    /// Adds a line.
    pub fn add(&mut self, metric: Metric) {
        self.lines.push(metric);
    }

    /// Appends the lines that the file lacks.
    ///
    /// # Errors
    /// Returns [`Error::Io`], which names the file, if it cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let mut new = Vec::new();
        for line in &self.lines[self.written..] {
            serde_json::to_writer(&mut new, line).map_err(|source| Error::Json {
                path: self.path.clone(),
                source,
            })?;
            new.push(b'\n');
        }
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).map_err(io("create the folder", dir))?;
        }
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(&new))
            .map_err(io("write", &self.path))?;
        self.written = self.lines.len();
        Ok(())
    }

    /// The points of a chart of the losses.
    pub fn curves(&self) -> LossCurves {
        LossCurves::of(&self.lines)
    }
}

/// The text of a log, which may not exist yet.
fn read(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(io("read", path)),
    }
}

/// The lines of `text` up to `step`, and how many bytes these are.
fn parse(path: &Path, text: &str, step: u64) -> Result<(Vec<Metric>, usize)> {
    let mut lines = Vec::new();
    let mut kept = 0;
    for line in text.split_inclusive('\n') {
        match serde_json::from_str::<Metric>(line) {
            Ok(metric) if metric.step() <= step => lines.push(metric),
            Ok(_) => break,
            // A process killed while it wrote leaves half a line past its last state.
            Err(_) if !line.ends_with('\n') => break,
            Err(source) => {
                return Err(Error::BadMetrics {
                    line: lines.len() + 1,
                    path: path.to_owned(),
                    source,
                });
            }
        }
        kept += line.len();
    }
    Ok((lines, kept))
}

/// Losses by optimizer step, as (step, mean squared error).
#[derive(Debug, Clone, PartialEq)]
pub struct LossCurves {
    /// Mean step and mean loss of each hundredth of the run.
    pub training: Vec<(f64, f64)>,
    /// The loss on held-out concepts at each evaluation; empty if there were none.
    pub held_out: Vec<(f64, f64)>,
}

impl LossCurves {
    /// Those of the log in `dir`, which is left as it is: another process may be writing to it.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let (lines, _) = parse(&path, &read(&path)?, u64::MAX)?;
        Ok(Self::of(&lines))
    }

    fn of(lines: &[Metric]) -> Self {
        let (mut losses, mut held_out) = (Vec::new(), Vec::new());
        for line in lines {
            match line {
                Metric::Step(stats) => losses.push((stats.step as f64, stats.loss)),
                Metric::HeldOut(v) => held_out.push((v.step as f64, v.loss)),
            }
        }
        let training = losses
            .chunks(losses.len().div_ceil(100).max(1))
            .map(|part| {
                let n = part.len() as f64;
                let sum = (part.iter()).fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
                (sum.0 / n, sum.1 / n)
            })
            .collect();
        Self { training, held_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> Metric {
        Metric::Step(StepStats {
            step,
            loss: 1.0 / step as f64,
            learning_rate: 1e-3,
            grad_norm: 0.5,
        })
    }

    #[test]
    fn a_resumed_log_continues_from_its_state() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(dir.path(), 0)?;
        (1..=6).for_each(|i| log.add(step(i)));
        log.flush()?;
        let whole = std::fs::read(&path)?;
        // Killed within a line past the state of step 4.
        std::fs::write(&path, [&whole[..], b"{\"step\":{\"st"].concat())?;
        let mut log = MetricsLog::open(dir.path(), 4)?;
        assert_eq!(log.lines.len(), 4);
        (5..=6).for_each(|i| log.add(step(i)));
        log.flush()?;
        assert_eq!(std::fs::read(&path)?, whole);
        let curves = log.curves();
        assert_eq!(curves.training.len(), 6);
        assert_eq!(curves.training[1], (2.0, 0.5));
        assert!(curves.held_out.is_empty());
        std::fs::write(&path, [b"nothing\n".as_slice(), &whole].concat())?;
        let error = MetricsLog::open(dir.path(), 4).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("metrics.jsonl: line 1")));
        Ok(())
    }
}
