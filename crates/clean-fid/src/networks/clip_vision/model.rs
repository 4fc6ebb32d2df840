//! The network.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Tensor, TensorData};

use super::block::Block;
use crate::images::{HostResize, ResizeMode};
use crate::networks::feature_net::parts;
use crate::{Error, FeatureNet};

/// Images that pass through at a time, which bounds memory.
const CHUNK: usize = 16;
/// Mean and standard deviation of the channels of CLIP's training images.
const MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
const DEVIATION: [f32; 3] = [0.26862954, 0.261_302_6, 0.275_777_1];

/// The vision transformer of CLIP (Radford et al., 2021) with its projection into the space shared with text: the
/// features of *FID-CLIP* (Kynkäänniemi et al., 2023), which count what is in an image more than InceptionV3's do. Equal
/// to the `CLIPVisionModelWithProjection` of `transformers`; images are prepared as by `clip_vit_b_32` of the Python
/// `clean-fid` ([`ResizeMode::CoverCrop`]).
///
/// Made by [`ClipVisionConfig::load`](super::ClipVisionConfig::load); the weights do not come with this crate.
#[derive(Module, Debug)]
pub struct ClipVision {
    pub(super) patches: Conv2d,
    pub(super) class: Param<Tensor<1>>,
    pub(super) positions: Param<Tensor<2>>,
    pub(super) before: LayerNorm,
    pub(super) blocks: Vec<Block>,
    pub(super) after: LayerNorm,
    pub(super) projection: Linear,
    #[module(skip)]
    pub(super) size: usize,
    #[module(skip)]
    pub(super) outputs: usize,
    #[module(skip)]
    pub(super) name: String,
}

impl ClipVision {
    fn resize(&self) -> HostResize {
        HostResize {
            mode: ResizeMode::CoverCrop,
            height: self.size,
            width: self.size,
        }
    }

    /// `[B, 3, size, size]` in 0..1 to `[B, outputs]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let device = images.device();
        let channels = |values: [f32; 3]| {
            Tensor::<1>::from_data(TensorData::new(values.to_vec(), [3]), &device)
                .reshape([1, 3, 1, 1])
        };
        let images = (images - channels(MEAN)) / channels(DEVIATION);
        let patches = self
            .patches
            .forward(images)
            .flatten::<3>(2, 3)
            .swap_dims(1, 2);
        let [batch, _, width] = patches.dims();
        let class = self.class.val().reshape([1, 1, width]);
        let x = Tensor::cat(vec![class.expand([batch, 1, width]), patches], 1);
        let x = x + self.positions.val().unsqueeze::<3>();
        let x = self.before.forward(x);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let class = x.slice([0..batch, 0..1, 0..width]).reshape([batch, width]);
        self.projection.forward(self.after.forward(class))
    }
}

impl FeatureNet for ClipVision {
    /// `clip-vit-`, width, patch and image size.
    fn name(&self) -> &str {
        &self.name
    }

    fn width(&self) -> usize {
        self.outputs
    }

    fn host_resize(&self) -> Option<HostResize> {
        Some(self.resize())
    }

    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, Error> {
        let device = self.patches.weight.val().device();
        let parts = parts(images, self.host_resize(), CHUNK, &device)?;
        let features = parts.into_iter().map(|part| self.forward(part)).collect();
        Ok(Tensor::cat(features, 0))
    }
}
