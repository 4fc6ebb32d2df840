//! The results so far: a JSON file and a strip of pictures per concept, seed and method.

use std::path::{Path, PathBuf};

use denoised_weights::comparison::MethodReport;
use denoised_weights::pairs::ConceptPairs;
use denoised_weights::run::{Lock, claim};
use denoised_weights_examples::{Result, files};
use image::RgbImage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The folder of one concept and seed.
pub(crate) struct Store {
    dir: PathBuf,
}

/// The pairs of a concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub prompt: String,
    pub n_train: usize,
    pub n_test: usize,
}

/// The shown test photos, edited before and after training.
pub(crate) struct Strip {
    pub before: Vec<RgbImage>,
    pub after: Vec<RgbImage>,
}

impl Store {
    pub(crate) fn new(out: &Path, concept: &str, seed: u64) -> Self {
        Self {
            dir: out.join("runs").join(concept).join(format!("seed-{seed}")),
        }
    }

    /// The folder of the state of a method in training.
    pub(crate) fn state(&self, method: &str) -> PathBuf {
        self.dir.join(format!("{}-state", file_name(method)))
    }

    fn json(&self, method: &str) -> PathBuf {
        self.dir.join(format!("{}.json", file_name(method)))
    }

    fn png(&self, method: &str) -> PathBuf {
        self.dir.join(format!("{}.png", file_name(method)))
    }

    pub(crate) fn has(&self, method: &str) -> bool {
        self.json(method).is_file()
    }

    /// Locks the folder, after waiting for the process that holds the lock.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Ok(Lock::wait(self.dir.join("lock"))?)
    }

    /// Locks the folder; none if another process holds the lock.
    pub(crate) fn try_lock(&self) -> Result<Option<Lock>> {
        Ok(Lock::try_take(self.dir.join("lock"))?)
    }

    pub(crate) fn method(&self, method: &str) -> Result<Option<MethodReport>> {
        read(&self.json(method))
    }

    /// The JSON file is written last, since a method with one counts as measured.
    pub(crate) fn add(&self, method: &str, report: &MethodReport, strip: &Strip) -> Result<()> {
        write_strip(&self.png(method), strip)?;
        Ok(files::write_json(&self.json(method), report)?)
    }

    pub(crate) fn strip(&self, method: &str) -> Result<Strip> {
        read_strip(&self.png(method))
    }

    /// Adds the photos, their targets and the record of the pairs, once per concept and seed.
    pub(crate) fn add_pairs(&self, pairs: &ConceptPairs) -> Result<()> {
        let (before, after) = pairs.shown.iter().cloned().unzip();
        write_strip(&self.png("shown"), &Strip { before, after })?;
        let about = About {
            prompt: pairs.prompt.clone(),
            n_train: pairs.train.len(),
            n_test: pairs.test.len(),
        };
        Ok(claim(&self.json("about"), self.has("about"), &about)?)
    }

    /// The record of the pairs.
    pub(crate) fn about(&self) -> Result<Option<About>> {
        read(&self.json("about"))
    }

    /// Photos (before) and targets (after).
    pub(crate) fn shown(&self) -> Result<Strip> {
        read_strip(&self.png("shown"))
    }
}

/// Reads a file; none if it does not exist yet.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let damaged = |e: String| format!("{}: {e}; remove the file to measure again", path.display());
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(damaged(error.to_string()).into()),
        Ok(bytes) => Ok(Some(
            serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?,
        )),
    }
}

/// `denoised:30` is not a valid file name on every system.
fn file_name(method: &str) -> String {
    method.replace(':', "-of-")
}

/// Two rows of square images.
fn write_strip(path: &Path, strip: &Strip) -> Result<()> {
    let Some(side) = strip.before.first().map(RgbImage::width) else {
        return Err(format!("{}: there are no images to keep", path.display()).into());
    };
    let mut sheet = RgbImage::new(side * strip.before.len() as u32, 2 * side);
    for (y, row) in (0i64..).zip([&strip.before, &strip.after]) {
        for (x, image) in (0i64..).zip(row) {
            let side = i64::from(side);
            image::imageops::replace(&mut sheet, image, x * side, y * side);
        }
    }
    Ok(files::write_png(path, &sheet)?)
}

fn read_strip(path: &Path) -> Result<Strip> {
    let sheet = image::open(path)
        .map_err(|e| {
            format!(
                "{}: {e}; remove its folder to measure again",
                path.display()
            )
        })?
        .into_rgb8();
    let side = sheet.height() / 2;
    if side == 0 || sheet.width() % side != 0 {
        return Err(format!("{}: this is not a strip of square images", path.display()).into());
    }
    let row = |y: u32| -> Vec<RgbImage> {
        (0..sheet.width() / side)
            .map(|x| image::imageops::crop_imm(&sheet, x * side, y * side, side, side).to_image())
            .collect()
    };
    Ok(Strip {
        before: row(0),
        after: row(1),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strips_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let image = |v: u8| RgbImage::from_fn(8, 8, |x, y| image::Rgb([v, x as u8, y as u8]));
        let store = Store::new(dir.path(), "ink", 3);
        let strip = Strip {
            before: vec![image(1), image(3)],
            after: vec![image(2), image(4)],
        };
        std::fs::create_dir_all(&store.dir).unwrap();
        write_strip(&store.png("shown"), &strip).unwrap();
        let strip = store.shown().unwrap();
        assert_eq!(strip.before, [image(1), image(3)]);
        assert_eq!(strip.after, [image(2), image(4)]);
        assert!(!store.has("zero") && store.method("zero").unwrap().is_none());
        assert!(dir.path().join("runs/ink/seed-3/shown.png").is_file());
        std::fs::write(dir.path().join("runs/ink/seed-3/zero.json"), "{").unwrap();
        let error = store.method("zero").unwrap_err().to_string();
        assert!(
            error.contains("zero.json") && error.contains("measure again"),
            "{error}"
        );
    }
}
