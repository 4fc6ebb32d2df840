//! Colour profiles, against LittleCMS.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, RgbImage};
use image_files::{Error, ImageLimits, decode_image};

use crate::fixture;

fn read(bytes: &[u8]) -> Result<RgbImage, Error> {
    decode_image(bytes, Path::new("photo"), ImageLimits::default())
}

/// The file of `image`, with a profile if it has a name.
fn encode(mut encoder: impl ImageEncoder, profile: &str, image: &DynamicImage) {
    if !profile.is_empty() {
        encoder.set_icc_profile(fixture(profile)).unwrap();
    }
    let kind = ExtendedColorType::from(image.color());
    encoder
        .write_image(image.as_bytes(), image.width(), image.height(), kind)
        .unwrap();
}

fn png(profile: &str, image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(PngEncoder::new(&mut bytes), profile, &image.into());
    bytes
}

fn jpeg(profile: &str, image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(
        JpegEncoder::new_with_quality(&mut bytes, 95),
        profile,
        &image.into(),
    );
    bytes
}

fn webp(profile: &str, image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(
        WebPEncoder::new_lossless(&mut bytes),
        profile,
        &image.into(),
    );
    bytes
}

/// Colours in a profile, and what LittleCMS makes of them in sRGB.
fn colours(profile: &str) -> Vec<(Vec<u8>, [u8; 3])> {
    let all: serde_json::Value = serde_json::from_slice(&fixture("colours.json")).unwrap();
    serde_json::from_value(all[profile].clone()).unwrap()
}

fn close(found: [u8; 3], expected: [u8; 3], tolerance: u8) -> bool {
    found
        .iter()
        .zip(expected)
        .all(|(a, b)| a.abs_diff(b) <= tolerance)
}

#[test]
fn colours_are_converted_as_littlecms_converts_them() {
    for profile in ["display-p3", "adobe-rgb"] {
        let icc = format!("{profile}.icc");
        for (colour, expected) in colours(profile) {
            let [red, green, blue] = colour[..] else {
                panic!()
            };
            let image = RgbImage::from_pixel(16, 16, image::Rgb([red, green, blue]));
            for file in [png(&icc, image.clone()), webp(&icc, image.clone())] {
                let found = read(&file).unwrap().get_pixel(8, 8).0;
                assert!(
                    close(found, expected, 1),
                    "{profile} {colour:?}: {found:?}, not {expected:?}"
                );
            }
            // JPEG itself moves the colour a little.
            let found = read(&jpeg(&icc, image)).unwrap().get_pixel(8, 8).0;
            assert!(
                close(found, expected, 6),
                "{profile} {colour:?}: {found:?}, not {expected:?}"
            );
        }
    }
    for (grey, expected) in colours("grey") {
        let image = GrayImage::from_pixel(16, 16, image::Luma([grey[0]]));
        for file in [png("grey.icc", image.clone()), jpeg("grey.icc", image)] {
            let found = read(&file).unwrap().get_pixel(8, 8).0;
            assert!(
                close(found, expected, 2),
                "{grey:?}: {found:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn more_bits_and_transparency_are_converted_too() {
    // 216, 69, 17 by LittleCMS.
    let [red, green, blue] = [200u16, 80, 40];
    let wide =
        image::ImageBuffer::from_pixel(4, 4, image::Rgb([257 * red, 257 * green, 257 * blue]));
    let found = read(&png("display-p3.icc", wide))
        .unwrap()
        .get_pixel(0, 0)
        .0;
    assert!(close(found, [216, 69, 17], 1), "{found:?}");
    let veiled = image::RgbaImage::from_pixel(4, 4, image::Rgba([200, 80, 40, 128]));
    let found = read(&png("display-p3.icc", veiled))
        .unwrap()
        .get_pixel(0, 0)
        .0;
    // Half of the colour and half of white.
    assert!(close(found, [236, 162, 136], 1), "{found:?}");
}

#[test]
fn srgb_is_left_byte_for_byte() {
    let image = RgbImage::from_fn(64, 64, |x, y| {
        image::Rgb([(4 * x) as u8, (4 * y) as u8, (x * y) as u8])
    });
    assert!(read(&png("srgb.icc", image.clone())).unwrap() == image);
    assert!(read(&jpeg("srgb.icc", image.clone())).unwrap() == read(&jpeg("", image)).unwrap());
    // Grey images often have a profile for colours.
    let grey = GrayImage::from_fn(64, 4, |x, _| image::Luma([(4 * x) as u8]));
    let expected = DynamicImage::from(grey.clone()).into_rgb8();
    assert!(read(&png("srgb.icc", grey)).unwrap() == expected);
}

#[test]
fn profiles_that_cannot_be_used_are_named() {
    let image = RgbImage::from_pixel(8, 8, image::Rgb([9, 99, 199]));
    for (file, word) in [
        (jpeg("cmyk.icc", image.clone()), "CMYK"),
        (png("grey.icc", image.clone()), "grey"),
        (jpeg("colours.json", image), "nvalid"),
    ] {
        let error = read(&file).unwrap_err();
        assert!(matches!(error, Error::Profile { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("photo") && text.contains(word), "{text}");
    }
}
