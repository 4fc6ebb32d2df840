//! From named tensors to blocks and back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tensor_file::digest::Sha256;

use crate::error::LayoutError;
pub use crate::grouping::Segment;
use crate::space::num_elements;
use crate::{Error, GroupingRule, HostTensor, LayerGroup, NamedTensors, TensorSpec, check_tensors};

/// Most values that a layout may have, so that a damaged file cannot ask for more memory.
const MAX_VALUES: u64 = 1 << 34;

/// Version of the layout's JSON and of the order of values. Files without a version are of version 1.
const VERSION: u32 = 1;

fn first_version() -> u32 {
    1
}

/// The place of each value of each layer among the N blocks of b values.
///
/// The groups' values are laid out in the rule's order and zero-padded to a multiple of b: once at the end under rules 1
/// and 2, after each tensor under rule 3. (The paper's 854 × 256 is less than its own 0.2256 M weights; here N follows
/// from the layer list, and nothing is lost.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LayoutSpec", into = "LayoutSpec")]
pub struct Layout {
    spec: LayoutSpec,
    lens: Vec<usize>,
    values: usize,
    segments: Vec<Segment>,
    blocks: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutSpec {
    #[serde(default = "first_version")]
    version: u32,
    name: String,
    rule: GroupingRule,
    block_size: usize,
    groups: Vec<LayerGroup>,
}

/// Whether a layout may have as many values; the limit is past what 32-bit targets can address.
fn allowed(values: usize) -> bool {
    values as u64 <= MAX_VALUES
}

/// Whether the padding is in proportion: a few bytes of JSON must not ask for gigabytes of zeros.
fn fits(values: usize, encoded: usize) -> bool {
    const SMALL: usize = 1 << 20;
    encoded <= SMALL || encoded / 16 <= values
}

impl TryFrom<LayoutSpec> for Layout {
    type Error = Error;

    fn try_from(spec: LayoutSpec) -> Result<Self, Error> {
        if spec.version != VERSION {
            return Err(Error::Layout(LayoutError::Version {
                name: spec.name,
                found: spec.version,
                expected: VERSION,
            }));
        }
        Self::new(&spec.name, spec.groups, spec.rule, spec.block_size)
    }
}

impl From<Layout> for LayoutSpec {
    fn from(layout: Layout) -> Self {
        layout.spec
    }
}

impl Layout {
    /// A layout of `groups` (see [`WeightSpace::layer_groups`](crate::WeightSpace::layer_groups)).
    ///
    /// # Errors
    /// Returns [`Error::Layout`] if the block size is zero, if there are no values or more than 2³⁴, if a name occurs
    /// twice, or if the padding is out of proportion.
    pub fn new(
        name: &str,
        groups: Vec<LayerGroup>,
        rule: GroupingRule,
        block_size: usize,
    ) -> Result<Self, Error> {
        if block_size == 0 {
            return Err(LayoutError::ZeroBlockSize.into());
        }
        let mut names = BTreeSet::new();
        let mut lens = Vec::new();
        let mut values = 0usize;
        for spec in groups.iter().flat_map(|group| &group.tensors) {
            if !names.insert(spec.name.as_str()) {
                let name = spec.name.clone();
                return Err(LayoutError::DuplicateTensor { name }.into());
            }
            let len = num_elements(&spec.shape).filter(|&len| allowed(len));
            let len = len.ok_or_else(|| LayoutError::TensorTooLarge {
                name: spec.name.clone(),
                shape: spec.shape.clone(),
            })?;
            lens.push(len);
            values = (values.checked_add(len))
                .filter(|&values| allowed(values))
                .ok_or(LayoutError::TooManyValues { limit: MAX_VALUES })?;
        }
        if values == 0 || !allowed(block_size) {
            return Err(LayoutError::BlockSize { values, block_size }.into());
        }
        let (segments, end) = (rule.segments(&groups, &lens, block_size))
            .filter(|(_, end)| *end as u64 <= 2 * MAX_VALUES)
            .filter(|(_, end)| {
                let encoded = end.checked_next_multiple_of(block_size);
                encoded.is_some_and(|encoded| fits(values, encoded))
            })
            .ok_or(LayoutError::OutOfProportion { rule })?;
        Ok(Self {
            segments,
            blocks: end.div_ceil(block_size),
            spec: LayoutSpec {
                version: VERSION,
                name: name.to_owned(),
                rule,
                block_size,
                groups,
            },
            lens,
            values,
        })
    }

    /// Version of the order in which values are laid out. It is stored with the layout, and a file of another version is
    /// refused.
    pub fn version(&self) -> u32 {
        self.spec.version
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The grouping rule.
    pub fn rule(&self) -> GroupingRule {
        self.spec.rule
    }

    /// The layers.
    pub fn groups(&self) -> &[LayerGroup] {
        &self.spec.groups
    }

    /// b.
    pub fn block_size(&self) -> usize {
        self.spec.block_size
    }

    /// N.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Number of weights, without padding.
    pub fn values(&self) -> usize {
        self.values
    }

    /// N·b.
    pub fn encoded_len(&self) -> usize {
        self.blocks() * self.spec.block_size
    }

    /// The runs of values in order; each tensor's values are in one or more of them.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All tensors, group after group.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorSpec> {
        self.spec.groups.iter().flat_map(|group| &group.tensors)
    }

    /// SHA-256 (hex) over rule, block size and groups: two layouts with the same digest can exchange blocks.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{:?} {}", self.spec.rule, self.spec.block_size));
        for group in &self.spec.groups {
            hasher.update(format!("\n{} {:?}", group.name, group.kind));
            for tensor in &group.tensors {
                hasher.update(format!(
                    "\n  {} {:?} {:?}",
                    tensor.name, tensor.shape, tensor.role
                ));
            }
        }
        hasher.finish_hex()
    }

    /// The N·b values of `weights`, block after block, with zeros as padding.
    ///
    /// # Errors
    /// Those of [`check_tensors`].
    pub fn encode(&self, weights: &NamedTensors) -> Result<Vec<f32>, Error> {
        check_tensors(&self.spec.groups, weights)?;
        let tensors: Vec<&HostTensor> = self
            .tensors()
            .filter_map(|t| weights.get(&t.name))
            .collect();
        let mut flat = vec![0.0; self.encoded_len()];
        for segment in &self.segments {
            let target = &mut flat[segment.at..segment.at + segment.len];
            let data = &tensors[segment.tensor].data;
            if segment.stride == 1 {
                target.copy_from_slice(&data[segment.start..segment.start + segment.len]);
            } else {
                for (value, place) in target.iter_mut().zip(segment.places()) {
                    *value = data[place];
                }
            }
        }
        Ok(flat)
    }

    /// The tensors that N·b values hold; the padding is ignored.
    ///
    /// # Errors
    /// Returns [`Error::BlockCount`] for another number of values.
    pub fn decode(&self, blocks: &[f32]) -> Result<NamedTensors, Error> {
        self.check_len(blocks.len())?;
        let mut data: Vec<Vec<f32>> = self.lens.iter().map(|&len| vec![0.0; len]).collect();
        for segment in &self.segments {
            let source = &blocks[segment.at..segment.at + segment.len];
            let target = &mut data[segment.tensor];
            if segment.stride == 1 {
                target[segment.start..segment.start + segment.len].copy_from_slice(source);
            } else {
                for (value, place) in source.iter().zip(segment.places()) {
                    target[place] = *value;
                }
            }
        }
        Ok(self
            .tensors()
            .zip(data)
            .map(|(spec, data)| {
                let shape = spec.shape.clone();
                (spec.name.clone(), HostTensor { shape, data })
            })
            .collect())
    }

    pub(crate) fn check_len(&self, found: usize) -> Result<(), Error> {
        if found == self.encoded_len() {
            return Ok(());
        }
        Err(Error::BlockCount {
            expected: self.encoded_len(),
            blocks: self.blocks(),
            block_size: self.block_size(),
            found,
        })
    }
}
