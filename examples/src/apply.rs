//! Editing a folder of photos with an adapter.

use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use denoised_weights::{PhotoEditor, PlannedEdit, WholeSize, plan_edits};
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;

use crate::Result;
use crate::cli::display;
use crate::files::Places;
use crate::progress::Progress;

/// `--apply`, `--whole`, `--shorter-side`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// Also edit the photos of this folder with the adapter: their middle squares, at the size that the base was trained
    /// on, unless --whole or --shorter-side is given.
    #[arg(long, value_name = "DIR")]
    pub apply: Option<PathBuf>,
    /// Edit whole photos at their own size, of up to 1,048,576 pixels.
    #[arg(long, requires = "apply")]
    whole: bool,
    /// Edit whole photos, scaled to this many pixels along the shorter side, 32 to 4096.
    #[arg(
        long,
        value_name = "PIXELS",
        requires = "apply",
        conflicts_with = "whole",
        value_parser = value_parser!(u32).range(32..=4096)
    )]
    shorter_side: Option<u32>,
}

impl ApplyArgs {
    /// The size of photos that are edited as a whole; none for their middle squares.
    fn whole_size(&self) -> Option<WholeSize> {
        match self.shorter_side {
            Some(side) => Some(WholeSize::ShorterSide(side)),
            None => self.whole.then_some(WholeSize::Own),
        }
    }

    /// Adds the photos and their edits in the folder `edited`.
    ///
    /// # Errors
    /// As [`plan_edits`].
    pub fn places(&self, places: Places, edited: &Path) -> Result<Places> {
        let Some(photos) = &self.apply else {
            return Ok(places);
        };
        let plan = plan_edits(photos, edited)?;
        let places = places.reads_all(plan.iter().map(|edit| &edit.photo));
        Ok(places.writes_all(plan.iter().map(|edit| &edit.edited)))
    }

    /// Checks that each photo can be edited, before anything is made to edit it with.
    ///
    /// # Errors
    /// As [`PlannedEdit::check_all`].
    pub fn check(&self, edited: &Path) -> Result<()> {
        match &self.apply {
            Some(photos) => Ok(PlannedEdit::check_all(
                &plan_edits(photos, edited)?,
                self.whole_size(),
            )?),
            None => Ok(()),
        }
    }

    /// Edits the photos into the folder `edited`, with a bar; gives what to print about it, if there are photos to edit.
    ///
    /// # Errors
    /// As [`PhotoEditor::new`] and [`PhotoEditor::edit_folder_whole`].
    pub fn edit(
        &self,
        base: &BaseGenerator,
        adapter: &NamedTensors,
        edited: &Path,
    ) -> Result<Option<String>> {
        let Some(photos) = &self.apply else {
            return Ok(None);
        };
        let editor = PhotoEditor::new(base, adapter)?;
        let total = plan_edits(photos, edited)?.len() as u64;
        let mut progress = Progress::new("edit", total, 0);
        let observe = |done: usize| progress.set(done as u64, String::new());
        let (count, what) = match self.whole_size() {
            Some(size) => (
                editor.edit_folder_whole(photos, edited, size, observe)?,
                String::new(),
            ),
            None => {
                let side = base.config.image_size;
                let what = format!(" (their middle squares at {side}×{side}; --whole keeps all)");
                (editor.edit_folder(photos, edited, observe)?, what)
            }
        };
        progress.finish();
        Ok(Some(format!(
            "{count} photos edited into {}{what}",
            display(edited)
        )))
    }
}
