//! Single blocks out of a zoo's shards.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::files::{check_finite, floats};
use crate::{Entry, Error, Layout, Segment, Zoo};

/// Longest header of a safetensors file, as in the format's own library.
const MAX_HEADER: u64 = 100_000_000;

/// Reads single blocks from the shards of a zoo by their place in the file, so that a zoo of any size
/// takes the memory of one block and a few open files.
///
/// The shards' digests are not checked here, since that reads them whole: go through the zoo once with
/// [`Zoo::for_each_encoded`] (normalisation statistics need that anyway). What is read is checked for
/// its header, type, shape and finite values each time.
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
    /// The one used last stands last.
    open: VecDeque<Shard>,
}

#[derive(Debug)]
struct Shard {
    concept: String,
    path: PathBuf,
    file: File,
    header: Metadata,
    /// Where the tensors begin.
    start: u64,
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

    /// Block `n` of `entry` into `block`, of [`Layout::block_size`] values; padding is 0.
    ///
    /// # Errors
    /// [`Error::Layout`] for a block past the end or a `block` of another length; [`Error::Io`],
    /// [`Error::Safetensors`], [`Error::MissingTensor`], [`Error::ShapeMismatch`], [`Error::Dtype`]
    /// and [`Error::NonFinite`] for a shard that is damaged or was replaced.
    pub fn read(&mut self, entry: &Entry, n: usize, block: &mut [f32]) -> Result<(), Error> {
        let size = self.layout.block_size();
        if n >= self.layout.blocks() || block.len() != size {
            return Err(Error::Layout {
                why: format!(
                    "block {n} into {} values, of {} blocks of {size}",
                    block.len(),
                    self.layout.blocks()
                ),
            });
        }
        let shard = self.shard(&entry.concept)?;
        block.fill(0.0);
        let (from, to) = (n * size, (n + 1) * size);
        let segments = self.layout.segments();
        let first = segments.partition_point(|s| s.at + s.len <= from);
        for segment in segments[first..].iter().take_while(|s| s.at < to) {
            let part = from.max(segment.at)..to.min(segment.at + segment.len);
            // A tensor without values.
            if part.is_empty() {
                continue;
            }
            let target = &mut block[part.start - from..part.end - from];
            let shard = &self.open[shard];
            shard.read(&self.layout, segment, entry.checkpoint, part.start, target)?;
        }
        Ok(())
    }

    /// Position of the concept's shard among the open ones.
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
        let path = crate::zoo::shard_path(zoo, concept);
        let fail = |source| Error::io(&path, source);
        let mut file = File::open(&path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        let damaged = |why: String| Error::Safetensors {
            path: path.clone(),
            why,
        };
        let mut bytes = [0; 8];
        if len < 8 {
            return Err(damaged(format!("it has {len} bytes")));
        }
        file.read_exact(&mut bytes).map_err(fail)?;
        let header_len = u64::from_le_bytes(bytes);
        if header_len > MAX_HEADER || header_len > len - 8 {
            return Err(damaged(format!(
                "a header of {header_len} bytes in a file of {len}"
            )));
        }
        let mut text = vec![0; header_len as usize];
        file.read_exact(&mut text).map_err(fail)?;
        let header: Metadata =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let start = 8 + header_len;
        let expected = start.checked_add(header.data_len() as u64);
        if expected != Some(len) {
            return Err(damaged(format!(
                "{} bytes of tensors in a file of {len}",
                header.data_len()
            )));
        }
        Ok(Self {
            concept: concept.to_owned(),
            path,
            file,
            header,
            start,
        })
    }

    /// The values of `segment` from place `at` among the encoded ones on.
    fn read(
        &self,
        layout: &Layout,
        segment: &Segment,
        checkpoint: usize,
        at: usize,
        target: &mut [f32],
    ) -> Result<(), Error> {
        let Some(spec) = layout.tensors().nth(segment.tensor) else {
            return Err(Error::Layout {
                why: format!("there is no tensor {}", segment.tensor),
            });
        };
        let name = format!("{checkpoint}/{}", spec.name);
        let Some(info) = self.header.info(&name) else {
            return Err(Error::MissingTensor { name });
        };
        if info.shape != spec.shape {
            return Err(Error::ShapeMismatch {
                name,
                expected: spec.shape.clone(),
                found: info.shape.clone(),
            });
        }
        let unknown = || Error::Dtype {
            path: self.path.clone(),
            name: name.clone(),
            dtype: format!("{:?}", info.dtype),
        };
        let width = match info.dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            _ => return Err(unknown()),
        };
        // The header was checked to hold as many bytes as the shape needs.
        let first = segment.start + (at - segment.at) * segment.stride;
        let span = (target.len() - 1) * segment.stride + 1;
        let offset = self.start + (info.data_offsets.0 + first * width) as u64;
        let mut bytes = vec![0; span * width];
        let fail = |source| Error::io(&self.path, source);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset)).map_err(fail)?;
        file.read_exact(&mut bytes).map_err(fail)?;
        let values = floats(info.dtype, &bytes).ok_or_else(unknown)?;
        for (target, value) in target.iter_mut().zip(values.iter().step_by(segment.stride)) {
            *target = *value;
        }
        check_finite(&self.path, &name, target)
    }
}
