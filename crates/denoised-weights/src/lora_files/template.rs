//! The LoRA file that a zoo's adapters are like, which says how to write predicted ones.

use std::path::{Path, PathBuf};

use tensor_file::{atomic, digest};
use weight_blocks::Zoo;

use super::{LoraFilesError, PEFT_WEIGHTS};
use crate::error::{Result, io};

/// The folder, beside a zoo's manifest, with a copy of the file.
const FOLDER: &str = "like";
/// PEFT's configuration.
const CONFIG: &str = "adapter_config.json";
/// The name of a file that is not PEFT's.
const OTHER_WEIGHTS: &str = "lora.safetensors";

/// The copy in the zoo `dir`, if there is one.
pub(super) fn in_zoo(dir: &Path) -> Option<PathBuf> {
    let folder = dir.join(FOLDER);
    let paths = [PEFT_WEIGHTS, OTHER_WEIGHTS].map(|name| folder.join(name));
    paths.into_iter().find(|path| path.exists())
}

/// [`in_zoo`] of an open zoo.
pub(super) fn of(zoo: &Zoo) -> Result<PathBuf> {
    in_zoo(zoo.dir()).ok_or_else(|| LoraFilesError::NoTemplate.at(zoo.dir()))
}

/// Copies `like`, with PEFT's configuration if there is one, to the zoo `dir`. A copy of another file is left as it is.
pub(super) fn keep(dir: &Path, like: &Path) -> Result<()> {
    if let Some(kept) = in_zoo(dir) {
        return match digest::file_sha256(&kept)? == digest::file_sha256(like)? {
            true => Ok(()),
            false => Err(LoraFilesError::OtherTemplate {
                like: like.to_owned(),
            }
            .at(dir)),
        };
    }
    let read = |path: &Path| std::fs::read(path).map_err(io("read", path));
    let peft = like.file_name().is_some_and(|name| name == PEFT_WEIGHTS);
    let name = if peft { PEFT_WEIGHTS } else { OTHER_WEIGHTS };
    let (config, kept) = (like.with_file_name(CONFIG), dir.join(FOLDER).join(name));
    if config.exists() {
        atomic::write(kept.with_file_name(CONFIG), &read(&config)?)?;
    }
    // Last, since it is what is looked for.
    Ok(atomic::write(&kept, &read(like)?)?)
}
