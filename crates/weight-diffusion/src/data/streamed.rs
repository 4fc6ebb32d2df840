//! A data set that stays on disk.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use weight_blocks::{BlockReader, Entry, Layout, Normalization, Normalizer, NormalizerFit, Zoo};

use super::prompt_file::{PromptFile, PromptWriter};
use super::source::past_the_end;
use super::{BlockSource, NormStats, l2};
use crate::Error;
use crate::train::LossError;
use encoded_text::EncodedPrompt;

/// Number of shards kept open unless [`StreamedBlocks::with_open_files`] sets another.
const OPEN_FILES: usize = 64;

/// Where the normaliser of a [`StreamedBlocks`] comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Statistics {
    /// It is fitted to the zoo while the zoo is opened.
    Fit(Normalization),
    /// It is given: that of a trained generator, or of the training set for a held-out set.
    Given(Normalizer),
}

/// The records of a zoo, read block by block from its shards as batches need them.
///
/// Opening reads the whole zoo once, one shard at a time, checks its digests, and computes the normalisation
/// statistics and the norms. What stays in memory is the name, prompt and metrics of each network, the
/// statistics, and up to 64 open files; the encoded prompts go to a temporary file. The memory that training
/// takes therefore does not grow with the weights of the zoo. Batches equal those of a
/// [`BlockDataset`](crate::BlockDataset) of the same zoo, bit for bit.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use weight_blocks::*;
/// use weight_diffusion::data::Statistics;
/// use weight_diffusion::encoded_text::EncodedPrompt;
/// use weight_diffusion::{BlockSource, StreamedBlocks};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let spec = TensorSpec { name: "a".into(), shape: vec![6], role: TensorRole::NormBias };
/// # let group = LayerGroup { name: "l".into(), kind: LayerKind::Linear, tensors: vec![spec] };
/// # let layout = Layout::new("tiny", vec![group], GroupingRule::Appended, 4)?;
/// # let mut zoo = Zoo::create(dir.path(), &layout, "base")?;
/// # for (name, w) in [("ink", 1.0), ("fog", 3.0)] {
/// #     let record = ConceptRecord { concept: name.into(), prompt: name.into(), seed: 0, recipe: serde_json::Value::Null,
/// #         checkpoints: vec![Checkpoint { epoch: 1, metrics: BTreeMap::new() }] };
/// #     zoo.append(&record, &[BTreeMap::from([("a".into(), HostTensor::new(vec![6], vec![w; 6])?)])])?;
/// # }
/// let statistics = Statistics::Fit(Normalization::Elementwise);
/// let data = StreamedBlocks::open(&zoo, statistics, 8, |prompt| {
///     Ok(EncodedPrompt::new(vec![prompt.len() as f32; 8], 1)) // a text encoder here
/// })?;
/// assert_eq!((data.networks(), data.records()), (2, 4));
/// let mut block = [0.0; 4];
/// assert_eq!(data.read_record(3, &mut block)?, (1, 1)); // block 1 of `ink`, the second by name
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StreamedBlocks {
    entries: Vec<Entry>,
    /// Number of the prompt of each entry.
    prompts: Vec<usize>,
    reader: Mutex<BlockReader>,
    layout: Layout,
    normalizer: Normalizer,
    texts: PromptFile,
    norm: NormStats,
}

impl StreamedBlocks {
    /// Reads `zoo` once. `encode` turns a prompt into tokens of width `text_width`; it is called once for each
    /// different prompt, in the order of the entries.
    ///
    /// # Errors
    /// Returns [`Error::EmptyDataset`] if the zoo has no networks, [`Error::Blocks`] naming the file if one is
    /// damaged, [`Error::Text`] if `encode` fails, [`Error::Prompt`] if it gives another width, and
    /// [`Error::Io`] if the temporary file cannot be written.
    pub fn open(
        zoo: &Zoo,
        statistics: Statistics,
        text_width: usize,
        encode: impl FnMut(&str) -> Result<EncodedPrompt, LossError>,
    ) -> Result<Self, Error> {
        if zoo.entries().is_empty() {
            return Err(Error::EmptyDataset {
                missing: "networks in the zoo",
            });
        }
        let layout = zoo.layout().clone();
        let (mut fit, given) = match statistics {
            Statistics::Fit(kind) => (NormalizerFit::new(&layout, kind), None),
            Statistics::Given(normalizer) => {
                // Fails now, and not at the first batch, if it belongs to another layout.
                normalizer.check(&layout)?;
                let nothing = NormalizerFit::new(&layout, Normalization::None);
                (nothing, Some(normalizer))
            }
        };
        let (prompts, texts) = encode_prompts(zoo.entries(), text_width, encode)?;
        let mut norms = Vec::with_capacity(prompts.len());
        zoo.for_each_encoded(|_, weights| {
            norms.push(l2(&weights));
            match &given {
                Some(_) => Ok(()),
                None => fit.add(&weights),
            }
        })?;
        let normalizer = match given {
            Some(normalizer) => normalizer,
            None => fit.finish()?,
        };
        Ok(Self {
            entries: zoo.entries().to_vec(),
            prompts,
            reader: Mutex::new(BlockReader::new(zoo, OPEN_FILES)),
            layout,
            normalizer,
            texts,
            norm: NormStats::of(&norms),
        })
    }

    /// Keeps at most `files` shards open, and at least one.
    pub fn with_open_files(mut self, files: usize) -> Self {
        let reader = self.reader.get_mut();
        (reader.unwrap_or_else(PoisonError::into_inner)).set_open_files(files);
        self
    }

    /// The networks, in the order of their records.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Encodes each different prompt of `entries` once. Gives the number of each entry's prompt, and the prompts.
fn encode_prompts(
    entries: &[Entry],
    width: usize,
    mut encode: impl FnMut(&str) -> Result<EncodedPrompt, LossError>,
) -> Result<(Vec<usize>, PromptFile), Error> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut texts = PromptWriter::new(width)?;
    let mut numbers = Vec::with_capacity(entries.len());
    for entry in entries {
        let number = match known.get(entry.prompt.as_str()) {
            Some(&number) => number,
            None => {
                let text = encode(&entry.prompt).map_err(|source| Error::Text {
                    prompt: entry.prompt.clone(),
                    source,
                })?;
                let number = texts.push(&text)?;
                known.insert(&entry.prompt, number);
                number
            }
        };
        numbers.push(number);
    }
    Ok((numbers, texts.finish()?))
}

impl BlockSource for StreamedBlocks {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    fn text_width(&self) -> usize {
        self.texts.width()
    }

    fn text_count(&self) -> usize {
        self.texts.len()
    }

    fn networks(&self) -> usize {
        self.entries.len()
    }

    fn norm(&self) -> NormStats {
        self.norm
    }

    fn read_record(&self, index: usize, block: &mut [f32]) -> Result<(usize, usize), Error> {
        let blocks = self.layout.blocks();
        let (network, n) = (index / blocks, index % blocks);
        let entry = self.entries.get(network).zip(self.prompts.get(network));
        let (entry, &text) = entry.ok_or_else(|| past_the_end("record", self.records(), index))?;
        let size = self.layout.block_size();
        if block.len() != size {
            return Err(Error::shape("block", size, block.len()));
        }
        {
            // A reader keeps no partial state between reads, so a poisoned lock is safe to use.
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.read(entry, n, block)?;
        }
        (self.normalizer).normalize_part(n * size, block)?;
        Ok((n, text))
    }

    fn read_text(&self, index: usize) -> Result<Cow<'_, EncodedPrompt>, Error> {
        Ok(Cow::Owned(self.texts.read(index)?))
    }
}
