//! Pairs of images as tensors.

use burn::tensor::{Device, Int, Tensor, TensorData};
use image::RgbImage;

use crate::Error;

/// Photos and their edited versions, on a device, in −1..1.
#[derive(Debug, Clone)]
pub struct PairSet {
    /// `[N, 3, S, S]`; as many as there are targets.
    pub photos: Tensor<4>,
    /// `[N, 3, S, S]`, in the same order.
    pub targets: Tensor<4>,
}

impl PairSet {
    /// Pairs of S×S images.
    ///
    /// # Errors
    /// Returns [`Error::PairSize`] for an image of another size, and [`Error::NoPairs`] for an empty list.
    pub fn new(
        pairs: &[(RgbImage, RgbImage)],
        size: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        let photos: Vec<&RgbImage> = pairs.iter().map(|pair| &pair.0).collect();
        let targets: Vec<&RgbImage> = pairs.iter().map(|pair| &pair.1).collect();
        Ok(Self {
            photos: images_to_tensor(&photos, size, device)?,
            targets: images_to_tensor(&targets, size, device)?,
        })
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.photos.dims()[0]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs at `indices`, in that order.
    ///
    /// # Panics
    /// Panics if there is no photo or no target at one of them.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let count = self.len().min(self.targets.dims()[0]);
        assert!(
            indices.iter().all(|&i| i < count),
            "pairs {indices:?} of {count}"
        );
        let ints: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        let index = Tensor::<1, Int>::from_data(
            TensorData::new(ints, [indices.len()]),
            &self.photos.device(),
        );
        let pick = |t: &Tensor<4>| t.clone().select(0, index.clone());
        Self {
            photos: pick(&self.photos),
            targets: pick(&self.targets),
        }
    }

    /// The same pairs for a computation that is differentiated, in which they are constants.
    #[must_use]
    pub fn autodiff(self) -> Self {
        Self {
            photos: self.photos.autodiff(),
            targets: self.targets.autodiff(),
        }
    }
}

/// sRGB images to `[N, 3, S, S]` in −1..1.
///
/// # Errors
/// Returns [`Error::PairSize`] for an image of another size, and [`Error::NoPairs`] for an empty list.
pub fn images_to_tensor(
    images: &[&RgbImage],
    size: usize,
    device: &Device,
) -> Result<Tensor<4>, Error> {
    if images.is_empty() {
        return Err(Error::NoPairs {
            what: "image",
            needed: 1,
        });
    }
    let plane = size * size;
    let mut data = vec![0.0f32; images.len() * 3 * plane];
    for (index, (image, out)) in images.iter().zip(data.chunks_mut(3 * plane)).enumerate() {
        let (width, height) = image.dimensions();
        if width as usize != size || height as usize != size {
            return Err(Error::PairSize {
                index,
                width,
                height,
                size,
            });
        }
        write_planes(image, out);
    }
    let shape = [images.len(), 3, size, size];
    Ok(Tensor::from_data(TensorData::new(data, shape), device))
}

/// One sRGB image of any size as `[1, 3, H, W]` in −1..1.
pub fn image_to_tensor(image: &RgbImage, device: &Device) -> Tensor<4> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut data = vec![0.0f32; 3 * width * height];
    write_planes(image, &mut data);
    Tensor::from_data(TensorData::new(data, [1, 3, height, width]), device)
}

/// The channels one after another, in −1..1.
fn write_planes(image: &RgbImage, out: &mut [f32]) {
    let plane = out.len() / 3;
    for (i, pixel) in image.pixels().enumerate() {
        for (channel, value) in pixel.0.iter().enumerate() {
            out[channel * plane + i] = f32::from(*value) / 127.5 - 1.0;
        }
    }
}

/// `[N, 3, H, W]` in −1..1 to sRGB images, rounded and clamped; a NaN becomes 0.
///
/// # Panics
/// Panics if the images do not have three channels.
pub fn tensor_to_images(images: Tensor<4>) -> Vec<RgbImage> {
    let [n, channels, height, width] = images.dims();
    assert_eq!(
        channels, 3,
        "images of {channels} channels; expected [N, 3, H, W]"
    );
    let plane = height * width;
    let data: Vec<f32> = images
        .without_autodiff()
        .into_data()
        .iter::<f32>()
        .collect();
    (0..n)
        .map(|i| {
            let image = &data[i * 3 * plane..(i + 1) * 3 * plane];
            RgbImage::from_fn(width as u32, height as u32, |x, y| {
                let at = y as usize * width + x as usize;
                image::Rgb([0, 1, 2].map(|c| {
                    ((image[c * plane + at] + 1.0) * 127.5)
                        .round()
                        .clamp(0.0, 255.0) as u8
                }))
            })
        })
        .collect()
}
