//! Cutting many prompts into batches of similar length.

use crate::Error;
use crate::tokens::TokenIds;

/// Prompts that go through a network at once unless `with_batch` says otherwise.
pub const DEFAULT_BATCH: usize = 32;

/// Calls `forward` on batches of at most `batch` prompts and returns its results in the order of `prompts`.
///
/// Sorted by length first: a batch is padded to its longest prompt, so that few tokens of padding are computed.
pub(crate) fn run<T>(
    prompts: &[TokenIds],
    batch: usize,
    mut forward: impl FnMut(&[&TokenIds]) -> Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&i| prompts[i].ids.len());
    let mut results = Vec::with_capacity(prompts.len());
    for chunk in order.chunks(batch.max(1)) {
        let inputs: Vec<&TokenIds> = chunk.iter().map(|&i| &prompts[i]).collect();
        results.extend(chunk.iter().copied().zip(forward(&inputs)?));
    }
    results.sort_by_key(|&(i, _)| i);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Ids of a batch, row after row, padded with id 0 to the longest prompt; and that length.
pub(crate) fn padded(prompts: &[&TokenIds]) -> (Vec<i64>, usize) {
    let length = prompts.iter().map(|p| p.ids.len()).max().unwrap_or(0);
    let mut ids = vec![0i64; prompts.len() * length];
    for (row, prompt) in ids.chunks_mut(length.max(1)).zip(prompts) {
        for (slot, &id) in row.iter_mut().zip(&prompt.ids) {
            *slot = i64::from(id);
        }
    }
    (ids, length)
}

#[cfg(test)]
mod tests {
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
        let mut batches = Vec::new();
        let lengths = run(&prompts, 2, |inputs| {
            batches.push(inputs.len());
            Ok(inputs.iter().map(|p| p.ids.len()).collect())
        });
        assert_eq!(lengths.unwrap(), [5, 2, 9, 1, 7]);
        assert_eq!(batches, [2, 2, 1]);
    }

    #[test]
    fn padding_is_zero_and_at_the_end() {
        let (a, b) = (prompt(1), prompt(3));
        assert_eq!(padded(&[&a, &b]), (vec![1, 0, 0, 1, 2, 3], 3));
    }
}
