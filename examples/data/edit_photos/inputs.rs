//! Photos and prompts.

use std::collections::HashMap;
use std::path::Path;

use concepts::{Photo, Split, read_photos};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::read_lines;
use image_editors::run::{EditConcept, NamedImage};

/// Reads the photos, and the split of each by its name; without subfolders all are training photos.
pub(crate) fn read_split_photos(
    dir: &Path,
    size: usize,
) -> Result<(Vec<NamedImage>, HashMap<String, Split>)> {
    let mut photos: Vec<NamedImage> = Vec::new();
    let mut splits = HashMap::new();
    let mut add = |read: Vec<Photo>, split| {
        for photo in read {
            let photo = NamedImage::from(photo);
            splits.insert(photo.name.clone(), split);
            photos.push(photo);
        }
    };
    let parts = [
        ("train", Split::Train),
        ("val", Split::Validation),
        ("test", Split::Test),
    ];
    if parts.iter().any(|(name, _)| dir.join(name).is_dir()) {
        for (name, split) in parts {
            if dir.join(name).is_dir() {
                add(read_photos(&dir.join(name), size)?, split);
            }
        }
    } else {
        add(read_photos(dir, size)?, Split::Train);
    }
    Ok((photos, splits))
}

/// Reads the prompts, one per line, with or without the name of the concept.
pub(crate) fn read_prompts(path: &Path) -> Result<Vec<EditConcept>> {
    let concepts: Vec<EditConcept> = read_lines(path)?
        .into_iter()
        .map(|line| match line.split_once(": ") {
            Some((name, prompt)) => EditConcept {
                name: name.trim().to_owned(),
                prompt: prompt.trim().to_owned(),
            },
            None => EditConcept {
                name: slug(&line),
                prompt: line,
            },
        })
        .collect();
    if concepts.is_empty() {
        return Err(format!("{}: contains no prompt; write one per line", path.display()).into());
    }
    Ok(concepts)
}

/// A folder's name for a prompt.
fn slug(prompt: &str) -> String {
    let words: Vec<String> = prompt
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.join("-")
}
