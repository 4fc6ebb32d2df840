//! Editing many photos with several editors, resumably, and choosing the best edit for each photo.
//!
//! ```
//! use concepts::{ClassicalEditor, ImageEditor};
//! use image_editors::quality::NoReference;
//! use image_editors::run::*;
//!
//! let dir = tempfile::tempdir()?;
//! let photo = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([4 * x as u8, 4 * y as u8, 128]));
//! let photos = [NamedImage { name: "first".to_owned(), image: photo }];
//! let editor = ClassicalEditor::default(); // or a ComfyEditor, a WebUiEditor, ...
//! let editors: [&(dyn ImageEditor + Sync); 1] = [&editor];
//! let concepts = [EditConcept { name: "fog".to_owned(), prompt: "green fog".to_owned() }];
//!
//! let run = EditRun::new(dir.path(), &concepts, &photos, &editors, EditSettings::default())?;
//! assert_eq!(run.plan().todo, 1);
//! let summary = run.run(&|_| {})?;
//! assert_eq!((summary.made, summary.failures.len()), (1, 0));
//! assert_eq!(run.plan().todo, 0); // a second run has nothing to do
//!
//! let best = run.choose(&concepts[0], &NoReference, Choice::PerImage)?;
//! assert_eq!((best.chosen[0].photo.as_str(), best.chosen[0].editor.as_str()), ("first", "classical"));
//! let pairs = best.pairs(); // for concepts::write_pairs
//! assert_eq!(pairs[0].name, "first");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempts;
mod best;
mod choice;
mod edit_run;
mod record;
mod sheet;
mod task;

pub use best::BestEdits;
pub use choice::{Choice, ChosenEdit, EditorScore};
pub use edit_run::EditRun;
pub use record::EditRecord;
pub use task::{
    EditConcept, EditEvent, EditFailure, EditPlan, EditSettings, EditSummary, NamedImage,
};
