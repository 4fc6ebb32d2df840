//! The interface between images and distances.

use burn::tensor::{Device, Tensor};

use crate::Error;
use crate::images::HostResize;

/// A frozen network that describes an image by one vector.
///
/// A distance between features is a property of the network as much as of the images, so values carry the network's
/// [`name`](Self::name); only those on InceptionV3's features are a *Fréchet Inception Distance*.
pub trait FeatureNet {
    /// The network with every setting that changes its features, for example `efficientnet-lite0-128`.
    fn name(&self) -> &str;

    /// Entries of one feature vector.
    fn width(&self) -> usize;

    /// Features `[B, width]` of images `[B, 3, H, W]`, sRGB in 0..1 (not linear light, not -1..1).
    ///
    /// Resizing and normalisation are the network's own. The result carries no gradient.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ImageShape`] if the batch or a side is empty, or unless there are three channels.
    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, Error>;

    /// The resize that is applied to each image on the host, so that images of different sizes can share a batch. By
    /// default there is none: images are batched with neighbours of the same size, and the network resizes the batch.
    fn host_resize(&self) -> Option<HostResize> {
        None
    }

    /// The name of a metric on this network, under which its values should be reported: `metric_name("frechet")` is
    /// `frechet-efficientnet-lite0-128`.
    fn metric_name(&self, metric: &str) -> String {
        format!("{metric}-{}", self.name())
    }
}

/// A batch for a network on `device`, without gradients: checked, resized, and in parts of at most `chunk` images.
///
/// # Errors
///
/// Returns [`Error::ImageShape`] as [`FeatureNet::features`] promises.
pub(crate) fn parts(
    images: Tensor<4>,
    resize: Option<HostResize>,
    chunk: usize,
    device: &Device,
) -> Result<Vec<Tensor<4>>, Error> {
    let shape = images.dims();
    if shape[1] != 3 || shape.contains(&0) {
        return Err(Error::ImageShape {
            found: shape,
            expected: "[B, 3, H, W] with B, H and W of at least 1",
        });
    }
    let images = match resize {
        Some(resize) => resize.apply_batch(images.inner())?,
        None => images.inner(),
    };
    Ok(images.to_device(device).split(chunk, 0))
}
