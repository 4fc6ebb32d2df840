//! A data set that stays on disk.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use weight_blocks::{BlockReader, Entry, Layout, Normalization, Normalizer, NormalizerFit, Zoo};

use super::prompt_file::{TextFile, TextWriter};
use super::source::past_the_end;
use crate::data::l2;
use crate::{BlockSource, Error, HostText, NormStats};

/// Shards kept open unless [`StreamedBlocks::with_open_files`] says otherwise.
const OPEN_FILES: usize = 64;

/// Where the normaliser of a [`StreamedBlocks`] comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Statistics {
    /// Fitted to the zoo, in the pass that opens it.
    Fit(Normalization),
    /// Given: a trained generator's, or the training set's for a held-out one.
    Given(Normalizer),
}

/// The records of a zoo, read block by block from its shards when a batch needs them.
///
/// Opening goes through the zoo once, one shard at a time, and checks digests; it takes the normalisation
/// statistics and the norms. What stays in memory is an entry's name, prompt and metrics per network,
/// the statistics, and up to 64 open files; the encoded prompts lie in a temporary file. The memory
/// that training takes thus does not grow with the weights of the zoo. Batches are those of a
/// [`BlockDataset`](crate::BlockDataset) of the same zoo, bit for bit.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use weight_blocks::*;
/// use weight_diffusion::{BlockSource, HostText, Statistics, StreamedBlocks};
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
///     Ok(HostText { tokens: vec![prompt.len() as f32; 8], len: 1 }) // a text encoder here
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
    /// Number of its prompt, by entry.
    prompts: Vec<usize>,
    reader: Mutex<BlockReader>,
    layout: Layout,
    normalizer: Normalizer,
    texts: TextFile,
    norm: NormStats,
}

impl StreamedBlocks {
    /// Goes through `zoo` once. `encode` turns a prompt into tokens of width `text_width`; it is called
    /// once per different prompt, in the order of the entries.
    ///
    /// # Errors
    /// [`Error::EmptyDataset`] for a zoo without networks; [`Error::Blocks`] naming the file for one
    /// that is damaged; [`Error::Text`] where `encode` fails, [`Error::Shape`] where it gives another
    /// width; [`Error::Io`] where the temporary file cannot be written.
    pub fn open(
        zoo: &Zoo,
        statistics: Statistics,
        text_width: usize,
        mut encode: impl FnMut(&str) -> Result<HostText, crate::LossError>,
    ) -> Result<Self, Error> {
        if zoo.entries().is_empty() {
            return Err(Error::EmptyDataset {
                why: "there are no networks in the zoo; collect some first",
            });
        }
        let layout = zoo.layout().clone();
        let (mut fit, given) = match statistics {
            Statistics::Fit(kind) => (NormalizerFit::new(&layout, kind), None),
            Statistics::Given(normalizer) => {
                // One of another layout says so now and not at the first batch.
                normalizer.check(&layout)?;
                let nothing = NormalizerFit::new(&layout, Normalization::None);
                (nothing, Some(normalizer))
            }
        };
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut texts = TextWriter::new(text_width)?;
        let mut prompts = Vec::with_capacity(zoo.entries().len());
        for entry in zoo.entries() {
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
            prompts.push(number);
        }
        let mut norms = Vec::with_capacity(prompts.len());
        zoo.for_each_encoded(|_, flat| {
            norms.push(l2(&flat));
            match &given {
                Some(_) => Ok(()),
                None => fit.add(&flat),
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
            texts: texts.finish()?,
            norm: NormStats::of(&norms),
        })
    }

    /// Keeps at most `files` shards open (at least one).
    pub fn with_open_files(self, files: usize) -> Self {
        {
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.set_open_files(files);
        }
        self
    }

    /// The networks, in the order of their records.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
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
            // A reader holds no half-made state between reads.
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.read(entry, n, block)?;
        }
        (self.normalizer).normalize_part(n * size, block)?;
        Ok((n, text))
    }

    fn read_text(&self, index: usize) -> Result<Cow<'_, HostText>, Error> {
        Ok(Cow::Owned(self.texts.read(index)?))
    }
}
