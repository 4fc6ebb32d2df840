//! Comparing pooled vectors on the host.

use crate::Error;

/// Cosine of the angle between two vectors, in [-1, 1]; 0 if one of them is zero. They need not be normalised.
///
/// # Errors
///
/// Returns [`Error::WidthMismatch`] for different lengths, and [`Error::NotFinite`] for NaN or infinite entries.
pub fn cosine_similarity(a: &[f32], b: &[f32]) -> Result<f32, Error> {
    if a.len() != b.len() {
        return Err(Error::WidthMismatch {
            left: a.len(),
            right: b.len(),
        });
    }
    let (mut dot, mut aa, mut bb) = (0f64, 0f64, 0f64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    if !(dot.is_finite() && aa.is_finite() && bb.is_finite()) {
        return Err(Error::NotFinite);
    }
    if aa == 0.0 || bb == 0.0 {
        return Ok(0.0);
    }
    Ok((dot / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0) as f32)
}

/// The candidate with the highest cosine to `query`: its index and that cosine. The first of equals wins.
///
/// # Errors
///
/// [`Error::NoCandidates`] when there are none, and those of [`cosine_similarity`].
pub fn nearest<V: AsRef<[f32]>>(query: &[f32], candidates: &[V]) -> Result<(usize, f32), Error> {
    let mut best: Option<(usize, f32)> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        let cosine = cosine_similarity(query, candidate.as_ref())?;
        if best.is_none_or(|(_, b)| cosine > b) {
            best = Some((index, cosine));
        }
    }
    best.ok_or(Error::NoCandidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_of_known_vectors() {
        assert!((cosine_similarity(&[3.0, 4.0], &[4.0, 3.0]).unwrap() - 0.96).abs() < 1e-6);
        assert_eq!(cosine_similarity(&[1.0, 0.0], &[-2.0, 0.0]).unwrap(), -1.0);
        assert_eq!(cosine_similarity(&[0.0, 0.0], &[1.0, 0.0]).unwrap(), 0.0);
    }

    #[test]
    fn cosine_refuses_what_cannot_be_compared() {
        assert!(matches!(
            cosine_similarity(&[1.0], &[1.0, 2.0]),
            Err(Error::WidthMismatch { left: 1, right: 2 })
        ));
        assert!(matches!(
            cosine_similarity(&[f32::NAN], &[1.0]),
            Err(Error::NotFinite)
        ));
    }

    #[test]
    fn nearest_takes_the_first_of_equals() {
        let candidates = [vec![0.0, 1.0], vec![2.0, 0.0], vec![1.0, 0.0]];
        assert_eq!(nearest(&[1.0, 0.0], &candidates).unwrap(), (1, 1.0));
        assert!(matches!(
            nearest::<Vec<f32>>(&[1.0], &[]),
            Err(Error::NoCandidates)
        ));
    }
}
