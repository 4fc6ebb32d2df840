//! Photos, and what the fake servers make of them.

use image::{Rgb, RgbImage};

use crate::gzip::crc32;

pub fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 3) as u8, (y * 5) as u8, (x ^ y) as u8])
    })
}

pub fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// What the fake servers do to an image: they invert it and put the seed into the first pixel.
pub fn fake_edit(bytes: &[u8], seed: u64) -> RgbImage {
    let mut image = image::load_from_memory(bytes).unwrap().into_rgb8();
    image::imageops::invert(&mut image);
    image.put_pixel(
        0,
        0,
        Rgb([seed as u8, (seed >> 8) as u8, (seed >> 16) as u8]),
    );
    image
}

/// A PNG whose header is intact and announces this size; no pixels follow.
pub fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    let crc = crc32(&bytes[12..]);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}
