//! A folder of LoRA files as a zoo.

use std::collections::BTreeMap;
use std::path::Path;

use weight_blocks::lora_file::pad;
use weight_blocks::{Checkpoint, ConceptRecord, GroupingRule, Layout, LoraFile, WeightSpace, Zoo};

use super::align::Alignment;
use super::fit::Headers;
use super::folder::weights_of;
use super::{LoraFilesError, PromptedLora, template};
use crate::collecting::{CollectEvent, collect};
use crate::error::{Error, Result};
use crate::weights::BLOCK_SIZE;

/// How LoRA files are brought to one form.
#[derive(Debug, Clone, Copy)]
pub struct LoraCollecting<'a> {
    /// The file (or folder of PEFT) that the others should be like, and whose format predictions get; the one with the most
    /// values if there is none.
    pub like: Option<&'a Path>,
    /// Whether to fill up smaller ranks and missing layers with zeros; they are refused otherwise.
    pub pad: bool,
    /// Whether to bring the factors of each layer as near to those of `like` as is possible without changing their product.
    /// Of adapters that were trained from different initialisations, only the products can be compared otherwise.
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
    observe: impl FnMut(CollectEvent<'_>),
) -> Result<Zoo> {
    let headers = Headers::read(files)?;
    let kept = template::in_zoo(dir);
    let given = options.like.map(weights_of);
    let like = (given.as_deref().or(kept.as_deref())).or(headers.largest());
    let like = like.ok_or_else(|| LoraFilesError::None.at(dir))?;
    let file = LoraFile::open(like)?;
    let groups = file.layer_groups();
    headers.check(like, &groups, options.pad)?;
    let layout = Layout::new("lora", groups, GroupingRule::Appended, options.block_size)?;
    let base = match options.base {
        Some(base) => base.to_owned(),
        None => {
            headers.check_bases(like, file.base())?;
            file.base().unwrap_or("not stated").to_owned()
        }
    };
    let reference = file.read_weights()?;
    let alignment = match options.align {
        true => {
            let aligned = Alignment::new(layout.groups(), &reference);
            Some(aligned.map_err(|error| error.at(like))?)
        }
        false => None,
    };
    drop((file, reference));
    // Refuses a zoo of something else before the template makes it one of LoRA files.
    let mut zoo = Zoo::create(dir, &layout, &base)?;
    template::keep(dir, like)?;
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
        let weights = LoraFile::open(&lora.path)?.read_weights()?;
        let mut weights = pad(weights, layout.groups())
            .map_err(|source| LoraFilesError::Padding(source).at(&lora.path))?;
        if let Some(alignment) = &alignment {
            let aligned = alignment.apply(&mut weights);
            aligned.map_err(|error| error.at(&lora.path))?;
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
    collect(&mut zoo, &named, read, observe)?;
    Ok(zoo)
}

/// What a collected adapter depends on.
fn recipe(lora: &PromptedLora, options: &LoraCollecting<'_>) -> Result<serde_json::Value> {
    let (file, config) = template::digests(&lora.path)?;
    let mut recipe = serde_json::json!({
        "lora_file_sha256": file,
        "aligned": options.align,
    });
    if let Some(config) = config {
        recipe["adapter_config_sha256"] = config.into();
    }
    Ok(recipe)
}
