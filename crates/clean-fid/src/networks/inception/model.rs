//! The network.

use burn::module::Module;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::config::InceptionV3Config;
use super::mixed::{Mixed, halve};
use super::stages::{FEATURES, Stem};
use super::unit::{Unit, chain};
use crate::images::{HostResize, ResizeMode};
use crate::networks::feature_net::parts;
use crate::{Error, FeatureNet};

/// Height and width that the network was trained at.
const SIDE: usize = 299;
/// Images that pass through at a time on one thread, which bounds memory: the largest map takes 5.5 MB an image.
const CHUNK: usize = 4;

/// InceptionV3 (Szegedy et al., 2016) with the pools of TensorFlow's graph of 2015, up to the 2048 means over the last
/// map: the network that FID and KID are defined on. 21.8 M weights. Equal to `pytorch-fid`'s `InceptionV3` with
/// `dims=2048`, and to the network inside the Python `clean-fid`.
///
/// Made by [`InceptionV3Config::load`]; the weights do not come with this crate. Values are called FID and KID only if
/// those are the weights of the original FID. The caller has to ensure that: shapes alone cannot tell.
///
/// Images pass four at a time, on each of rayon's threads.
#[derive(Module, Debug)]
pub struct InceptionV3 {
    entry: Unit,
    first: Vec<Unit>,
    second: Vec<Unit>,
    mixed: Vec<Mixed>,
    #[module(skip)]
    mode: ResizeMode,
    #[module(skip)]
    name: String,
}

impl InceptionV3 {
    pub(super) fn assemble(config: &InceptionV3Config, stem: Stem, mixed: Vec<Mixed>) -> Self {
        Self {
            entry: stem.entry,
            first: stem.first,
            second: stem.second,
            mixed,
            mode: config.mode,
            name: format!("inception-v3-{}", config.mode.name()),
        }
    }

    fn resize(&self) -> HostResize {
        HostResize {
            mode: self.mode,
            height: SIDE,
            width: SIDE,
        }
    }

    /// `[B, 3, 299, 299]` in 0..1 to `[B, 2048]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = match self.mode {
            ResizeMode::LegacyPytorch => images * 2.0 - 1.0,
            ResizeMode::Clean | ResizeMode::LegacyTensorflow | ResizeMode::CoverCrop => {
                images * (255.0 / 128.0) - 1.0
            }
        };
        let x = halve(chain(&self.first, self.entry.forward(x)));
        let x = halve(chain(&self.second, x));
        let map = self.mixed.iter().fold(x, |x, block| block.forward(x));
        map.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2)
    }
}

impl FeatureNet for InceptionV3 {
    /// `inception-v3-` and the mode.
    fn name(&self) -> &str {
        &self.name
    }

    fn width(&self) -> usize {
        FEATURES
    }

    fn host_resize(&self) -> Option<HostResize> {
        Some(self.resize())
    }

    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, Error> {
        let device = self.entry.conv.weight.val().device();
        let parts = parts(images, self.host_resize(), CHUNK, &device)?;
        let features = parts
            .into_par_iter()
            .map(|part| self.forward(part))
            .collect();
        Ok(Tensor::cat(features, 0))
    }

    /// `fid-clean` for `"frechet"` and `kid-clean` for `"kernel"`, with the mode.
    fn metric_name(&self, metric: &str) -> String {
        match metric {
            "frechet" => format!("fid-{}", self.mode.name()),
            "kernel" => format!("kid-{}", self.mode.name()),
            other => format!("{other}-{}", self.name),
        }
    }
}
