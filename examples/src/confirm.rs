//! Whether to begin something long or dear.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;

use crate::Result;

/// `--dry-run`, `--yes`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Confirm {
    /// Print what would be done and what it may take, and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Begin without asking.
    #[arg(long)]
    pub yes: bool,
}

impl Confirm {
    /// Whether to go on: `--dry-run` says no, `--yes` says yes, and otherwise the user is asked.
    ///
    /// # Errors
    /// Without a terminal to ask at.
    pub fn go_on(self) -> Result<bool> {
        if self.dry_run || self.yes {
            return Ok(!self.dry_run);
        }
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Err(
                "there is no terminal to ask whether to begin; pass --yes, or --dry-run".into(),
            );
        }
        eprint!("Begin? [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        input.lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}
