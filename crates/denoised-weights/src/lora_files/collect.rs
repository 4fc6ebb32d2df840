//! A folder of LoRA files as a zoo.

use std::collections::BTreeMap;
use std::path::Path;

use tensor_file::digest::file_sha256;
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::lora_file::pad;
use weight_blocks::{
    Checkpoint, ConceptRecord, GroupingRule, LayerGroup, Layout, LoraFile, NamedTensors,
    WeightSpace, Zoo, check_tensors,
};

use super::align::Alignment;
use super::fit::Headers;
use super::{LoraFilesError, PromptedLora, template};
use crate::collecting::{CollectEvent, collect};
use crate::error::{Error, Result};
use crate::weights::BLOCK_SIZE;

/// How LoRA files are brought to one form.
#[derive(Debug, Clone, Copy)]
pub struct LoraCollecting<'a> {
    /// The file that the others should be like, and whose format predictions get; the one with the most values if there is
    /// none.
    pub like: Option<&'a Path>,
    /// Whether to fill up smaller ranks and missing layers with zeros; they are refused otherwise.
    pub pad: bool,
    /// Whether to bring the factors of each layer as near to each other as is possible without changing their product. Of
    /// adapters that were trained from different initialisations, only the products can be compared otherwise.
    /// `docs/any-network.md` shows what a generator learns with and without it.
    pub align: bool,
    /// The base that all belong to; what the files state themselves if it is not given.
    pub base: Option<&'a str>,
    /// Weights per block b.
    pub block_size: usize,
}

impl Default for LoraCollecting<'_> {
    fn default() -> Self {
        Self {
            like: None,
            pad: false,
            align: true,
            base: None,
            block_size: BLOCK_SIZE,
        }
    }
}

/// The progress of [`collect_lora_files`].
#[derive(Debug, Clone, Copy)]
pub enum LoraEvent<'a> {
    /// A file was read to find the factors that all are brought near to.
    Compared {
        /// How often a file was read for it so far.
        done: usize,
        /// How often it will be in all.
        of: usize,
    },
    /// An adapter is in the zoo.
    Collected {
        /// Name of its concept.
        concept: &'a str,
    },
}

/// How often all files are averaged, to find the factors that all are brought near to.
const ROUNDS: usize = 3;

/// Appends the adapters that the zoo in `dir` lacks; it is created if there is none. Each layer's scale (alpha and rank) is
/// made part of its up factor. Headers are compared before anything is written. Interrupted, the same call goes on with the
/// files that are missing. One file is in memory at a time.
///
/// # Errors
/// Returns [`Error::LoraFiles`], which names the file, if shapes or bases differ or a file has changed since it was
/// collected; [`Error::Weights`] if a file is not a LoRA or cannot be read; those of [`collect`]. What was collected before
/// stays in the zoo.
pub fn collect_lora_files(
    files: &[PromptedLora],
    dir: &Path,
    options: &LoraCollecting<'_>,
    mut observe: impl FnMut(LoraEvent<'_>),
) -> Result<Zoo> {
    let headers = Headers::read(files)?;
    let kept = template::in_zoo(dir);
    let like = options.like.or(kept.as_deref()).or(headers.largest());
    let like = like.ok_or_else(|| LoraFilesError::None.at(dir))?;
    let file = LoraFile::open(like)?;
    let groups = file.layer_groups();
    headers.check(like, &groups, options.pad)?;
    let layout = Layout::new("lora", groups, GroupingRule::Appended, options.block_size)?;
    let stated = options.base.or(file.base());
    let reader = Reader {
        groups: layout.groups(),
        base: stated.unwrap_or("not stated").to_owned(),
        any_base: options.base.is_some(),
    };
    drop(file);
    let like = template::keep(dir, like)?;
    let alignment = match options.align {
        true => Some(reader.alignment(files, &like, dir, &mut observe)?),
        false => None,
    };
    let mut zoo = Zoo::create(dir, &layout, &reader.base)?;
    let named: Vec<_> = files.iter().map(|lora| (lora.name.clone(), lora)).collect();
    for (name, lora) in &named {
        if zoo.is_recorded(name)? {
            let record = zoo.record(name)?;
            if record.recipe != recipe(lora, options)? || record.prompt != lora.prompt {
                let concept = name.clone();
                return Err(LoraFilesError::Changed { concept }.at(&lora.path));
            }
        }
    }
    let read = |_: &str, lora: &&PromptedLora, _: &Path| {
        let mut weights = reader.read(&lora.path)?;
        if let Some(alignment) = &alignment {
            alignment.apply(&mut weights)?;
        }
        let record = ConceptRecord {
            concept: lora.name.clone(),
            prompt: lora.prompt.clone(),
            seed: 0,
            recipe: recipe(lora, options)?,
            checkpoints: vec![Checkpoint {
                epoch: 0,
                metrics: BTreeMap::new(),
            }],
        };
        Ok::<_, Error>((record, vec![weights]))
    };
    collect(&mut zoo, &named, read, |event| {
        if let CollectEvent::Collected { concept, .. } = event {
            observe(LoraEvent::Collected { concept });
        }
    })?;
    Ok(zoo)
}

/// What a collected adapter depends on.
fn recipe(lora: &PromptedLora, options: &LoraCollecting<'_>) -> Result<serde_json::Value> {
    Ok(serde_json::json!({
        "lora_file_sha256": file_sha256(&lora.path)?,
        "aligned": options.align,
    }))
}

/// Reads adapters of one base in one shape.
struct Reader<'a> {
    groups: &'a [LayerGroup],
    base: String,
    /// Whether files may state another one.
    any_base: bool,
}

impl<'a> Reader<'a> {
    fn read(&self, path: &Path) -> Result<NamedTensors> {
        let file = LoraFile::open(path)?;
        match file.base() {
            Some(found) if !self.any_base && found != self.base => {
                let (found, expected) = (found.to_owned(), self.base.clone());
                return Err(LoraFilesError::OtherBase { found, expected }.at(path));
            }
            _ => {}
        }
        let padded = pad(file.read_weights()?, self.groups);
        padded.map_err(|source| LoraFilesError::Padding(source).at(path))
    }

    /// The mean of the aligned factors of all files, beginning with those of `like`, as what to align to (generalised
    /// Procrustes analysis, Gower 1975). It is kept in the zoo `dir`, so that files which are added later are aligned alike.
    fn alignment(
        &self,
        files: &[PromptedLora],
        like: &Path,
        dir: &Path,
        observe: &mut dyn FnMut(LoraEvent<'_>),
    ) -> Result<Alignment<'a>> {
        let path = template::reference(dir);
        if path.exists() {
            let (reference, _) = load_safetensors(&path)?;
            check_tensors(self.groups, &reference)?;
            return Ok(Alignment::new(self.groups, &reference));
        }
        let mut reference = self.read(like)?;
        let (mut done, of) = (0, ROUNDS * files.len());
        for _ in 0..ROUNDS {
            let alignment = Alignment::new(self.groups, &reference);
            (reference.values_mut()).for_each(|tensor| tensor.data.fill(0.0));
            for lora in files {
                let mut weights = self.read(&lora.path)?;
                alignment.apply(&mut weights)?;
                for (sum, own) in reference.values_mut().zip(weights.values()) {
                    let values = sum.data.iter_mut().zip(&own.data);
                    values.for_each(|(sum, value)| *sum += value / files.len() as f32);
                }
                done += 1;
                observe(LoraEvent::Compared { done, of });
            }
        }
        save_safetensors(&path, &reference, &BTreeMap::new())?;
        Ok(Alignment::new(self.groups, &reference))
    }
}
