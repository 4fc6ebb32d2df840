//! Files that end too early.

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, RgbImage};
use image_files::{Error, ImageLimits, decode_image};

use crate::fixture;

fn read(bytes: &[u8]) -> Result<RgbImage, Error> {
    decode_image(bytes, Path::new("photo"), ImageLimits::default())
}

fn png() -> Vec<u8> {
    let image = RgbImage::from_fn(40, 24, |x, y| {
        image::Rgb([(6 * x) as u8, (10 * y + x) as u8, (x * y) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An image that is read from a part of its file is the image of the whole file.
#[test]
fn a_prefix_is_the_same_image_or_an_error() {
    let mut files = vec![("rgb.png", png())];
    for name in [
        "sequential.jpg",
        "progressive.jpg",
        "restarts.jpg",
        "grey.jpg",
        "cmyk.jpg",
        "lossy.webp",
        "lossless.webp",
        "oriented.webp",
    ] {
        files.push((name, fixture(name)));
    }
    for (name, file) in files {
        let whole = read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut refused = 0;
        for length in 0..file.len() {
            match read(&file[..length]) {
                Ok(image) => assert!(image == whole, "{name}: other pixels from {length} bytes"),
                Err(error) => {
                    assert!(error.to_string().contains("photo"), "{error}");
                    refused += 1;
                }
            }
        }
        // A few bytes at the end may hold no pixels.
        assert!(refused + 20 > file.len(), "{name}: {refused} refused");
    }
}

#[test]
fn a_cut_file_says_so() {
    for name in ["sequential.jpg", "progressive.jpg", "lossy.webp"] {
        let file = fixture(name);
        let error = read(&file[..file.len() / 2]).unwrap_err();
        assert!(matches!(error, Error::Cut { .. }), "{name}: {error}");
        assert!(error.to_string().contains("cut short"), "{error}");
    }
}

/// Some programs close a file that they could not finish with an end marker.
#[test]
fn a_cut_jpeg_with_an_end_marker_is_refused() {
    for name in [
        "sequential.jpg",
        "progressive.jpg",
        "restarts.jpg",
        "grey.jpg",
        "cmyk.jpg",
    ] {
        let file = fixture(name);
        let whole = read(&file).unwrap();
        // Between two scans, a progressive file may end: it is then a coarser image, and complete.
        let cuts = if name == "progressive.jpg" {
            0
        } else {
            file.len()
        };
        for cut in 0..cuts {
            let closed = [&file[..cut], &[0xff, 0xd9]].concat();
            match read(&closed) {
                Ok(image) => assert!(image == whole, "{name}: other pixels from {cut} bytes"),
                Err(error) => assert!(error.to_string().contains("photo"), "{error}"),
            }
        }
        let closed = [&file[..file.len() * 4 / 5], &[0xff, 0xd9]].concat();
        assert!(matches!(read(&closed), Err(Error::Cut { .. })), "{name}");
    }
}

/// A marker in the middle of the data, as a damaged disk leaves it, used to leave the rest grey.
#[test]
fn a_marker_within_the_data_is_refused() {
    let mut file = fixture("sequential.jpg");
    let middle = file.len() - 150;
    file[middle..middle + 4].copy_from_slice(&[0xff, 0xc8, 0, 2]);
    let error = read(&file).unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
}

#[test]
fn orientation_and_grey_are_read() {
    // Turned by a quarter.
    let turned = read(&fixture("oriented.webp")).unwrap();
    assert_eq!(turned.dimensions(), (24, 40));
    let grey = read(&fixture("grey.jpg")).unwrap();
    assert!(grey.pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]));
    assert_eq!(grey.dimensions(), (40, 24));
}

/// The same pixels as the crate `image`.
#[test]
fn intact_jpegs_are_as_before() {
    for name in [
        "sequential.jpg",
        "progressive.jpg",
        "restarts.jpg",
        "grey.jpg",
        "cmyk.jpg",
    ] {
        let file = fixture(name);
        let before = image::load_from_memory(&file).unwrap().into_rgb8();
        assert!(read(&file).unwrap() == before, "{name}");
    }
}
