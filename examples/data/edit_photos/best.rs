//! The choice of the best edits, and their pairs on disk.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::Device;
use concepts::pairs::PairLayout;
use concepts::{Pair, Split};
use denoised_weights_examples::{Result, files};
use image_editors::quality::{ClipScore, NoReference, QualityScore};
use image_editors::run::{BestEdits, Choice, ChosenEdit, EditConcept, EditorScore};
use serde::{Deserialize, Serialize};

use crate::args::Args;

/// OUT/CONCEPT/best.json.
#[derive(Serialize)]
struct BestReport<'a> {
    concept: &'a str,
    prompt: &'a str,
    #[serde(flatten)]
    chosen_by: &'a ChosenBy,
    ranking: &'a [EditorScore],
    /// Which editor made the edit of each photo.
    chosen: &'a [ChosenEdit],
}

/// How the edits were chosen; scores of different kinds cannot be compared.
#[derive(PartialEq, Serialize, Deserialize)]
struct ChosenBy {
    /// Older reports do not say so, and chose an editor for all photos.
    #[serde(default = "per_concept")]
    choice: Choice,
    score: String,
    /// Digest of --clip's files and of --neutral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score_sha256: Option<String>,
}

fn per_concept() -> Choice {
    Choice::PerConcept
}

/// The score that chooses the best edits, and how to name it.
pub(crate) struct Judge {
    pub score: Box<dyn QualityScore>,
    chosen_by: ChosenBy,
}

impl Judge {
    pub(crate) fn new(args: &Args) -> Result<Self> {
        let (score, digest): (Box<dyn QualityScore>, _) = match &args.clip {
            Some(dir) => {
                let clip = ClipScore::open(dir, &args.neutral, &Device::default())
                    .map_err(|error| format!("--clip: {error}"))?;
                let digest = clip.digest().to_owned();
                (Box::new(clip), Some(digest))
            }
            None => (Box::new(NoReference), None),
        };
        Ok(Self {
            chosen_by: ChosenBy {
                choice: args.best.into(),
                score: score.name().to_owned(),
                score_sha256: digest,
            },
            score,
        })
    }

    /// Prints a line if an earlier run into this folder chose in another way, since the choice is made anew.
    fn compare(&self, concept: &EditConcept, best: &Path) {
        let found = std::fs::read(best).ok();
        let found = found.and_then(|bytes| serde_json::from_slice::<ChosenBy>(&bytes).ok());
        if let Some(found) = found.filter(|found| *found != self.chosen_by) {
            println!(
                "{}: the edits were chosen by {}, and are now chosen by {}",
                concept.name,
                found.label(),
                self.chosen_by.label()
            );
        }
    }
}

impl ChosenBy {
    fn label(&self) -> String {
        let each = match self.choice {
            Choice::PerImage => "for each photo",
            Choice::PerConcept => "for all photos of the prompt",
        };
        let digest = self.score_sha256.as_deref().and_then(|hex| hex.get(..12));
        match digest {
            Some(digest) => format!("{} {digest} {each}", self.score),
            None => format!("{} {each}", self.score),
        }
    }
}

/// Writes the pairs of the best edits in place of an earlier run's, and what was compared.
pub(crate) fn write_best(
    args: &Args,
    concept: &EditConcept,
    best: &BestEdits,
    judge: &Judge,
    splits: &HashMap<String, Split>,
) -> Result<()> {
    let dir = args.out.join(&concept.name);
    let layout = PairLayout::from(args.layout);
    let report = dir.join("best.json");
    judge.compare(concept, &report);
    // It is written last, so that the pairs whose editors it names are complete.
    match std::fs::remove_file(&report) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("{}: cannot be removed: {error}", report.display()).into());
        }
        _ => {}
    }
    PairLayout::clear(&dir)?;
    for split in [Split::Train, Split::Validation, Split::Test] {
        let of_split = |pair: &&Pair| splits.get(&pair.name) == Some(&split);
        let pairs: Vec<Pair> = best.pairs().iter().filter(of_split).cloned().collect();
        layout.write(&dir, split, &pairs, &concept.prompt)?;
    }
    files::write_png(&dir.join("sheet.png"), &best.sheet(args.sheet_rows, 128)?)?;
    files::write(
        &dir.join("prompt.txt"),
        format!("{}\n", concept.prompt).as_bytes(),
    )?;
    files::write_json(
        &report,
        &BestReport {
            concept: &concept.name,
            prompt: &concept.prompt,
            chosen_by: &judge.chosen_by,
            ranking: &best.ranking,
            chosen: &best.chosen,
        },
    )?;
    let editors: Vec<String> = (best.ranking.iter())
        .map(|e| format!("{} {} of {} ({:.4})", e.editor, e.chosen, e.photos, e.mean))
        .collect();
    println!(
        "{}: chosen by {}: {}",
        concept.name,
        best.score,
        editors.join(", ")
    );
    Ok(())
}
