//! The network.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

use super::block::{MbConv, relu6};
use super::config::{EfficientNetLite0Config, FEATURES, ResizeFilter};
use crate::images::resize::products;
use crate::images::{HostResize, ResizeMode};
use crate::networks::feature_net::parts;
use crate::{Error, FeatureNet};

/// EfficientNet-Lite0 (EfficientNet-B0 of Tan & Le, 2019, without squeeze-and-excitation and with ReLU6), up to the
/// 1280 averages over the last map that its ImageNet classifier would read. 3.35 M weights.
///
/// Images are resized to `input_size` and brought to the range of the original's training, `(255·x - 127) / 128`.
/// Made by [`EfficientNetLite0Config::load`].
#[derive(Module, Debug)]
pub struct EfficientNetLite0 {
    stem: Conv2d,
    blocks: Vec<MbConv>,
    head: Conv2d,
    #[module(skip)]
    input_size: usize,
    #[module(skip)]
    resize: ResizeFilter,
    #[module(skip)]
    name: String,
}

/// Images that pass through at a time. On a CPU the maps of the first stages then stay close to the cache (64 images of
/// 128 × 128 take a third less time than in one piece), and memory is bounded.
const CHUNK: usize = 16;

impl EfficientNetLite0 {
    pub(super) fn assemble(
        config: &EfficientNetLite0Config,
        stem: Conv2d,
        blocks: Vec<MbConv>,
        head: Conv2d,
    ) -> Self {
        let filter = match config.resize {
            ResizeFilter::Bilinear => "",
            ResizeFilter::Bicubic => "-bicubic",
            ResizeFilter::Antialiased => "-antialiased",
        };
        Self {
            stem,
            blocks,
            head,
            input_size: config.input_size,
            resize: config.resize,
            name: format!("efficientnet-lite0-{}{filter}", config.input_size),
        }
    }

    /// `[B, 3, H, W]` in 0..1 to `[B, 1280]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let images = self.resized(images) * (255.0 / 128.0) - 127.0 / 128.0;
        let mut x = relu6(self.stem.forward(images));
        for block in &self.blocks {
            x = block.forward(x);
        }
        let map = relu6(self.head.forward(x));
        map.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2)
    }

    fn resized(&self, images: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        match self.resize.on_device() {
            Some(filter) if [height, width] != [self.input_size; 2] => {
                products::resize(images, filter, self.input_size)
            }
            _ => images,
        }
    }
}

impl FeatureNet for EfficientNetLite0 {
    /// `efficientnet-lite0-` and the input size, then `-bicubic` or `-antialiased` for those filters.
    fn name(&self) -> &str {
        &self.name
    }

    fn width(&self) -> usize {
        FEATURES
    }

    fn host_resize(&self) -> Option<HostResize> {
        match self.resize {
            ResizeFilter::Antialiased => Some(HostResize {
                mode: ResizeMode::Clean,
                height: self.input_size,
                width: self.input_size,
            }),
            ResizeFilter::Bilinear | ResizeFilter::Bicubic => None,
        }
    }

    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, Error> {
        let device = self.head.weight.val().device();
        let parts = parts(images, self.host_resize(), CHUNK, &device)?;
        let features = parts.into_iter().map(|part| self.forward(part)).collect();
        Ok(Tensor::cat(features, 0))
    }
}
