//! Single blocks out of a zoo's shards.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use tensor_file::TensorFile;

use crate::error::LayoutError;
use crate::grouping::Segment;
use crate::zoo::check_finite;
use crate::{Entry, Error, Layout, TensorSpec, Zoo};

/// Reads single blocks from the shards of a zoo by their place in the file, so that a zoo of any size
/// takes the memory of one block and a few open files.
///
/// The shards' digests are not checked here, because that would read whole shards: go through the zoo once with
/// [`Zoo::for_each_encoded`], which normalisation statistics need anyway. Header, type, shape and values are checked with
/// each read.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use weight_blocks::*;
/// # let dir = tempfile::tempdir()?;
/// # let spec = TensorSpec { name: "a".into(), shape: vec![6], role: TensorRole::NormBias };
/// # let group = LayerGroup { name: "l".into(), kind: LayerKind::Linear, tensors: vec![spec] };
/// # let layout = Layout::new("tiny", vec![group], GroupingRule::Appended, 4)?;
/// # let mut zoo = Zoo::create(dir.path(), &layout, "base")?;
/// # let record = ConceptRecord { concept: "ink".into(), prompt: "ink".into(), seed: 0, recipe: serde_json::Value::Null,
/// #     checkpoints: vec![Checkpoint { epoch: 1, metrics: BTreeMap::new() }] };
/// # let values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// # zoo.append(&record, &[BTreeMap::from([("a".into(), HostTensor::new(vec![6], values)?)])])?;
/// let mut reader = BlockReader::new(&zoo, 64);
/// let mut block = [0.0; 4];
/// reader.read(&zoo.entries()[0], 1, &mut block)?;
/// assert_eq!(block, [5.0, 6.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BlockReader {
    zoo: PathBuf,
    layout: Layout,
    capacity: usize,
    /// In order of use, the most recent last.
    open: VecDeque<Shard>,
}

#[derive(Debug)]
struct Shard {
    concept: String,
    file: TensorFile<'static>,
}

impl BlockReader {
    /// A reader that keeps at most `open_files` shards open (at least one).
    pub fn new(zoo: &Zoo, open_files: usize) -> Self {
        Self {
            zoo: zoo.dir().to_owned(),
            layout: zoo.layout().clone(),
            capacity: open_files.max(1),
            open: VecDeque::new(),
        }
    }

    /// Changes how many shards stay open, at least one.
    pub fn set_open_files(&mut self, open_files: usize) {
        self.capacity = open_files.max(1);
        while self.open.len() > self.capacity {
            self.open.pop_front();
        }
    }

    /// Files open at the moment.
    pub fn open_files(&self) -> usize {
        self.open.len()
    }

    /// Reads block `n` of `entry` into `block`, which has [`Layout::block_size`] values; padding is 0.
    ///
    /// # Errors
    /// Returns [`Error::Layout`] for a block past the end or a `block` of another length, and [`Error::File`],
    /// [`Error::MissingTensor`] or [`Error::ShapeMismatch`] if the shard is damaged or was replaced.
    pub fn read(&mut self, entry: &Entry, n: usize, block: &mut [f32]) -> Result<(), Error> {
        let size = self.layout.block_size();
        if n >= self.layout.blocks() || block.len() != size {
            return Err(Error::Layout(LayoutError::Block {
                block: n,
                values: block.len(),
                blocks: self.layout.blocks(),
                block_size: size,
            }));
        }
        let shard = self.shard(&entry.concept)?;
        block.fill(0.0);
        let (from, to) = (n * size, (n + 1) * size);
        let segments = self.layout.segments();
        let first = segments.partition_point(|s| s.at + s.len <= from);
        for segment in segments[first..].iter().take_while(|s| s.at < to) {
            let part = from.max(segment.at)..to.min(segment.at + segment.len);
            // The tensor has no values.
            if part.is_empty() {
                continue;
            }
            let target = &mut block[part.start - from..part.end - from];
            if let Some(spec) = self.layout.tensors().nth(segment.tensor) {
                self.open[shard].read(spec, segment, entry.checkpoint, part.start, target)?;
            }
        }
        Ok(())
    }

    /// Position of the concept's shard among the open ones; opens it if needed.
    fn shard(&mut self, concept: &str) -> Result<usize, Error> {
        let found = self.open.iter().position(|shard| shard.concept == concept);
        let shard = match found.and_then(|at| self.open.remove(at)) {
            Some(shard) => shard,
            None => Shard::open(&self.zoo, concept)?,
        };
        if self.open.len() >= self.capacity {
            self.open.pop_front();
        }
        self.open.push_back(shard);
        Ok(self.open.len() - 1)
    }
}

impl Shard {
    fn open(zoo: &Path, concept: &str) -> Result<Self, Error> {
        Ok(Self {
            concept: concept.to_owned(),
            file: TensorFile::open_safetensors(crate::zoo::shard_path(zoo, concept))?,
        })
    }

    /// The values of `segment`, a part of the tensor `spec`, from place `at` among the encoded values on.
    fn read(
        &self,
        spec: &TensorSpec,
        segment: &Segment,
        checkpoint: usize,
        at: usize,
        target: &mut [f32],
    ) -> Result<(), Error> {
        let name = format!("{checkpoint}/{}", spec.name);
        let Some(info) = self.file.get(&name) else {
            return Err(Error::MissingTensor { name });
        };
        if info.shape != spec.shape {
            return Err(Error::ShapeMismatch {
                expected: spec.shape.clone(),
                found: info.shape.to_vec(),
                name,
            });
        }
        let first = segment.start + (at - segment.at) * segment.stride;
        let span = (target.len() - 1) * segment.stride + 1;
        let values = self.file.read_range(&name, first..first + span)?;
        for (target, value) in target.iter_mut().zip(values.iter().step_by(segment.stride)) {
            *target = *value;
        }
        check_finite(self.file.path(), &name, target)
    }
}
