//! Whether a server's image can be an edit of a photo.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use model_server_client::{ServerError, bad_reply, unusable};

/// An image is of one colour if no channel's standard deviation reaches this, of 255. Nothing can be seen in it then.
const FLAT: f64 = 1.0;
/// The standard deviation from which on a photo is known not to be of one colour.
const TEXTURED: f64 = 4.0;
/// How much a side may deviate from what was asked for. Servers round to multiples of 8 or, with 512 pixels, of 64.
const ROUNDING: f64 = 0.125;

/// The size at which a server was told to work.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) size: (u32, u32),
    /// Whether the image may be larger, because the server may enlarge it.
    pub(crate) enlarged: bool,
}

impl Asked {
    /// `size`, or more.
    pub(crate) fn at_least(size: (u32, u32)) -> Self {
        Self {
            size,
            enlarged: true,
        }
    }
}

/// `image` at the size of `photo`.
///
/// An image in one colour is refused if the photo is not in one colour, too: content filters answer with black, and so do
/// models that compute NaN. Another attempt may bring a better one. An image of another shape, or smaller than what was
/// asked for, is refused as well, and would come again; a larger one is scaled down if the server may enlarge, and is a
/// grid of several images otherwise.
pub(crate) fn accept(
    image: RgbImage,
    photo: &RgbImage,
    asked: Asked,
) -> Result<RgbImage, ServerError> {
    check_size(image.dimensions(), photo.dimensions(), asked)?;
    if let Some(colour) = only_colour(&image, photo) {
        return Err(bad_reply(format!(
            "the image is of one colour ({colour}), which is no edit of the photo: a content filter blackened it, or the \
             model computed NaN (half precision; for AUTOMATIC1111 see --no-half-vae)"
        )));
    }
    if image.dimensions() == photo.dimensions() {
        return Ok(image);
    }
    let (width, height) = photo.dimensions();
    Ok(imageops::resize(
        &image,
        width,
        height,
        FilterType::Lanczos3,
    ))
}

/// The colour of an image in one colour, if `photo` is not in one colour, too: `#000000`.
pub(crate) fn only_colour(image: &RgbImage, photo: &RgbImage) -> Option<String> {
    if spread(image) >= FLAT || spread(photo) < TEXTURED {
        return None;
    }
    let [red, green, blue] = mean(image).map(|value| value.round() as u8);
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}

fn check_size(
    (width, height): (u32, u32),
    photo: (u32, u32),
    asked: Asked,
) -> Result<(), ServerError> {
    let part = |a: u32, b: u32| f64::from(a) / f64::from(b.max(1));
    let shape = part(width, height) / part(photo.0, photo.1);
    if !(1.0 - ROUNDING..=1.0 / (1.0 - ROUNDING)).contains(&shape) {
        return Err(unusable(format!(
            "the image is {width}x{height} pixels and has not the shape of the photo, {}x{}; it would be stretched",
            photo.0, photo.1
        )));
    }
    let scale = part(width, asked.size.0).min(part(height, asked.size.1));
    let (w, h) = asked.size;
    if scale < 1.0 - ROUNDING {
        return Err(unusable(format!(
            "the image is {width}x{height} pixels, although {w}x{h} were asked for; it would be blurred. Set the \
             editor's \"side\" to what the server works at"
        )));
    }
    if scale > 1.0 / (1.0 - ROUNDING) && !asked.enlarged {
        return Err(unusable(format!(
            "the image is {width}x{height} pixels, although {w}x{h} were asked for; is it a grid of several images? \
             Switch the grid off at the server, and ask for one image (n_iter and batch_size 1)"
        )));
    }
    Ok(())
}

/// The mean of each channel.
fn mean(image: &RgbImage) -> [f64; 3] {
    let count = f64::from(image.width()) * f64::from(image.height());
    let mut sums = [0.0; 3];
    for Rgb(pixel) in image.pixels() {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += f64::from(*value);
        }
    }
    sums.map(|sum| sum / count.max(1.0))
}

/// The largest of the channels' standard deviations.
fn spread(image: &RgbImage) -> f64 {
    let count = f64::from(image.width()) * f64::from(image.height());
    let mean = mean(image);
    let mut squares = [0.0; 3];
    for Rgb(pixel) in image.pixels() {
        for ((square, value), mean) in squares.iter_mut().zip(pixel).zip(mean) {
            *square += (f64::from(*value) - mean).powi(2);
        }
    }
    squares.into_iter().fold(0.0, f64::max).sqrt() / count.max(1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 3) as u8, (y * 3) as u8, 80])
        })
    }

    #[test]
    fn one_colour_is_no_edit_of_a_photo_with_several() {
        let asked = Asked::at_least((64, 64));
        for colour in [[0; 3], [255; 3], [128, 64, 3]] {
            let mut flat = RgbImage::from_pixel(64, 64, Rgb(colour));
            // A few pixels make no picture.
            flat.put_pixel(3, 3, Rgb(colour.map(|value| value ^ 16)));
            let error = accept(flat.clone(), &photo(64, 64), asked).unwrap_err();
            assert!(
                error.to_string().contains("one colour") && error.is_transient(),
                "{error}"
            );
            // A photo of one colour has edits of one colour.
            let grey = RgbImage::from_pixel(64, 64, Rgb([90; 3]));
            assert_eq!(accept(flat.clone(), &grey, asked).unwrap(), flat);
        }
        // Fog: hardly any contrast, but a picture.
        let fog = RgbImage::from_fn(64, 64, |x, _| Rgb([200 + (x / 8) as u8; 3]));
        assert_eq!(accept(fog.clone(), &photo(64, 64), asked).unwrap(), fog);
    }

    #[test]
    fn sizes_that_would_be_blurred_or_stretched_are_refused() {
        let fit = |image: (u32, u32), photo_size: (u32, u32), size| {
            accept(
                photo(image.0, image.1),
                &photo(photo_size.0, photo_size.1),
                Asked::at_least(size),
            )
        };
        for (image, size, working) in [
            ((64, 64), (64, 64), (64, 64)),
            // Rounded to multiples of 64.
            ((512, 640), (384, 510), (512, 680)),
            ((512, 704), (384, 510), (512, 680)),
            // Enlarged by the workflow.
            ((1024, 1024), (256, 256), (512, 512)),
        ] {
            assert_eq!(
                fit(image, size, working).unwrap().dimensions(),
                size,
                "{image:?}"
            );
        }
        let error = fit((32, 32), (64, 64), (64, 64)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("32x32") && text.contains("64x64") && text.contains("side"),
            "{text}"
        );
        assert!(!error.is_transient());
        // Not smaller than the photo, but smaller than what was asked for.
        assert!(fit((256, 256), (256, 256), (512, 512)).is_err());
        // A web UI does not enlarge.
        let exact = Asked {
            enlarged: false,
            ..Asked::at_least((64, 64))
        };
        assert!(accept(photo(72, 72), &photo(64, 64), exact).is_ok());
        let error = accept(photo(128, 128), &photo(64, 64), exact).unwrap_err();
        assert!(
            error.to_string().contains("grid") && !error.is_transient(),
            "{error}"
        );
        for image in [(512, 384), (640, 512), (512, 640)] {
            let error = fit(image, (256, 256), (512, 512)).unwrap_err();
            assert!(
                error.to_string().contains("shape") && !error.is_transient(),
                "{error}"
            );
        }
    }
}
