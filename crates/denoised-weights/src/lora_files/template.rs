//! The LoRA file that a zoo's adapters are like, which says how to write predicted ones.

use std::path::{Path, PathBuf};

use tensor_file::atomic;
use tensor_file::digest::file_sha256;
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
        return match digests(&kept)? == digests(like)? {
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
    let kept = dir.join(FOLDER).join(name);
    if let Some(config) = config_of(like) {
        atomic::write(kept.with_file_name(CONFIG), &read(&config)?)?;
    }
    // Last, since it is what is looked for.
    Ok(atomic::write(&kept, &read(like)?)?)
}

/// The SHA-256 of a LoRA file, and of PEFT's configuration beside it, on which its weights depend as well.
pub(super) fn digests(path: &Path) -> Result<(String, Option<String>)> {
    let config = config_of(path).map(file_sha256).transpose()?;
    Ok((file_sha256(path)?, config))
}

fn config_of(path: &Path) -> Option<PathBuf> {
    Some(path.with_file_name(CONFIG)).filter(|config| config.exists())
}
