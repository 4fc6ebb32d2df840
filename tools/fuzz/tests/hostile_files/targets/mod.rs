//! The readers, each with valid files.

mod adapters;
mod concepts;
mod encoders;
mod measures;
mod states;
mod zoos;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use fuzz_harness::Folder;
use tensor_file::digest::sha256_hex;

use crate::run::{TIMES, TIMES_OF_PICTURES, TIMES_OF_TOKENIZERS, Target, folder_of};

pub(crate) fn all() -> Vec<Target> {
    [
        zoos::targets(),
        adapters::targets(),
        encoders::targets(),
        measures::targets(),
        concepts::targets(),
        states::targets(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn target(
    name: &'static str,
    folders: Vec<Folder>,
    read: impl Fn(&Path) -> Result<(), String> + 'static,
) -> Target {
    Target {
        name,
        folders,
        reseal: |_| (),
        times: TIMES,
        read: Box::new(read),
    }
}

/// Of pictures.
fn pictures(
    name: &'static str,
    folders: Vec<Folder>,
    read: impl Fn(&Path) -> Result<(), String> + 'static,
) -> Target {
    Target {
        times: TIMES_OF_PICTURES,
        ..target(name, folders, read)
    }
}

/// Of folders with a tokenizer.
fn tokenizers(
    name: &'static str,
    folders: Vec<Folder>,
    read: impl Fn(&Path) -> Result<(), String> + 'static,
) -> Target {
    Target {
        times: TIMES_OF_TOKENIZERS,
        ..target(name, folders, read)
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// A crate's folder in this workspace.
fn of_crate(name: &str, path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../crates")
        .join(name)
        .join(path)
}

fn one(name: &str, path: &Path) -> Folder {
    Folder::from([(name.to_owned(), std::fs::read(path).unwrap())])
}

/// What `write` leaves in a folder.
fn written(write: impl FnOnce(&Path)) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    folder_of(dir.path())
}

/// Records a file's digest in the field `sha256` of the JSON beside it.
fn reseal(folder: &mut Folder, file: &str, record: &str) {
    let Some(bytes) = folder.get(file) else {
        return;
    };
    let digest = sha256_hex(bytes);
    let Some(record) = folder.get_mut(record) else {
        return;
    };
    // In the text, so that mutated JSON stays as it is.
    let key = b"\"sha256\"";
    let Some(at) = record.windows(key.len()).position(|w| w == key) else {
        return;
    };
    let quote = |from: usize| {
        record[from..]
            .iter()
            .position(|b| *b == b'"')
            .map(|i| from + i)
    };
    let Some(open) = quote(at + key.len()) else {
        return;
    };
    if let Some(place) = record.get_mut(open + 1..open + 65) {
        place.copy_from_slice(digest.as_bytes());
    }
}
