//! Progress as a bar on a terminal, and as plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of a long job with its rate and time left.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    label: String,
    started: Instant,
    printed: Option<Instant>,
    first: u64,
}

impl Progress {
    /// Progress over `total` units, of which an earlier run did `done`.
    pub fn new(label: &str, total: u64, done: u64) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = match plain {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} [{bar:30}] {pos}/{len} {per_sec}, {eta} left {msg}",
        ) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label.to_owned());
        bar.set_position(done);
        bar.reset_eta();
        Self {
            bar,
            plain,
            label: label.to_owned(),
            started: Instant::now(),
            printed: None,
            first: done,
        }
    }

    /// Sets the units done and a note; without a terminal it prints at most one line in five seconds.
    pub fn set(&mut self, done: u64, note: String) {
        self.bar.set_position(done);
        if !self.plain {
            self.bar.set_message(note);
            return;
        }
        let total = self.bar.length().unwrap_or(done);
        let due = |at: Instant| at.elapsed() >= Duration::from_secs(5);
        if done < total && !self.printed.is_none_or(due) {
            return;
        }
        self.printed = Some(Instant::now());
        let elapsed = self.started.elapsed().as_secs_f64();
        let rate = (done - self.first.min(done)) as f64 / elapsed.max(1e-9);
        let seconds = (total - done.min(total)) as f64 / rate;
        let left = if rate > 0.0 {
            format!("{} left", HumanDuration(Duration::from_secs_f64(seconds)))
        } else {
            "time left unknown".to_owned()
        };
        eprintln!("{} {done}/{total}, {rate:.2}/s, {left} {note}", self.label);
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        if self.plain {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Ends the bar and leaves it on the screen.
    pub fn finish(self) {
        self.bar.finish();
    }
}
