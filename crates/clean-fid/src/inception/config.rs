//! Settings and construction.

use std::path::Path;

use burn::config::Config;
use burn::tensor::Device;

use super::builder::{Builder, Fill};
use super::model::InceptionV3;
use super::stages::{mixed, stem};
use super::weights::Weights;
use crate::{Error, ResizeMode};

/// Configuration of [`InceptionV3`]. The default is Clean-FID's.
#[derive(Config, Debug)]
pub struct InceptionV3Config {
    /// How images come to 299 × 299 pixels, and with `LegacyPytorch` also how values come to about -1..1: `2x - 1`, as
    /// `pytorch-fid`, where the others have `(255x - 128) / 128`.
    #[config(default = "ResizeMode::Clean")]
    pub mode: ResizeMode,
}

impl InceptionV3Config {
    /// The network with random weights, for tests and shapes: its features say nothing about images.
    pub fn init(&self, device: &Device) -> Result<InceptionV3, Error> {
        self.build(device, &mut |_, _| Ok(()))
    }

    /// The network with the weights of the original FID from a safetensors file, under the names that `pytorch-fid`'s
    /// `pt_inception-2015-12-05-6726825d.pth` has (`Conv2d_1a_3x3.conv.weight`, `Mixed_5b.branch1x1.bn.bias`, …), in
    /// float32 or float16. That file is turned into one with
    ///
    /// ```python
    /// import torch
    /// from safetensors.torch import save_file
    ///
    /// save_file(torch.load("pt_inception-2015-12-05-6726825d.pth"), "inception.safetensors")
    /// ```
    ///
    /// Weights that torchvision trained itself have another classifier and are refused: features on them give no FID.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Safetensors`] for a truncated or damaged file, [`Error::Weights`] and
    /// [`Error::WeightValue`] for weights of something else.
    pub fn load(&self, path: impl AsRef<Path>, device: &Device) -> Result<InceptionV3, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        self.load_bytes(&bytes, &path.display().to_string(), device)
    }

    /// [`load`](Self::load) from memory; `file` names the bytes in errors.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), without [`Error::Io`].
    pub fn load_bytes(
        &self,
        bytes: &[u8],
        file: &str,
        device: &Device,
    ) -> Result<InceptionV3, Error> {
        let mut weights = Weights::parse(bytes, file)?;
        let network = self.build(device, &mut |name, conv| weights.fill(name, conv))?;
        weights.finish()?;
        Ok(network)
    }

    fn build(&self, device: &Device, fill: &mut Fill<'_>) -> Result<InceptionV3, Error> {
        // Statistics only: nothing here is trained, and a graph would be kept for nothing.
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
