//! The seam between images and distances.

use burn::tensor::Tensor;

use crate::{Error, HostResize};

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
    /// [`Error::ImageShape`] if the batch or a side is empty, or there are not three channels.
    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, Error>;

    /// What is to be done with each image on the host before images of different size can share a batch. Without it
    /// (the default) images are batched with neighbours of their own size, and the network resizes the batch.
    fn host_resize(&self) -> Option<HostResize> {
        None
    }

    /// The name under which a value measured on this network is to be reported:
    /// `metric_name("frechet")` is `frechet-efficientnet-lite0-128`.
    fn metric_name(&self, metric: &str) -> String {
        format!("{metric}-{}", self.name())
    }
}
