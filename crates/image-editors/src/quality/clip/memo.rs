use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use tensor_file::digest::Sha256;

use crate::Error;

/// Vectors that are kept: each photo is embedded for every editor and concept.
const CAPACITY: usize = 8192;

/// An embedding that remembers the vectors it gave.
pub(super) struct Memo<T: ?Sized, F> {
    embed: F,
    vectors: Mutex<HashMap<[u8; 32], Vec<f32>>>,
    of: PhantomData<fn(&T)>,
}

impl<T: ?Sized, F: Fn(&T) -> Result<Vec<f32>, Error>> Memo<T, F> {
    pub(super) fn new(embed: F) -> Self {
        Self {
            embed,
            vectors: Mutex::default(),
            of: PhantomData,
        }
    }

    /// The vector of `value`, whose content is `key`.
    pub(super) fn get(&self, key: &[&[u8]], value: &T) -> Result<Vec<f32>, Error> {
        let mut digest = Sha256::new();
        key.iter().for_each(|part| digest.update(part));
        let key = digest.finish();
        let vectors = || self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vector) = vectors().get(&key) {
            return Ok(vector.clone());
        }
        let vector = (self.embed)(value)?;
        let mut vectors = vectors();
        if vectors.len() >= CAPACITY {
            vectors.clear();
        }
        vectors.insert(key, vector.clone());
        Ok(vector)
    }
}
