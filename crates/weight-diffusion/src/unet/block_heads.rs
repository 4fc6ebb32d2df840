//! An output layer for each block index.

use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Int, Tensor};

use super::config::UNet1dConfig;
use super::conv::layer_norm;
use super::init::Init;

/// For each block n and position, a matrix from the UNet's last features to the weights of the position,
/// beside the output layer that all blocks share.
///
/// The weights of different blocks have no values in common. A shared output layer has to tell them apart by
/// the sinusoidal code of n alone, and learns that slowly. This is not in the paper, and the `paper` preset
/// has none.
#[derive(Module, Debug)]
pub(super) struct BlockHeads {
    norm: LayerNorm,
    /// `[N, L·C·p]`, zero at the start.
    table: Param<Tensor<2>>,
}

impl BlockHeads {
    pub(super) fn new(blocks: usize, config: &UNet1dConfig, init: &mut Init) -> Self {
        let width = config.widths()[0];
        Self {
            norm: init.layer_norm(width),
            table: init.constant([blocks, width * config.block_size], 0.0),
        }
    }

    /// Features `[B, L, C]` of blocks `n` `[B]` → `[B, L·p]`.
    pub(super) fn forward(&self, x: Tensor<3>, n: Tensor<1, Int>) -> Tensor<2> {
        let [batch, positions, width] = x.dims();
        let table = self.table.val();
        let patch = table.dims()[1] / (positions * width);
        let heads = (table.select(0, n)).reshape([batch * positions, width, patch]);
        layer_norm(&self.norm, x)
            .reshape([batch * positions, 1, width])
            .matmul(heads)
            .reshape([batch, positions * patch])
    }
}
