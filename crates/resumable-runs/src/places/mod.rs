//! What a run reads and where it writes.

mod spot;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Error;
use spot::{Folders, Place, Spot};

/// What a run reads and where it writes, checked before it begins: nothing that it writes may replace what it reads, and
/// no two outputs may be one file.
///
/// Paths are compared by what they lead to and not by how they are spelled, so links, `.` and `..` hide nothing, and an
/// output need not exist yet. Outputs of an earlier run may be replaced.
///
/// ```
/// use resumable_runs::Places;
///
/// let dir = tempfile::tempdir()?;
/// let photo = dir.path().join("dog.png");
/// std::fs::write(&photo, "a photo")?;
/// let places = Places::new().reads(&photo);
/// places.clone().writes(dir.path().join("edited/dog.png")).check()?;
/// let error = places.writes(dir.path().join("edited/../dog.png")).check().unwrap_err();
/// assert!(error.to_string().contains("would replace"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Places {
    inputs: Vec<PathBuf>,
    /// Folders of which the files directly in them are inputs.
    flat: Vec<PathBuf>,
    outputs: Vec<PathBuf>,
}

impl Places {
    /// Nothing is read and nothing is written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file that is read, or a folder of which anything may be read.
    #[must_use]
    pub fn reads(mut self, path: impl Into<PathBuf>) -> Self {
        self.inputs.push(path.into());
        self
    }

    /// [`Places::reads`] of several files or folders.
    #[must_use]
    pub fn reads_all<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.inputs.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Adds a folder of which the files directly in it are read, whatever they are called, and not those of its subfolders.
    #[must_use]
    pub fn reads_directly_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.flat.push(folder.into());
        self
    }

    /// Adds a file that is written, or a folder of which any file may be replaced.
    #[must_use]
    pub fn writes(mut self, path: impl Into<PathBuf>) -> Self {
        self.outputs.push(path.into());
        self
    }

    /// [`Places::writes`] of several files or folders.
    #[must_use]
    pub fn writes_all<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.outputs.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Compares everything that was added. Nothing is created or changed.
    ///
    /// # Errors
    /// Returns [`Error::OutputIsInput`], [`Error::OutputInInput`] or [`Error::InputInOutput`] if an output would replace what
    /// is read, [`Error::SameOutput`] or [`Error::OutputInOutput`] if two outputs would be one file or one would lie in the
    /// other, [`Error::NotAFolder`] if an output lies below a file, and [`Error::WholeFile`] if a device or a pipe is there.
    pub fn check(&self) -> Result<(), Error> {
        let mut folders = Folders::default();
        let mut places = |paths: &[PathBuf]| -> Vec<Place> {
            paths.iter().map(|path| folders.place(path)).collect()
        };
        let (inputs, outputs) = (places(&self.inputs), places(&self.outputs));
        let flat = places(&self.flat);
        let read = Read {
            whole: by_spot(&inputs, &self.inputs),
            flat: by_spot(&flat, &self.flat),
        };
        let written = by_spot(&outputs, &self.outputs);

        let mut first: HashMap<&Spot, &PathBuf> = HashMap::new();
        for (place, output) in outputs.iter().zip(&self.outputs) {
            read.refuse(place, output)?;
            if !output.is_dir() {
                tensor_file::atomic::check(output)?;
            }
            if let Some(first) = first.insert(&place.spot, output) {
                return Err(Error::SameOutput {
                    first: first.clone(),
                    second: output.clone(),
                });
            }
            if let Some(folder) = place.above().find_map(|above| written.get(&above)) {
                return Err(Error::OutputInOutput {
                    output: output.clone(),
                    folder: folder.to_path_buf(),
                });
            }
        }
        let read = (inputs.iter().zip(&self.inputs)).chain(flat.iter().zip(&self.flat));
        for (place, input) in read {
            if let Some(output) = place.above().find_map(|above| written.get(&above)) {
                return Err(Error::InputInOutput {
                    input: input.clone(),
                    output: output.to_path_buf(),
                });
            }
        }
        Ok(())
    }
}

fn by_spot<'p>(places: &'p [Place], paths: &'p [PathBuf]) -> HashMap<&'p Spot, &'p PathBuf> {
    places.iter().map(|place| &place.spot).zip(paths).collect()
}

/// What is read.
struct Read<'p> {
    /// Files, and folders with everything in them.
    whole: HashMap<&'p Spot, &'p PathBuf>,
    /// Folders with the files directly in them.
    flat: HashMap<&'p Spot, &'p PathBuf>,
}

impl Read<'_> {
    /// Refuses an output that is an input, or in one, or below a file.
    fn refuse(&self, place: &Place, output: &Path) -> Result<(), Error> {
        let output = output.to_owned();
        let same = (self.whole.get(&place.spot)).or_else(|| self.flat.get(&place.spot));
        if let Some(input) = same {
            let input = input.to_path_buf();
            return Err(Error::OutputIsInput { output, input });
        }
        let directly = place.above().next();
        let folder = (place.above().find_map(|above| self.whole.get(&above)))
            .or_else(|| self.flat.get(&directly?));
        if let Some(folder) = folder {
            let folder = folder.to_path_buf();
            return Err(Error::OutputInInput { output, folder });
        }
        match place.below_file.clone() {
            Some(file) => Err(Error::NotAFolder { file, output }),
            None => Ok(()),
        }
    }
}

/// Whether two paths lead to one file or folder, which need not exist yet.
pub fn same_place(a: &Path, b: &Path) -> bool {
    let mut folders = Folders::default();
    folders.place(a).spot == folders.place(b).spot
}
