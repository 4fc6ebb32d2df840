//! From files to features.

use std::fmt;
use std::path::PathBuf;

use burn::tensor::Device;
use rayon::prelude::*;

use crate::distances::StatisticsAccumulator;
use crate::images::HostResize;
use crate::images::resize::to_batch;
use crate::{
    Error, FeatureNet, FeatureSet, FeatureStatistics, FrechetReference, ImageFolder, Picture,
};

/// Reads the images of a folder in batches and runs them through a network.
///
/// While one batch passes through the network, rayon's threads decode the next, and resize it if the network has a
/// [`host_resize`](FeatureNet::host_resize). So the images of two batches are in memory at a time.
pub struct Extractor<'a> {
    network: &'a dyn FeatureNet,
    device: &'a Device,
    batch_size: usize,
}

/// The name of the network.
impl fmt::Debug for Extractor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extractor")
            .field("network", &self.network.name())
            .field("batch_size", &self.batch_size)
            .finish_non_exhaustive()
    }
}

impl<'a> Extractor<'a> {
    /// Batches of 32 images, assembled on `device`, which should be the network's.
    pub fn new(network: &'a dyn FeatureNet, device: &'a Device) -> Self {
        Self {
            network,
            device,
            batch_size: 32,
        }
    }

    /// Sets the batch size, on which no value depends.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ZeroBatchSize`] for a batch size of 0.
    pub fn with_batch_size(mut self, batch_size: usize) -> Result<Self, Error> {
        if batch_size == 0 {
            return Err(Error::ZeroBatchSize);
        }
        self.batch_size = batch_size;
        Ok(self)
    }

    /// Runs all files through the network and passes the features of each batch to `take`, in the order of the folder: row
    /// `i` of all belongs to image `i`.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] or [`Error::Image`] if a file cannot be read, [`Error::ImageFeature`] for NaN or infinity, the
    /// errors of [`FeatureNet::features`], and those of `take`.
    pub fn each_batch(
        &self,
        folder: &ImageFolder,
        mut take: impl FnMut(FeatureSet) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let resize = self.network.host_resize();
        let mut chunks = folder.files().chunks(self.batch_size);
        let mut ready = chunks.next().map(|files| (files, read(files, resize)));
        while let Some((files, pictures)) = ready {
            let pictures = pictures?;
            let (batches, next) = std::thread::scope(|scope| {
                let next = chunks
                    .next()
                    .map(|files| (files, scope.spawn(move || read(files, resize))));
                let batches = self.features_of_all(&pictures, files);
                let next = next.map(|(files, reader)| {
                    let pictures = reader
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                    (files, pictures)
                });
                (batches, next)
            });
            for batch in batches? {
                take(batch)?;
            }
            ready = next;
        }
        Ok(())
    }

    /// Features of a batch. Neighbouring pictures of the same size share a tensor.
    fn features_of_all(
        &self,
        pictures: &[Picture],
        files: &[PathBuf],
    ) -> Result<Vec<FeatureSet>, Error> {
        let size = |picture: &Picture| (picture.height(), picture.width());
        let mut start = 0;
        pictures
            .chunk_by(|a, b| size(a) == size(b))
            .map(|group| {
                let own = &files[start..start + group.len()];
                start += group.len();
                self.features_of(group, own)
            })
            .collect()
    }

    fn features_of(&self, pictures: &[Picture], files: &[PathBuf]) -> Result<FeatureSet, Error> {
        let (height, width) = pictures.first().map_or((0, 0), |p| (p.height(), p.width()));
        let batch = to_batch(pictures, height, width, self.device);
        FeatureSet::from_tensor(self.network.features(batch)?).map_err(|error| match error {
            Error::FeatureValue { row, column, value } if row < files.len() => {
                Error::ImageFeature {
                    path: files[row].clone(),
                    column,
                    value,
                }
            }
            other => other,
        })
    }

    /// All features of a folder, `4 · width` bytes for each image, for [`kernel_distance`](crate::kernel_distance) and
    /// [`manifold_metrics`](crate::distances::manifold_metrics). `progress` is called with the number of images done.
    ///
    /// # Errors
    ///
    /// As [`each_batch`](Self::each_batch).
    pub fn features(
        &self,
        folder: &ImageFolder,
        mut progress: impl FnMut(usize),
    ) -> Result<FeatureSet, Error> {
        let mut all: Option<FeatureSet> = None;
        self.each_batch(folder, |batch| {
            match &mut all {
                Some(all) => all.extend(&batch)?,
                None => all = Some(batch),
            }
            progress(all.as_ref().map_or(0, FeatureSet::len));
            Ok(())
        })?;
        all.ok_or_else(|| Error::EmptyFolder {
            path: folder.root().to_path_buf(),
        })
    }

    /// Mean and covariance of a folder's features, whose memory does not grow with the number of images. `progress` is
    /// called with the number of images done.
    ///
    /// # Errors
    ///
    /// Returns [`Error::FewImages`] for a single image, and the errors of [`each_batch`](Self::each_batch).
    pub fn statistics(
        &self,
        folder: &ImageFolder,
        mut progress: impl FnMut(usize),
    ) -> Result<FeatureStatistics, Error> {
        if folder.files().len() < 2 {
            return Err(Error::FewImages {
                path: folder.root().to_path_buf(),
                found: folder.files().len(),
                minimum: 2,
            });
        }
        let mut accumulator = StatisticsAccumulator::new(self.network.width())?;
        self.each_batch(folder, |batch| {
            accumulator.add(&batch)?;
            progress(accumulator.images());
            Ok(())
        })?;
        accumulator.finish()
    }

    /// Fréchet distance between two folders; on InceptionV3 in its clean mode that is Clean-FID.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`statistics`](Self::statistics), and [`Error::NoConvergence`] if a decomposition fails.
    pub fn frechet(&self, first: &ImageFolder, second: &ImageFolder) -> Result<f64, Error> {
        let reference = self.statistics(second, |_| ())?;
        self.frechet_to(first, &reference)
    }

    /// Fréchet distance between a folder and statistics, which come from another folder or from a file.
    ///
    /// # Errors
    ///
    /// Returns [`Error::WidthMismatch`], before any image is read, if the statistics were made with another network;
    /// otherwise the errors of [`frechet`](Self::frechet).
    pub fn frechet_to(
        &self,
        folder: &ImageFolder,
        reference: &FeatureStatistics,
    ) -> Result<f64, Error> {
        if self.network.width() != reference.width() {
            return Err(Error::WidthMismatch {
                left: self.network.width(),
                right: reference.width(),
            });
        }
        let own = self.statistics(folder, |_| ())?;
        FrechetReference::from_statistics(&own)?
            .distance_to(&FrechetReference::from_statistics(reference)?)
    }
}

/// Decodes and resizes on rayon's threads.
fn read(files: &[PathBuf], resize: Option<HostResize>) -> Result<Vec<Picture>, Error> {
    files
        .par_iter()
        .map(|file| {
            let picture = Picture::open(file)?;
            match &resize {
                Some(resize) => resize.apply(&picture),
                None => Ok(picture),
            }
        })
        .collect()
}
