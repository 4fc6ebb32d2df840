//! Statistics and features in files of the Python packages.

use std::path::Path;

use super::npz::{self, Npz, bad};
use crate::{Error, FeatureSet, FeatureStatistics};

/// Widest features that a file may hold: four times InceptionV3's. Its covariance takes 512 MiB.
const WIDEST: usize = 8192;
/// Most feature values that a file may hold: 131,072 images of InceptionV3, 2 GiB in double precision.
const MOST_FEATURES: usize = 1 << 28;

impl FeatureStatistics {
    /// Reads `mu` `[d]` and `sigma` `[d, d]`, float64 or float32, from a `.npz` file as `pytorch-fid --save-stats`, the
    /// Python `clean-fid` and the original FID write it; `d` at most 8192.
    ///
    /// How many images are behind them the file does not say, nor on which network and after which resize: compare
    /// like with like.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Npz`] for another file, and those of [`FeatureStatistics::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut file = Npz::open(path)?;
        let mean = file.array("mu", WIDEST)?;
        let &[width] = mean.shape.as_slice() else {
            let reason = format!("mu is of shape {:?}, expected one dimension", mean.shape);
            return Err(bad(path, reason));
        };
        let covariance = file.array("sigma", width * width)?;
        if covariance.shape != [width, width] {
            let reason = format!(
                "sigma is of shape {:?}, expected [{width}, {width}] beside mu of {width}",
                covariance.shape
            );
            return Err(bad(path, reason));
        }
        Self::new(mean.values, covariance.values, None)
    }

    /// Writes `mu` and `sigma` in float64, for [`load`](Self::load), `pytorch-fid` and the Python `clean-fid`. The file
    /// is there whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let width = self.width() as u64;
        npz::write(
            path.as_ref(),
            &[
                ("mu", &[width], self.mean()),
                ("sigma", &[width, width], self.covariance()),
            ],
        )
    }
}

impl FeatureSet {
    /// Reads `feats` `[n, d]` from a `.npz` file, which is how the Python `clean-fid` keeps the reference side of a KID.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Npz`] for another file or more than 2²⁸ values, and those of
    /// [`FeatureSet::from_rows`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let features = Npz::open(path)?.array("feats", MOST_FEATURES)?;
        let &[_, width] = features.shape.as_slice() else {
            let reason = format!(
                "feats is of shape {:?}, expected rows × width",
                features.shape
            );
            return Err(bad(path, reason));
        };
        Self::from_rows(features.values.iter().map(|v| *v as f32).collect(), width)
    }

    /// Writes `feats` in float32, for [`load`](Self::load) and the Python `clean-fid`. The file is there whole or not at
    /// all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let values: Vec<f32> = self.rows().flatten().copied().collect();
        let shape = [self.len() as u64, self.width() as u64];
        npz::write(path.as_ref(), &[("feats", &shape, &values)])
    }
}
