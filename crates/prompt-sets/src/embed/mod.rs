//! Texts as vectors, and texts that mean the same.

#[cfg(feature = "http")]
mod client;

#[cfg(feature = "http")]
pub use client::EmbeddingClient;

use crate::Error;

/// Turns texts into vectors of one length: a text encoder's pooled output, or an embedding server.
///
/// A closure implements it: `&|texts: &[&str]| -> Result<Vec<Vec<f32>>, prompt_sets::Error> { ... }`.
pub trait TextEmbedder {
    /// One vector per text, in the same order.
    ///
    /// # Errors
    /// Returns [`Error::Embedder`] if a text cannot be embedded.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error>;
}

impl<F: Fn(&[&str]) -> Result<Vec<Vec<f32>>, Error>> TextEmbedder for F {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        self(texts)
    }
}

/// Two texts of a list that mean the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NearDuplicate {
    /// Index of the later text, which should be removed.
    pub(crate) index: usize,
    /// Index of the earlier text, which is kept.
    pub(crate) of: usize,
}

/// The texts whose vector has a cosine of at least `threshold` with that of an earlier text that is kept. The first of a
/// group is kept, so the order of `texts` expresses preference.
pub(crate) fn near_duplicates(
    texts: &[&str],
    embed: &dyn TextEmbedder,
    threshold: f32,
) -> Result<Vec<NearDuplicate>, Error> {
    let vectors = unit_vectors(embed, texts)?;
    let mut kept: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for index in 0..vectors.len() {
        let nearest = kept
            .iter()
            .map(|&of| (of, dot(&vectors[index], &vectors[of])))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        match nearest {
            Some((of, cosine)) if cosine >= threshold => {
                found.push(NearDuplicate { index, of });
            }
            _ => kept.push(index),
        }
    }
    Ok(found)
}

/// The texts' vectors scaled to length 1. A vector of zeros stays as it is.
pub(crate) fn unit_vectors(
    embed: &dyn TextEmbedder,
    texts: &[&str],
) -> Result<Vec<Vec<f32>>, Error> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let mut vectors = embed.embed(texts)?;
    if vectors.len() != texts.len() {
        return Err(Error::VectorCount {
            vectors: vectors.len(),
            texts: texts.len(),
        });
    }
    let first = vectors[0].len();
    for vector in &mut vectors {
        if vector.len() != first {
            return Err(Error::VectorLength {
                first,
                other: vector.len(),
            });
        }
        let norm = dot(vector, vector).sqrt();
        if !norm.is_finite() {
            return Err(Error::NonFiniteVector);
        }
        if norm > 0.0 {
            vector.iter_mut().for_each(|v| *v /= norm);
        }
    }
    Ok(vectors)
}

/// Sixteen sums at a time, which the compiler turns into vector instructions.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for i in 0..16 {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_group_is_kept() {
        let embed = |texts: &[&str]| {
            let vector = |text: &&str| match text.contains("oil") {
                true => vec![1.0, 0.1],
                false => vec![0.0, 1.0],
            };
            Ok(texts.iter().map(vector).collect())
        };
        let texts = ["oil painting", "sketch", "painting in oils"];
        let found = near_duplicates(&texts, &embed, 0.95).unwrap();
        assert_eq!(found, [NearDuplicate { index: 2, of: 0 }]);
    }
}
