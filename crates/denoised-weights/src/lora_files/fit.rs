//! Whether the layers of LoRA files fit each other.

use std::path::Path;

use weight_blocks::lora_file::check_padding;
use weight_blocks::{LayerGroup, LoraFile};

use super::{LoraFilesError, PromptedLora};
use crate::error::Result;

/// The layers of all files, from their headers.
pub(super) struct Headers<'a>(Vec<(&'a Path, Vec<LayerGroup>)>);

/// Checks that no file states another base.
pub(super) fn check_bases(files: &[PromptedLora], expected: &str) -> Result<()> {
    for PromptedLora { path, .. } in files {
        match LoraFile::read_base(path)? {
            Some(found) if found != expected => {
                let expected = expected.to_owned();
                return Err(LoraFilesError::OtherBase { found, expected }.at(path));
            }
            _ => {}
        }
    }
    Ok(())
}

impl<'a> Headers<'a> {
    pub(super) fn read(files: &'a [PromptedLora]) -> Result<Self> {
        let read = files.iter().map(|file| {
            let groups = LoraFile::read_layer_groups(&file.path)?;
            Ok((file.path.as_path(), groups))
        });
        Ok(Self(read.collect::<Result<_>>()?))
    }

    /// The file with the most values, the first of several.
    pub(super) fn largest(&self) -> Option<&'a Path> {
        let values = |groups: &[LayerGroup]| -> usize {
            let specs = groups.iter().flat_map(|group| &group.tensors);
            specs.map(|spec| spec.shape.iter().product::<usize>()).sum()
        };
        let files = self.0.iter().rev();
        let largest = files.max_by_key(|(_, groups)| values(groups));
        largest.map(|(path, _)| *path)
    }

    /// Checks that all files have the layers `groups`, those of the file `like`; with `pad`, smaller ranks and missing layers
    /// are allowed.
    pub(super) fn check(&self, like: &Path, groups: &[LayerGroup], pad: bool) -> Result<()> {
        let unlike = || self.0.iter().filter(|(_, own)| own != groups);
        let mut unfit =
            unlike().filter_map(|(path, own)| Some((*path, check_padding(own, groups).err()?)));
        if let Some((first, source)) = unfit.next() {
            let (first, count) = (first.to_owned(), 1 + unfit.count());
            return Err(LoraFilesError::OtherLayers {
                count,
                first,
                source,
            }
            .at(like));
        }
        match unlike().next() {
            Some((first, _)) if !pad => {
                let (first, count) = (first.to_path_buf(), unlike().count());
                Err(LoraFilesError::FewerLayers { count, first }.at(like))
            }
            _ => Ok(()),
        }
    }
}
