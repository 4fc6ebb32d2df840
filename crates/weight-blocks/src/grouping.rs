//! The order in which the values of all layers are laid out.

use serde::{Deserialize, Serialize};

use crate::{LayerGroup, TensorRole};

/// Most runs that a layout may have, so that a damaged file cannot ask for gigabytes.
const MAX_SEGMENTS: usize = 1 << 19;

/// The paper's grouping rules (§3.1, table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupingRule {
    /// Rule 1, the paper's default: down, up and the norm that follows of layer i, one after
    /// another, then layer i + 1.
    Appended,
    /// Rule 2: down and up of layer i concatenated along their common dimension, the rank, then the
    /// norm. Row k of down (c·kh·kw values) is followed by column k of up (f values), so that factors that are multiplied
    /// with each other are neighbours. The paper says only "along the channel dimension"; this is our reading. A layer
    /// without down and up of one rank, such as one of whole weights, or whose up has a kernel larger than 1 × 1, is laid
    /// out as under rule 1.
    Concatenated,
    /// Rule 3: each tensor alone. It begins a new block and is padded to whole blocks, so that no block holds values of
    /// two tensors; N is larger than under rules 1 and 2.
    Separate,
}

/// A run: values of one tensor that follow each other among the encoded values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Position of the tensor in the list of all groups' tensors.
    pub tensor: usize,
    /// First value within the tensor (row-major).
    pub start: usize,
    /// Distance from one value to the next within the tensor, at least 1.
    pub stride: usize,
    /// Number of values.
    pub len: usize,
    /// Position of the first one among the N·b encoded values.
    pub at: usize,
}

impl Segment {
    /// Positions of the values within the tensor.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        let (start, stride) = (self.start, self.stride);
        (0..self.len).map(move |i| start + i * stride)
    }
}

/// Places runs one after another.
struct Builder {
    segments: Vec<Segment>,
    at: usize,
}

impl Builder {
    fn push(&mut self, tensor: usize, start: usize, stride: usize, len: usize) {
        self.segments.push(Segment {
            tensor,
            start,
            stride,
            len,
            at: self.at,
        });
        // Only 32 bits can overflow here: under rule 3, where padding is then refused.
        self.at = self.at.saturating_add(len);
    }
}

impl GroupingRule {
    /// The runs in order, which together hold each value of each tensor once, and the end of the last one. `lens` are the
    /// tensors' sizes in the order of `groups`. `None` if there are too many runs.
    pub(crate) fn segments(
        self,
        groups: &[LayerGroup],
        lens: &[usize],
        block_size: usize,
    ) -> Option<(Vec<Segment>, usize)> {
        let mut runs = Builder {
            segments: Vec::new(),
            at: 0,
        };
        let mut first = 0;
        for group in groups {
            let lens = lens.get(first..first + group.tensors.len())?;
            match self {
                Self::Appended => {
                    for (i, &len) in lens.iter().enumerate() {
                        runs.push(first + i, 0, 1, len);
                    }
                }
                Self::Separate => {
                    for (i, &len) in lens.iter().enumerate() {
                        runs.push(first + i, 0, 1, len);
                        runs.at = runs.at.checked_next_multiple_of(block_size)?;
                    }
                }
                Self::Concatenated => concatenate(group, lens, first, &mut runs)?,
            }
            if runs.segments.len() > MAX_SEGMENTS {
                return None;
            }
            first += group.tensors.len();
        }
        Some((runs.segments, runs.at))
    }
}

/// Rule 2 for one layer; a layer without two factors of the same rank is appended as under rule 1.
fn concatenate(group: &LayerGroup, lens: &[usize], first: usize, runs: &mut Builder) -> Option<()> {
    let find = |role| group.tensors.iter().position(|t| t.role == role);
    let pair = find(TensorRole::Down).zip(find(TensorRole::Up));
    let rank = pair.and_then(|(down, up)| {
        let rank = *group.tensors[down].shape.first()?;
        let shared = group.tensors[up].shape.get(1) == Some(&rank) && rank > 0;
        // [f, r] or [f, r, 1, 1]: every r-th value belongs to the same rank.
        let flat = group.tensors[up].shape.get(2..)?.iter().all(|&d| d == 1);
        (shared && flat).then_some((down, up, rank))
    });
    let mut done = [usize::MAX; 2];
    if let Some((down, up, rank)) = rank {
        if rank > MAX_SEGMENTS {
            return None;
        }
        let (row, column) = (lens[down] / rank, lens[up] / rank);
        for k in 0..rank {
            runs.push(first + down, k * row, 1, row);
            runs.push(first + up, k, rank, column);
        }
        done = [down, up];
    }
    for (i, &len) in lens.iter().enumerate() {
        if !done.contains(&i) {
            runs.push(first + i, 0, 1, len);
        }
    }
    Some(())
}
