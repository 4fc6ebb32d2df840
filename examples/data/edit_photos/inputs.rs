//! Photos and prompts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use concepts::pairs::{PairLayout, name_of};
use concepts::{Photo, Split, read_photos};
use denoised_weights_examples::Result;
use denoised_weights_examples::files::Places;
use denoised_weights_examples::prompts::{self, NamedPrompt};
use image_editors::run::{EditConcept, NamedImage};

use crate::args::Args;

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

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
pub(crate) fn read_concepts(path: &Path) -> Result<Vec<EditConcept>> {
    let prompts = prompts::read(path)?.into_iter();
    let concepts = prompts.map(|NamedPrompt { name, prompt }| EditConcept { name, prompt });
    Ok(concepts.collect())
}

/// Says which part of each line was taken as the name of a folder, so that no prompt is cut unseen.
pub(crate) fn print_names(concepts: &[EditConcept]) {
    let named = concepts
        .iter()
        .filter(|concept| name_of(&concept.prompt).as_ref() != Some(&concept.name));
    for concept in named {
        println!(
            "folder {}: the prompt is {:?}",
            concept.name, concept.prompt
        );
    }
}

/// Refuses to write where photos are, two concepts that share a folder, and folders with pairs that no earlier run wrote,
/// since pairs are replaced.
pub(crate) fn check_places(args: &Args, concepts: &[EditConcept]) -> Result<()> {
    let folders: Vec<PathBuf> = (concepts.iter())
        .map(|concept| args.out.join(&concept.name))
        .collect();
    let splits = SPLITS.map(|split| args.photos.join(split.folder()));
    let splits = splits.into_iter().filter(|folder| folder.is_dir());
    Places::new()
        .reads_directly_in(&args.photos)
        .reads_all(splits)
        .reads(&args.prompts)
        .reads_all(&args.editors)
        .reads_all(&args.clip)
        .writes_all(&folders)
        .check()?;
    for folder in folders
        .iter()
        .filter(|folder| !folder.join("edits").is_dir())
    {
        if let Some(pairs) = PairLayout::find(folder)?.first() {
            return Err(format!(
                "{}: this program did not write these pairs and would replace them; choose another --out",
                pairs.display()
            )
            .into());
        }
    }
    Ok(())
}
