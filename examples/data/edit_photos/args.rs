//! The command line, and what it names.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use concepts::{ClassicalEditor, ImageEditor};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::interval;
use denoised_weights_examples::confirm::Confirm;
use denoised_weights_examples::options::{Layout, at_least, number_in};
use image_editors::run::{Choice, EditSettings};
use image_editors::{EditorConfig, HttpSettings};

/// Edit photos for each prompt with each editor, and write the pairs of the best edits, a contact
/// sheet and a record of every edit. After an interruption, the same command continues the run. Pairs
/// that an earlier run wrote into the same folder are replaced; its edits are kept.
///
/// OUT/CONCEPT/edits/EDITOR/PHOTO.{png,json}, OUT/CONCEPT/{train,val,test}/...,
/// OUT/CONCEPT/{prompt.txt,sheet.png,best.json}
#[derive(Parser)]
pub(crate) struct Args {
    /// Folder that prepare_photos wrote (with train/, val/ and test/), or any folder of photos.
    #[arg(long, value_name = "DIR")]
    pub photos: PathBuf,
    /// Prompts, one per line; `NAME: PROMPT`, with a NAME without spaces, names the folder, which is otherwise named after
    /// the prompt. Lines that begin with `#` are comments.
    #[arg(long, value_name = "FILE")]
    pub prompts: PathBuf,
    /// JSON list of editors (docs/data.md) [default: the classical filters, which need no server].
    #[arg(long, value_name = "FILE")]
    pub editors: Option<PathBuf>,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Edge of the square images in pixels.
    #[arg(
        long,
        default_value_t = 256,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub size: usize,
    /// How the pairs are laid out.
    #[arg(long, value_enum, default_value_t = Layout::Folders)]
    pub layout: Layout,
    /// Number of edits in flight at a time.
    #[arg(
        long,
        default_value_t = 2,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub workers: usize,
    /// Maximum number of edits begun per minute, not counting repeated attempts [default: no limit].
    #[arg(long, allow_negative_numbers = true)]
    pub per_minute: Option<f64>,
    /// Timeout of a request, in seconds.
    #[arg(long, default_value_t = 300)]
    pub timeout: u64,
    /// Maximum number of attempts at a request.
    #[arg(
        long,
        default_value_t = 5,
        value_parser = at_least::<u32>(1),
        allow_negative_numbers = true
    )]
    pub attempts: u32,
    /// Number of failed edits in a row that ends the run.
    #[arg(
        long,
        default_value_t = 8,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    pub max_failures: usize,
    /// Price of an edit, for the estimate.
    #[arg(long, default_value_t = 0.0)]
    pub price: f64,
    /// Duration of an edit in seconds, for the estimate [default: that of earlier edits].
    #[arg(long, value_parser = number_in(0.0..=DAY), allow_negative_numbers = true)]
    pub seconds: Option<f64>,
    /// What the best edit is chosen for: each photo, or one editor for all photos of a prompt.
    #[arg(long, value_enum, default_value_t = Best::Image)]
    pub best: Best,
    /// Folder of a whole CLIP model (config.json, model.safetensors, tokenizer.json): the best edit is
    /// the one that moves in the direction of the prompt [default: the sharpest, cleanest one].
    #[arg(long, value_name = "DIR")]
    pub clip: Option<PathBuf>,
    /// Text that describes the unedited photos to --clip.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "clip",
        default_value = "a photo of a person"
    )]
    pub neutral: String,
    /// Number of photos on a contact sheet.
    #[arg(long, default_value_t = 8)]
    pub sheet_rows: usize,
    /// Seed from which the edits' seeds are drawn.
    #[arg(
        long,
        default_value_t = 0,
        value_parser = at_least::<u64>(0),
        allow_negative_numbers = true
    )]
    pub seed: u64,
    #[command(flatten)]
    pub confirm: Confirm,
}

/// Seconds that an edit takes at most.
const DAY: f64 = 86_400.0;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Best {
    /// The best edit of each photo, whichever editor made it, as in the paper
    Image,
    /// The editor that is best on average, for one consistent style
    Concept,
}

impl From<Best> for Choice {
    fn from(best: Best) -> Self {
        match best {
            Best::Image => Self::PerImage,
            Best::Concept => Self::PerConcept,
        }
    }
}

impl Args {
    /// The editors of --editors, or the classical filters.
    pub(crate) fn editors(&self) -> Result<Vec<Box<dyn ImageEditor + Sync>>> {
        let Some(file) = &self.editors else {
            return Ok(vec![Box::new(ClassicalEditor::default())]);
        };
        let http = HttpSettings {
            timeout: Duration::from_secs(self.timeout),
            attempts: self.attempts,
            ..HttpSettings::default()
        };
        let mut editors: Vec<Box<dyn ImageEditor + Sync>> = Vec::new();
        for config in EditorConfig::read_list(file)? {
            editors.push(config.open(&http)?);
        }
        if editors.is_empty() {
            return Err("the list of editors is empty".into());
        }
        Ok(editors)
    }

    pub(crate) fn settings(&self) -> Result<EditSettings> {
        Ok(EditSettings {
            seed: self.seed,
            workers: self.workers,
            interval: interval(self.per_minute)?,
            max_failures: self.max_failures,
        })
    }
}
