//! What holds of any image that was accepted.

use std::io::Cursor;

use image::ImageReader;

/// A decoded image.
#[derive(Debug, PartialEq)]
pub struct Decoded {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values of red, green and blue, in the reader's order.
    pub values: Vec<u8>,
}

/// Decodes an image. If it is accepted, it has the size of its header, decodes to the same once more, and a part of the file
/// from its beginning has the same content or none.
///
/// # Panics
/// Panics if one of these does not hold.
pub fn check_image(data: &[u8], decode: impl Fn(&[u8]) -> Option<Decoded>) -> Option<Decoded> {
    let image = decode(data)?;
    assert_eq!(image.values.len(), 3 * image.width * image.height);
    let header = ImageReader::new(Cursor::new(data))
        .with_guessed_format()
        .ok()?;
    if let Ok((width, height)) = header.into_dimensions() {
        let (width, height) = (width as usize, height as usize);
        let upright = (image.width, image.height) == (width, height);
        // An orientation may exchange the sides.
        let turned = (image.width, image.height) == (height, width);
        assert!(
            upright || turned,
            "{} x {}, not {width} x {height}",
            image.width,
            image.height
        );
    }
    assert_eq!(
        decode(data).as_ref(),
        Some(&image),
        "another content the second time"
    );
    let cut = data.iter().fold(0usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let part = &data[..cut % data.len()];
    if let Some(other) = decode(part) {
        assert!(
            other == image,
            "another content of the first {} bytes",
            part.len()
        );
    }
    Some(image)
}
