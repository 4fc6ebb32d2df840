//! Settings and construction.

use std::path::Path;

use burn::config::Config;
use burn::tensor::Device;

use super::builder::{Builder, Fill};
use super::model::InceptionV3;
use super::stages::{mixed, stem};
use super::weights::Weights;
use crate::Error;
use crate::images::ResizeMode;
use crate::networks::weights::WeightFile;

/// Configuration of [`InceptionV3`]. The default is Clean-FID's.
#[derive(Config, Debug)]
pub struct InceptionV3Config {
    /// How images are resized to 299 × 299 pixels. It also decides how values are scaled to about -1..1: `LegacyPytorch`
    /// takes `2x - 1`, as `pytorch-fid` does, the others `(255x - 128) / 128`.
    #[config(default = "ResizeMode::Clean")]
    pub mode: ResizeMode,
    /// The key of the weights in a checkpoint that holds several networks, such as `params_ema`. Without it, they may be
    /// under any key if they are there once.
    pub part: Option<String>,
}

impl InceptionV3Config {
    /// The network with random weights, for tests: its features say nothing about images.
    pub fn init(&self, device: &Device) -> Result<InceptionV3, Error> {
        self.build(device, &mut |_, _| Ok(()))
    }

    /// The network with the weights of the original FID from a file: `pytorch-fid`'s
    /// `pt_inception-2015-12-05-6726825d.pth` or `torch-fidelity`'s `weights-inception-2015-12-05-6726825d.pth` (the
    /// same bytes), a safetensors file with the same tensors, or a checkpoint that holds them under a key such as
    /// `state_dict`. The content decides, not the file's extension. Tensors are float32 or float16 and called
    /// `Conv2d_1a_3x3.conv.weight`, `Mixed_5b.branch1x1.bn.bias`, ….
    ///
    /// No code in a `.pth` file is run. Weights that torchvision trained itself have another classifier and are refused:
    /// features on them give no FID.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Weights`] if the file cannot be read or holds the weights of another network.
    pub fn load(&self, path: impl AsRef<Path>, device: &Device) -> Result<InceptionV3, Error> {
        self.fill(WeightFile::open(path.as_ref())?, device)
    }

    /// [`load`](Self::load) of a safetensors file in memory; `file` names the bytes in errors.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Weights`] if the bytes are damaged or hold the weights of another network.
    pub fn load_bytes(
        &self,
        bytes: &[u8],
        file: &str,
        device: &Device,
    ) -> Result<InceptionV3, Error> {
        self.fill(WeightFile::parse(bytes, file)?, device)
    }

    fn fill(&self, file: WeightFile<'_>, device: &Device) -> Result<InceptionV3, Error> {
        let mut weights = Weights::new(file, self.part.as_deref())?;
        let network = self.build(device, &mut |name, conv| weights.fill(name, conv))?;
        weights.finish()?;
        Ok(network)
    }

    fn build(&self, device: &Device, fill: &mut Fill<'_>) -> Result<InceptionV3, Error> {
        // Nothing here is trained, so no autodiff graph is needed.
        let device = device.clone().inner();
        let mut builder = Builder {
            device: &device,
            fill,
        };
        let stem = stem(&mut builder)?;
        let mixed = mixed(&mut builder)?;
        Ok(InceptionV3::assemble(self, stem, mixed))
    }
}
