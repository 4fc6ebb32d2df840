//! The sinusoidal encoding of a block's index.

use crate::Error;

/// Eq. 2: entry 2i is `sin(n / 10000^(2i/d))`, entry 2i+1 the cosine of the same angle, for
/// `d = width` entries.
///
/// # Errors
/// Returns [`Error::EncodingWidth`] for an odd width or zero.
///
/// ```
/// let code = weight_blocks::sinusoidal_encoding(0, 4)?;
/// assert_eq!(code, [0.0, 1.0, 0.0, 1.0]);
/// # Ok::<(), weight_blocks::Error>(())
/// ```
pub fn sinusoidal_encoding(n: usize, width: usize) -> Result<Vec<f32>, Error> {
    if width == 0 || !width.is_multiple_of(2) {
        return Err(Error::EncodingWidth { width });
    }
    let mut code = Vec::with_capacity(width);
    for even in (0..width).step_by(2) {
        let angle = n as f64 / 10_000f64.powf(even as f64 / width as f64);
        code.push(angle.sin() as f32);
        code.push(angle.cos() as f32);
    }
    Ok(code)
}
