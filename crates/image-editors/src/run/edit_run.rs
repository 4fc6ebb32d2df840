use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use concepts::images::read_image;
use concepts::{ImageEditor, pairs};
use resumable_runs::{Lock, remove_abandoned, sha256_parts, workers};

use super::attempts::Attempts;
use super::best::{self, BestEdits};
use super::choice::Choice;
use super::record::{EditRecord, VERSION, image_digest};
use super::task::{EditConcept, EditEvent, EditPlan, EditSettings, EditSummary, NamedImage};
use crate::Error;
use crate::accept::only_colour;
use crate::quality::QualityScore;

/// All edits of concepts × photos × editors.
///
/// An edit is stored as `OUT/CONCEPT/edits/EDITOR/PHOTO.png` with a record in `PHOTO.json`; both are renamed into place,
/// the record last. A run that is killed at any time resumes where it stopped: edits whose record matches the task are
/// kept, and the others are made. Only one run at a time can write to a folder.
pub struct EditRun<'a> {
    out: PathBuf,
    pub(super) concepts: &'a [EditConcept],
    pub(super) photos: &'a [NamedImage],
    digests: Vec<String>,
    pub(super) editors: &'a [&'a (dyn ImageEditor + Sync)],
    pub(super) settings: EditSettings,
}

/// How many photos and editors, without either.
impl fmt::Debug for EditRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditRun")
            .field("out", &self.out)
            .field("concepts", &self.concepts.len())
            .field("photos", &self.photos.len())
            .field("editors", &self.editors.len())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// One edit, by the indices of its concept, photo and editor.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub(super) concept: usize,
    pub(super) photo: usize,
    pub(super) editor: usize,
}

impl<'a> EditRun<'a> {
    /// Checks the names. Nothing is written and no editor is called.
    ///
    /// # Errors
    /// Returns [`concepts::Error::BadName`] for a name that cannot be a file name (`..`, `a/b`) or is used twice.
    pub fn new(
        out: &Path,
        concepts: &'a [EditConcept],
        photos: &'a [NamedImage],
        editors: &'a [&'a (dyn ImageEditor + Sync)],
        settings: EditSettings,
    ) -> Result<Self, Error> {
        check_names(concepts.iter().map(|concept| concept.name.as_str()))?;
        check_names(photos.iter().map(|photo| photo.name.as_str()))?;
        check_names(editors.iter().map(|editor| editor.name()))?;
        Ok(Self {
            out: out.to_owned(),
            concepts,
            photos,
            digests: photos.iter().map(|p| image_digest(&p.image)).collect(),
            editors,
            settings,
        })
    }

    /// What is done and what is left to do. Reads every existing edit.
    pub fn plan(&self) -> EditPlan {
        let mut plan = EditPlan {
            workers: self.settings.workers,
            ..EditPlan::default()
        };
        let mut seconds = 0.0;
        for task in self.tasks() {
            match EditRecord::find(&self.path(task, "json")) {
                Some(found) if self.keeps(task, &found) => {
                    plan.done += 1;
                    seconds += found.seconds;
                }
                found => {
                    plan.todo += 1;
                    plan.stale += usize::from(found.is_some());
                }
            }
        }
        plan.seconds_per_edit = (plan.done > 0).then(|| seconds / plan.done as f64);
        plan
    }

    /// Makes the missing edits. An edit that fails does not end the run; see [`EditSummary::failures`].
    ///
    /// # Errors
    /// Returns [`Error::File`] if another run writes to the folder or an edit cannot be written.
    pub fn run(&self, observe: &(dyn Fn(EditEvent<'_>) + Sync)) -> Result<EditSummary, Error> {
        let _lock = Lock::take(self.out.join(".lock"))?;
        self.clean();
        let tasks: Vec<Task> = self.tasks().collect();
        let todo: Vec<Task> = tasks
            .iter()
            .copied()
            .filter(|&task| {
                !EditRecord::find(&self.path(task, "json"))
                    .is_some_and(|found| self.keeps(task, &found))
            })
            .collect();
        let attempts = Attempts::new(self, tasks.len(), tasks.len() - todo.len());
        let results = workers::map(self.settings.workers, todo.len(), &attempts.stop, |i| {
            attempts.attempt(todo[i], observe)
        });
        attempts.summary(results)
    }

    /// The best edits for `concept` by `score`, with their pairs, the editors that made them and all editors' scores.
    ///
    /// # Errors
    /// Returns [`Error::UnknownConcept`], [`Error::NoEdits`] if there is no edit yet, the errors of reading an edit, and
    /// those of the score.
    pub fn choose(
        &self,
        concept: &EditConcept,
        score: &dyn QualityScore,
        choice: Choice,
    ) -> Result<BestEdits, Error> {
        let index = self
            .concepts
            .iter()
            .position(|other| other == concept)
            .ok_or_else(|| Error::UnknownConcept {
                name: concept.name.clone(),
            })?;
        let mut edits = Vec::new();
        for editor in 0..self.editors.len() {
            for photo in 0..self.photos.len() {
                let task = Task {
                    concept: index,
                    photo,
                    editor,
                };
                let Some(record) = EditRecord::find(&self.path(task, "json")) else {
                    continue;
                };
                if self.keeps(task, &record) {
                    let path = self.path(task, "png");
                    let edited = read_image(&path).map_err(concepts::Error::from)?;
                    edits.push((record, photo, edited));
                }
            }
        }
        if edits.is_empty() {
            return Err(Error::NoEdits {
                path: self.out.join(&concept.name).join("edits"),
            });
        }
        best::choose(concept, edits, self.photos, score, choice)
    }

    /// Removes the temporary files of killed runs.
    fn clean(&self) {
        for concept in self.concepts {
            for editor in self.editors {
                let folder = self
                    .out
                    .join(&concept.name)
                    .join("edits")
                    .join(editor.name());
                remove_abandoned(&folder);
            }
        }
    }

    fn tasks(&self) -> impl Iterator<Item = Task> + use<'_> {
        let (photos, editors) = (self.photos.len(), self.editors.len());
        (0..self.concepts.len()).flat_map(move |concept| {
            (0..photos).flat_map(move |photo| {
                (0..editors).map(move |editor| Task {
                    concept,
                    photo,
                    editor,
                })
            })
        })
    }

    fn path(&self, task: Task, extension: &str) -> PathBuf {
        self.out
            .join(&self.concepts[task.concept].name)
            .join("edits")
            .join(self.editors[task.editor].name())
            .join(format!("{}.{extension}", self.photos[task.photo].name))
    }

    /// The record that the task will have, without the result.
    fn record(&self, task: Task) -> EditRecord {
        let concept = &self.concepts[task.concept];
        let editor = self.editors[task.editor];
        let photo = &self.photos[task.photo].name;
        let digest = sha256_parts(&[
            &self.settings.seed.to_le_bytes(),
            concept.name.as_bytes(),
            photo.as_bytes(),
            editor.name().as_bytes(),
        ]);
        // 32 bits, the range of seeds that all servers accept.
        let seed = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
        EditRecord {
            version: VERSION,
            concept: concept.name.clone(),
            prompt: concept.prompt.clone(),
            photo: photo.clone(),
            photo_sha256: self.digests[task.photo].clone(),
            editor: editor.name().to_owned(),
            parameters: editor.parameters(),
            seed: seed.into(),
            seconds: 0.0,
            sha256: String::new(),
        }
    }

    fn keeps(&self, task: Task, found: &EditRecord) -> bool {
        let path = self.path(task, "png");
        let photo = &self.photos[task.photo].image;
        found.same_task(&self.record(task))
            && found.fits(&path)
            && (found.version == VERSION
                || read_image(&path).is_ok_and(|edit| only_colour(&edit, photo).is_none()))
    }

    pub(super) fn make(&self, task: Task) -> Result<(), Error> {
        let photo = &self.photos[task.photo].image;
        let mut record = self.record(task);
        let start = Instant::now();
        let edited = self.editors[task.editor].edit(photo, &record.prompt, record.seed)?;
        record.seconds = start.elapsed().as_secs_f64();
        if edited.dimensions() != photo.dimensions() {
            return Err(Error::EditSize {
                editor: record.editor,
                edited: edited.dimensions(),
                photo: photo.dimensions(),
            });
        }
        if let Some(colour) = only_colour(&edited, photo) {
            return Err(Error::FlatEdit {
                editor: record.editor,
                colour,
            });
        }
        record.write(&edited, &self.path(task, "png"), &self.path(task, "json"))
    }
}

fn check_names<'n>(names: impl Iterator<Item = &'n str>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for name in names {
        pairs::check_name(name)?;
        if !seen.insert(name) {
            return Err(concepts::Error::BadName {
                name: name.to_owned(),
            }
            .into());
        }
    }
    Ok(())
}
