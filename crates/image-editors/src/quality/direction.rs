use image::RgbImage;

use super::QualityScore;
use crate::Error;

/// CLIP's image–text direction: the cosine between E_I(edited) − E_I(photo) and E_T(prompt) − E_T(neutral), as
/// StyleGAN-NADA's directional loss and InstructPix2Pix's data filter use it. From −1 to 1.
///
/// `image` and `text` embed into one space; the feature `clip` adds `ClipScore`, which reads both towers of CLIP from a
/// folder.
///
/// ```
/// use image_editors::quality::{Direction, QualityScore};
/// use image::{Rgb, RgbImage};
///
/// // Toy towers: the colour of a pixel, and the colour that a word names.
/// let image = |photo: &RgbImage| Ok(photo.get_pixel(0, 0).0.map(f32::from).to_vec());
/// let text = |prompt: &str| Ok(if prompt.contains("red") { vec![255.0, 0.0, 0.0] } else { vec![0.0; 3] });
/// let score = Direction::new(image, text, "a photo");
///
/// let photo = RgbImage::from_pixel(4, 4, Rgb([10, 10, 10]));
/// let redder = RgbImage::from_pixel(4, 4, Rgb([200, 10, 10]));
/// let bluer = RgbImage::from_pixel(4, 4, Rgb([10, 10, 200]));
/// assert!((score.score(&photo, &redder, "red photo")? - 1.0).abs() < 1e-6);
/// assert!(score.score(&photo, &bluer, "red photo")? < 0.1);
/// # Ok::<(), image_editors::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Direction<I, T> {
    image: I,
    text: T,
    neutral: String,
}

impl<I, T> Direction<I, T>
where
    I: Fn(&RgbImage) -> Result<Vec<f32>, Error>,
    T: Fn(&str) -> Result<Vec<f32>, Error>,
{
    /// `neutral` is the text for unedited photos: "a photo of a person".
    pub fn new(image: I, text: T, neutral: &str) -> Self {
        Self {
            image,
            text,
            neutral: neutral.to_owned(),
        }
    }
}

impl<I, T> QualityScore for Direction<I, T>
where
    I: Fn(&RgbImage) -> Result<Vec<f32>, Error>,
    T: Fn(&str) -> Result<Vec<f32>, Error>,
{
    fn name(&self) -> &str {
        "direction"
    }

    /// 0 if the edit, or the prompt, changes nothing.
    ///
    /// # Errors
    /// Returns the errors of the embeddings, and [`Error::EmbeddingLength`] if their lengths differ.
    fn score(&self, photo: &RgbImage, edited: &RgbImage, prompt: &str) -> Result<f64, Error> {
        let change = difference(&(self.image)(edited)?, &(self.image)(photo)?)?;
        let wanted = difference(&(self.text)(prompt)?, &(self.text)(&self.neutral)?)?;
        let product = dot(&change, &wanted)?;
        let norms = (dot(&change, &change)? * dot(&wanted, &wanted)?).sqrt();
        Ok(if norms > 0.0 { product / norms } else { 0.0 })
    }
}

fn difference(a: &[f32], b: &[f32]) -> Result<Vec<f64>, Error> {
    same_length(a.len(), b.len())?;
    Ok(a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) - f64::from(*b))
        .collect())
}

fn dot(a: &[f64], b: &[f64]) -> Result<f64, Error> {
    same_length(a.len(), b.len())?;
    Ok(a.iter().zip(b).map(|(a, b)| a * b).sum())
}

fn same_length(a: usize, b: usize) -> Result<(), Error> {
    if a == b {
        return Ok(());
    }
    Err(Error::EmbeddingLength { left: a, right: b })
}
