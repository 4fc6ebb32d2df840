//! A set of feature vectors on the host.

use burn::tensor::Tensor;
use faer::Mat;

use crate::images::readback::to_f32;
use crate::{Error, FeatureNet};

/// Feature vectors of a set of images: finite, all of one width, in 32-bit floats on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureSet {
    values: Vec<f32>,
    width: usize,
}

impl FeatureSet {
    /// From consecutive rows: `values` has `rows × width` entries.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ZeroWidth`] for a width of 0, [`Error::RaggedFeatures`] unless the values split into whole rows,
    /// [`Error::TooFewRows`] if there are none, and [`Error::FeatureValue`] for NaN or infinity.
    pub fn from_rows(values: Vec<f32>, width: usize) -> Result<Self, Error> {
        if width == 0 {
            return Err(Error::ZeroWidth);
        }
        if !values.len().is_multiple_of(width) {
            return Err(Error::RaggedFeatures {
                values: values.len(),
                width,
            });
        }
        if values.is_empty() {
            return Err(Error::TooFewRows {
                found: 0,
                minimum: 1,
            });
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::FeatureValue {
                row: at / width,
                column: at % width,
                value: values[at],
            });
        }
        Ok(Self { values, width })
    }

    /// From a tensor `[rows, width]` on any device.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Readback`] if the tensor cannot be read from the device, and the errors of
    /// [`from_rows`](Self::from_rows).
    pub fn from_tensor(features: Tensor<2>) -> Result<Self, Error> {
        let [_, width] = features.dims();
        Self::from_rows(to_f32(features, "features")?, width)
    }

    /// Runs `images` `[B, 3, H, W]` (sRGB in 0..1) through `network`, `batch_size` at a time.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ZeroBatchSize`] for a batch size of 0, and the errors of [`FeatureNet::features`] and
    /// [`from_tensor`](Self::from_tensor).
    pub fn extract(
        network: &dyn FeatureNet,
        images: Tensor<4>,
        batch_size: usize,
    ) -> Result<Self, Error> {
        if batch_size == 0 {
            return Err(Error::ZeroBatchSize);
        }
        let [count, ..] = images.dims();
        let width = network.width();
        let mut values = Vec::with_capacity(count * width);
        for start in (0..count).step_by(batch_size) {
            let end = (start + batch_size).min(count);
            let features = network.features(images.clone().slice([start..end]))?;
            let [_, found] = features.dims();
            if found != width {
                return Err(Error::WidthMismatch {
                    left: width,
                    right: found,
                });
            }
            values.extend(to_f32(features, "features")?);
        }
        Self::from_rows(values, width)
    }

    /// Appends the rows of `other`.
    ///
    /// # Errors
    ///
    /// Returns [`Error::WidthMismatch`] if they have another width.
    pub fn extend(&mut self, other: &Self) -> Result<(), Error> {
        self.check_width(other.width)?;
        self.values.extend_from_slice(&other.values);
        Ok(())
    }

    /// Number of rows: one for each image, never zero.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Entries of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    pub(crate) fn check_width(&self, width: usize) -> Result<(), Error> {
        if self.width == width {
            Ok(())
        } else {
            Err(Error::WidthMismatch {
                left: self.width,
                right: width,
            })
        }
    }

    pub(crate) fn check_rows(&self, minimum: usize) -> Result<(), Error> {
        if self.len() >= minimum {
            Ok(())
        } else {
            Err(Error::TooFewRows {
                found: self.len(),
                minimum,
            })
        }
    }

    /// Rows × width, in double precision.
    pub(crate) fn to_mat(&self) -> Mat<f64> {
        Mat::from_fn(self.len(), self.width, |i, j| {
            f64::from(self.values[i * self.width + j])
        })
    }
}
