//! Settings, layer table and construction.

use std::path::Path;

use burn::config::Config;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Device;

use super::block::MbConv;
use super::model::EfficientNetLite0;
use super::weights::Weights;
use crate::Error;
use crate::images::resize::products::Filter;

/// How images are resized to the input size, with half-pixel centres (`align_corners = false`).
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ResizeFilter {
    /// Two taps an axis, no antialiasing, on the device.
    Bilinear,
    /// Four taps an axis (a = -0.75, as PyTorch), no antialiasing, on the device; overshoots are kept.
    Bicubic,
    /// [`ResizeMode::Clean`](crate::images::ResizeMode::Clean): bicubic with antialiasing, on the host. For images of
    /// any size, and for folders.
    Antialiased,
}

impl ResizeFilter {
    /// The filter that the device applies, if it does the resizing.
    pub(super) fn on_device(self) -> Option<Filter> {
        match self {
            Self::Bilinear => Some(Filter::Bilinear),
            Self::Bicubic => Some(Filter::Bicubic),
            Self::Antialiased => None,
        }
    }
}

/// Configuration of [`EfficientNetLite0`]. The default is the size that the network was trained at.
///
/// Images much larger than `input_size` alias without antialiasing: use [`ResizeFilter::Antialiased`] for those.
#[derive(Config, Debug)]
pub struct EfficientNetLite0Config {
    /// Height and width, in pixels, that every image is resized to; at least 32. Smaller sizes are faster and
    /// see less detail. The size is part of the network's name, since values at different sizes are not comparable.
    #[config(default = 224)]
    pub input_size: usize,
    /// The resize filter.
    #[config(default = "ResizeFilter::Bilinear")]
    pub resize: ResizeFilter,
}

/// With a smaller input, the last stage would have nothing left to pool.
const MINIMUM_INPUT: usize = 32;
pub(super) const FEATURES: usize = 1280;
const STEM: usize = 32;

/// Repeats, kernel, stride of the first, expansion, output channels: EfficientNet-B0's table (Tan & Le, 2019,
/// table 1); Lite drops squeeze-and-excitation and takes ReLU6 for swish.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];

impl EfficientNetLite0Config {
    /// The network with random weights, for tests: its features say nothing about images.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InputSize`] if `input_size` is too small.
    pub fn init(&self, device: &Device) -> Result<EfficientNetLite0, Error> {
        self.build(device, &mut |_, _| Ok(()))
    }

    /// The network with weights from a safetensors file, as `tools/export_efficientnet_lite0.py` writes them: float16
    /// (or float32), batch norms folded into the convolutions.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InputSize`] if `input_size` is too small, and [`Error::Weights`] if the file cannot be read or holds
    /// the weights of another network.
    pub fn load(
        &self,
        path: impl AsRef<Path>,
        device: &Device,
    ) -> Result<EfficientNetLite0, Error> {
        self.fill(Weights::open(path.as_ref())?, device)
    }

    /// [`load`](Self::load) from memory; `file` names the bytes in errors.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_bytes(
        &self,
        bytes: &[u8],
        file: &str,
        device: &Device,
    ) -> Result<EfficientNetLite0, Error> {
        self.fill(Weights::parse(bytes, file)?, device)
    }

    fn fill(&self, mut weights: Weights<'_>, device: &Device) -> Result<EfficientNetLite0, Error> {
        let network = self.build(device, &mut |name, conv| weights.fill(name, conv))?;
        weights.finish()?;
        Ok(network)
    }

    fn build(
        &self,
        device: &Device,
        fill: &mut dyn FnMut(&str, &mut Conv2d) -> Result<(), Error>,
    ) -> Result<EfficientNetLite0, Error> {
        if self.input_size < MINIMUM_INPUT {
            return Err(Error::InputSize {
                network: "EfficientNet-Lite0",
                found: self.input_size,
                minimum: MINIMUM_INPUT,
            });
        }
        // Nothing here is trained, so no autodiff graph is needed.
        let device = device.clone().inner();
        let mut unit = |name: &str, plan: Plan| -> Result<Conv2d, Error> {
            let mut conv = plan.init(&device);
            fill(name, &mut conv)?;
            Ok(conv)
        };

        let mut size = self.input_size;
        let mut channels = STEM;
        let stem = unit("stem", Plan::full(3, STEM, 3, 2, size))?;
        size = size.div_ceil(2);
        let mut blocks = Vec::new();
        for (repeats, kernel, first_stride, expansion, out) in STAGES {
            for repeat in 0..repeats {
                let stride = if repeat == 0 { first_stride } else { 1 };
                let inner = channels * expansion;
                let prefix = format!("blocks.{}", blocks.len());
                let expand = if expansion == 1 {
                    None
                } else {
                    Some(unit(
                        &format!("{prefix}.expand"),
                        Plan::full(channels, inner, 1, 1, size),
                    )?)
                };
                let depthwise = unit(
                    &format!("{prefix}.depthwise"),
                    Plan::depthwise(inner, kernel, stride, size),
                )?;
                size = size.div_ceil(stride);
                let project = unit(
                    &format!("{prefix}.project"),
                    Plan::full(inner, out, 1, 1, size),
                )?;
                let residual = stride == 1 && channels == out;
                blocks.push(MbConv::new(expand, depthwise, project, residual));
                channels = out;
            }
        }
        let head = unit("head", Plan::full(channels, FEATURES, 1, 1, size))?;
        Ok(EfficientNetLite0::assemble(self, stem, blocks, head))
    }
}

/// One convolution to build.
struct Plan {
    input: usize,
    output: usize,
    groups: usize,
    kernel: usize,
    stride: usize,
    size: usize,
}

impl Plan {
    fn full(input: usize, output: usize, kernel: usize, stride: usize, size: usize) -> Self {
        Self {
            input,
            output,
            groups: 1,
            kernel,
            stride,
            size,
        }
    }

    fn depthwise(channels: usize, kernel: usize, stride: usize, size: usize) -> Self {
        Self {
            groups: channels,
            ..Self::full(channels, channels, kernel, stride, size)
        }
    }

    /// TensorFlow's SAME: output `⌈size / stride⌉`, the odd pixel of padding at the bottom and right.
    fn init(&self, device: &Device) -> Conv2d {
        let output = self.size.div_ceil(self.stride);
        let total = ((output - 1) * self.stride + self.kernel).saturating_sub(self.size);
        let (before, after) = (total / 2, total - total / 2);
        Conv2dConfig::new([self.input, self.output], [self.kernel; 2])
            .with_stride([self.stride; 2])
            .with_groups(self.groups)
            .with_padding(PaddingConfig2d::Explicit(before, before, after, after))
            .init(device)
    }
}
