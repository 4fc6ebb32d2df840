//! In which order the values of all layers are laid out.

use serde::{Deserialize, Serialize};

use crate::LayerGroup;

/// The paper's grouping rules (§3.1, table 3). Rules 2 (concatenation along the channel dimension)
/// and 3 (each layer alone) are to come as further variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupingRule {
    /// Rule 1, the paper's default: down, up and the norm that follows of layer i, one after
    /// another, then layer i + 1.
    Appended,
}

/// A run of consecutive values of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Position of the tensor in the list of all groups' tensors.
    pub tensor: usize,
    /// First value within the tensor (row-major).
    pub start: usize,
    /// Number of values.
    pub len: usize,
}

impl GroupingRule {
    /// The runs in order; together they hold each value of each tensor once. `lens` are the
    /// tensors' sizes in the order of `groups`.
    pub(crate) fn segments(self, groups: &[LayerGroup], lens: &[usize]) -> Vec<Segment> {
        debug_assert_eq!(
            groups.iter().map(|g| g.tensors.len()).sum::<usize>(),
            lens.len()
        );
        match self {
            Self::Appended => (lens.iter().enumerate())
                .map(|(tensor, &len)| Segment {
                    tensor,
                    start: 0,
                    len,
                })
                .collect(),
        }
    }
}
