//! Whether the layers of LoRA files fit each other.

use std::path::Path;

use weight_blocks::lora_file::{LoraHeader, check_padding};
use weight_blocks::{LayerGroup, LoraFile};

use super::{LoraFilesError, PromptedLora};
use crate::error::Result;

/// The headers of all files.
pub(super) struct Headers<'a>(Vec<(&'a Path, LoraHeader)>);

impl<'a> Headers<'a> {
    pub(super) fn read(files: &'a [PromptedLora]) -> Result<Self> {
        let read = files.iter().map(|file| {
            let header = LoraFile::read_header(&file.path)?;
            Ok((file.path.as_path(), header))
        });
        Ok(Self(read.collect::<Result<_>>()?))
    }

    /// Checks that no file states another base than `expected`, which the file `like` states.
    pub(super) fn check_bases(&self, like: &Path, expected: Option<&str>) -> Result<()> {
        let stated = |(path, header): &(&'a Path, LoraHeader)| Some((*path, header.base.clone()?));
        let mut bases = self.0.iter().filter_map(stated);
        let other = bases.find(|(_, found)| Some(found.as_str()) != expected);
        match (other, expected) {
            (None, _) => Ok(()),
            (Some((path, found)), Some(expected)) => {
                let expected = expected.to_owned();
                Err(LoraFilesError::OtherBase { found, expected }.at(path))
            }
            (Some((other, base)), None) => {
                let other = other.to_owned();
                Err(LoraFilesError::NoBase { other, base }.at(like))
            }
        }
    }

    /// The file with the most values, the first of several.
    pub(super) fn largest(&self) -> Option<&'a Path> {
        let values = |groups: &[LayerGroup]| -> usize {
            let specs = groups.iter().flat_map(|group| &group.tensors);
            specs.map(|spec| spec.shape.iter().product::<usize>()).sum()
        };
        let files = self.0.iter().rev();
        let largest = files.max_by_key(|(_, header)| values(&header.groups));
        largest.map(|(path, _)| *path)
    }

    /// Checks that all files have the layers `groups`, those of the file `like`; with `pad`, smaller ranks and missing layers
    /// are allowed.
    pub(super) fn check(&self, like: &Path, groups: &[LayerGroup], pad: bool) -> Result<()> {
        let all = || {
            self.0
                .iter()
                .map(|(path, header)| (*path, &header.groups[..]))
        };
        let unlike = || all().filter(|(_, own)| *own != groups);
        let mut unfit =
            unlike().filter_map(|(path, own)| Some((path, check_padding(own, groups).err()?)));
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
