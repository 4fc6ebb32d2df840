//! Asking before something long or expensive begins.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;

use crate::Result;

/// `--dry-run`, `--yes`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Confirm {
    /// Print what would be done and an estimate of what it takes, and exit.
    #[arg(long)]
    pub dry_run: bool,
    /// Begin without asking for confirmation.
    #[arg(long)]
    pub yes: bool,
}

impl Confirm {
    /// Whether to go on: no with `--dry-run`, yes with `--yes`, and otherwise the user decides.
    ///
    /// # Errors
    /// Returns an error if there is no terminal to ask at.
    pub fn go_on(self) -> Result<bool> {
        if self.dry_run || self.yes {
            return Ok(!self.dry_run);
        }
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Err(
                "there is no terminal to ask for confirmation; pass --yes or --dry-run".into(),
            );
        }
        eprint!("Begin? [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        input.lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}
