//! Images as `image-files` reads them, for photos, pairs and replies of editors.
#![no_main]

use std::path::Path;

use concepts::images::encode_png;
use coverage_fuzzers::{Decoded, accepted, catching, check_image, mutate, written};
use image::RgbImage;
use image_files::{ImageLimits, decode_image};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// Small, so that many are decoded in a second.
const LIMITS: ImageLimits = ImageLimits {
    side: 1024,
    bytes: 2 << 20,
};

fn decode(data: &[u8]) -> Option<Decoded> {
    let image = accepted(decode_image(data, Path::new("image"), LIMITS))?;
    Some(Decoded {
        width: image.width() as usize,
        height: image.height() as usize,
        values: image.into_raw(),
    })
}

fn check(data: &[u8]) {
    let Some(image) = check_image(data, decode) else {
        return;
    };
    if image.values.len() > 1 << 14 {
        return;
    }
    let (width, height) = (image.width as u32, image.height as u32);
    let rgb = RgbImage::from_raw(width, height, image.values.clone()).expect("all values");
    let png = written(encode_png(&rgb, Path::new("image")));
    assert_eq!(decode(&png), Some(image));
}

fuzz_target!(|data: &[u8]| catching(|| check(data)));
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
