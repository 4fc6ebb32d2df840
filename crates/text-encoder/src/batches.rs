//! Cuts prompts into batches of similar length.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::ThreadPoolBuilder;

use crate::Error;
use crate::tokens::TokenIds;

/// Prompts that go through a network at once, unless set with `with_batch`.
pub const DEFAULT_BATCH: usize = 32;

/// Prompts that go through a network at once.
pub(crate) struct Batch<'a> {
    pub(crate) prompts: Vec<&'a TokenIds>,
    /// L, tokens of the longest prompt.
    pub(crate) length: usize,
}

impl<'a> Batch<'a> {
    fn new(prompts: Vec<&'a TokenIds>) -> Self {
        let length = prompts.iter().map(|p| p.ids.len()).max().unwrap_or(0);
        Self { prompts, length }
    }

    /// `[B · L]`, row after row, padded with id 0.
    pub(crate) fn ids(&self) -> Vec<i64> {
        let mut ids = vec![0i64; self.prompts.len() * self.length];
        for (row, prompt) in ids.chunks_mut(self.length.max(1)).zip(&self.prompts) {
            for (slot, &id) in row.iter_mut().zip(&prompt.ids) {
                *slot = i64::from(id);
            }
        }
        ids
    }

    /// Tokens of each prompt.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.prompts.iter().map(|p| p.ids.len()).collect()
    }
}

/// Calls `forward` on batches of at most `batch` prompts and returns its results in the order of `prompts`.
///
/// Prompts are sorted by length first: a batch is padded to its longest prompt, and this way little padding is computed.
/// As many batches as rayon has threads are computed at the same time, each on one thread: the matrix products of short
/// prompts are too small to share, and much of the rest runs on one thread on CPU backends anyway.
pub(crate) fn run<T: Send>(
    prompts: &[TokenIds],
    batch: usize,
    forward: impl Fn(Batch<'_>) -> Result<Vec<T>, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    // The longest first, so that no thread waits for a long batch at the end.
    order.sort_by_key(|&i| std::cmp::Reverse(prompts[i].ids.len()));
    let batches: Vec<&[usize]> = order.chunks(batch.max(1)).collect();
    let one = |chunk: &[usize]| -> Result<Vec<(usize, T)>, Error> {
        let inputs = Batch::new(chunk.iter().map(|&i| &prompts[i]).collect());
        Ok(chunk.iter().copied().zip(forward(inputs)?).collect())
    };
    let threads = rayon::current_num_threads().min(batches.len());
    let next = AtomicUsize::new(0);
    let work = &|| -> Result<Vec<(usize, T)>, Error> {
        let mut results = Vec::new();
        while let Some(chunk) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            results.extend(one(chunk)?);
        }
        Ok(results)
    };
    let results = if threads > 1 {
        std::thread::scope(|scope| {
            let alone = || {
                // Keeps the backend from sharing work among rayon's threads. Without this pool, it is only slower.
                match ThreadPoolBuilder::new().num_threads(1).build() {
                    Ok(pool) => pool.install(work),
                    Err(_) => work(),
                }
            };
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(alone)).collect();
            let results = threads.into_iter().map(|thread| match thread.join() {
                Ok(results) => results,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            results.collect::<Result<Vec<_>, Error>>()
        })?
    } else {
        vec![work()?]
    };
    let mut results: Vec<(usize, T)> = results.into_iter().flatten().collect();
    results.sort_by_key(|&(i, _)| i);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn prompt(length: usize) -> TokenIds {
        TokenIds {
            ids: (1..=length as u32).collect(),
            truncated: false,
        }
    }

    #[test]
    fn results_come_back_in_the_order_of_the_prompts() {
        let prompts: Vec<TokenIds> = [5, 2, 9, 1, 7].into_iter().map(prompt).collect();
        let batches = Mutex::new(Vec::new());
        let lengths = run(&prompts, 2, |batch| {
            batches.lock().unwrap().push(batch.length);
            Ok(batch.lengths())
        });
        assert_eq!(lengths.unwrap(), [5, 2, 9, 1, 7]);
        let mut batches = batches.into_inner().unwrap();
        batches.sort_unstable();
        assert_eq!(batches, [1, 5, 9]);
    }

    #[test]
    fn padding_is_zero_and_at_the_end() {
        let (a, b) = (prompt(1), prompt(3));
        let batch = Batch::new(vec![&a, &b]);
        assert_eq!(batch.ids(), [1, 0, 0, 1, 2, 3]);
        assert_eq!((batch.length, batch.lengths()), (3, vec![1, 3]));
    }
}
