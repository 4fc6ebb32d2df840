//! Statistics and features in files of the Python packages.

use std::path::Path;

use super::{Npz, NpzError, bad, write};
use crate::{Error, FeatureSet, FeatureStatistics};

/// Widest features that a file may hold: four times InceptionV3's. Its covariance takes 512 MiB.
const WIDEST: usize = 8192;
/// Most feature values that a file may hold: 131,072 images of InceptionV3, 2 GiB in double precision.
const MOST_FEATURES: usize = 1 << 28;

impl FeatureStatistics {
    /// Reads `mu` `[d]` and `sigma` `[d, d]`, float64 or float32, from a `.npz` file as `pytorch-fid --save-stats`, the
    /// Python `clean-fid` and the original FID write it; `d` at most 8192.
    ///
    /// The file does not record the number of images, the network or the resize: compare only statistics that were made in
    /// the same way.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] if the file cannot be opened, [`Error::Npz`] if it is damaged or holds something else, and the
    /// errors of [`FeatureStatistics::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut file = Npz::open(path)?;
        let mean = file.array("mu", WIDEST)?;
        let &[width] = mean.shape.as_slice() else {
            return Err(bad(path, NpzError::MeanShape { shape: mean.shape }));
        };
        let covariance = file.array("sigma", width * width)?;
        if covariance.shape != [width, width] {
            let shape = covariance.shape;
            return Err(bad(path, NpzError::CovarianceShape { shape, width }));
        }
        Self::new(mean.values, covariance.values, None)
    }

    /// Writes `mu` and `sigma` in float64, for [`load`](Self::load), `pytorch-fid` and the Python `clean-fid`. The file
    /// is replaced atomically.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] if the file cannot be written, for example because its folder does not exist.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let width = self.width() as u64;
        write::write(
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
    /// Returns [`Error::Io`] if the file cannot be opened, [`Error::Npz`] if it is damaged, holds something else or has more
    /// than 2²⁸ values, and the errors of [`FeatureSet::from_rows`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let features = Npz::open(path)?.array("feats", MOST_FEATURES)?;
        let &[_, width] = features.shape.as_slice() else {
            let shape = features.shape;
            return Err(bad(path, NpzError::FeaturesShape { shape }));
        };
        Self::from_rows(features.values.iter().map(|v| *v as f32).collect(), width)
    }

    /// Writes `feats` in float32, for [`load`](Self::load) and the Python `clean-fid`. The file is replaced atomically.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] if the file cannot be written, for example because its folder does not exist.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let values: Vec<f32> = self.rows().flatten().copied().collect();
        let shape = [self.len() as u64, self.width() as u64];
        write::write(path.as_ref(), &[("feats", &shape, &values)])
    }
}
