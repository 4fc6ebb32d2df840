//! A table per block that is mixed by the text: a short path from the prompt to the output.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::silu;
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use super::attention::Context;
use super::config::UNet1dConfig;
use super::init::Init;

/// Size of a block dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DictionarySize {
    /// Number of blocks of the layout, N.
    pub blocks: usize,
    /// Number of entries per block, K.
    pub entries: usize,
}

/// For each block n, a learned table of K directions `[K, b]`. The text gives K coefficients, the same for
/// all blocks, and the mixture is added to the output of the UNet.
///
/// The weights of a network vary together: a concept moves all blocks along few directions. The UNet alone
/// has to store each block's part of them in weights that all blocks share, and tells blocks apart by a
/// sinusoidal code, which a small network learns slowly. This is not in the paper, and the `paper` preset
/// has none.
#[derive(Module, Debug)]
pub(super) struct BlockDictionary {
    hidden: Linear,
    coefficients: Linear,
    /// `[N, K·b]`, zero at the start.
    table: Param<Tensor<2>>,
}

impl BlockDictionary {
    pub(super) fn new(size: DictionarySize, config: &UNet1dConfig, init: &mut Init) -> Self {
        let hidden = config.embedding_size;
        Self {
            hidden: init.linear(config.context_width, hidden),
            coefficients: init.linear(config.context_width + hidden, size.entries),
            table: init.constant([size.blocks, size.entries * config.block_size], 0.0),
        }
    }

    /// `n` `[B]` and the prompt → `[B, b]`.
    pub(super) fn forward(&self, n: Tensor<1, Int>, context: &Context) -> Tensor<2> {
        let batch = n.dims()[0];
        let coefficients = self.mixture(context);
        let [texts, entries] = coefficients.dims();
        let table = self.table.val();
        let block = table.dims()[1] / entries;
        let rows = table.select(0, n).reshape([batch, entries, block]);
        coefficients
            .reshape([texts, 1, entries])
            .expand([batch, 1, entries])
            .matmul(rows)
            .reshape([batch, block])
    }

    /// All blocks of each prompt → `[B, N·b]`.
    pub(super) fn forward_all(&self, context: &Context) -> Tensor<2> {
        let coefficients = self.mixture(context);
        let table = self.table.val();
        let [blocks, row] = table.dims();
        let entries = coefficients.dims()[1];
        let size = row / entries;
        let table = table
            .reshape([blocks, entries, size])
            .swap_dims(0, 1)
            .reshape([entries, blocks * size]);
        coefficients.matmul(table)
    }

    /// Coefficients of the prompt, `[B, K]`.
    fn mixture(&self, context: &Context) -> Tensor<2> {
        let text = context.mean();
        let hidden = silu(self.hidden.forward(text.clone()));
        self.coefficients
            .forward(Tensor::cat(vec![text, hidden], 1))
    }
}
