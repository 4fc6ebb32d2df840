//! Shares of an image that threads work on.

use std::cell::Cell;
use std::ops::Range;

/// Pixels of a share: a matrix product of this many columns runs at full speed, and what it reads
/// and writes fits a core's cache.
const PIXELS: usize = 256;

/// Values of a matrix of gathered pixels: half of a core's cache of 1 MB.
pub(super) const GATHERED: usize = 128 * 1024;

/// An image's rows in shares.
#[derive(Clone, Copy)]
pub(super) struct Shares {
    height: usize,
    rows: usize,
}

impl Shares {
    /// Of images whose rows are computed in groups of `step`, each group at once for every
    /// `step`-th column.
    pub(super) fn new([height, width]: [usize; 2], step: usize) -> Self {
        let groups = PIXELS / width.div_ceil(step).max(1);
        Self {
            height,
            rows: (groups.max(1) * step).min(height.next_multiple_of(step)),
        }
    }

    /// Of `rows` each, computed row by row.
    pub(super) fn of_rows(height: usize, rows: usize) -> Self {
        Self {
            height,
            rows: rows.min(height),
        }
    }

    pub(super) fn count(self) -> usize {
        self.height.div_ceil(self.rows)
    }

    /// Rows of share `index` of an image.
    pub(super) fn rows(self, index: usize) -> Range<usize> {
        let start = index * self.rows;
        start..(start + self.rows).min(self.height)
    }

    /// The shares of a batch's images in their order, each the pixels of all `channels`.
    pub(super) fn split(
        self,
        values: &mut [f32],
        channels: usize,
        [height, width]: [usize; 2],
    ) -> Vec<Vec<&mut [f32]>> {
        let mut shares = Vec::new();
        for image in values.chunks_exact_mut(channels * height * width) {
            let first = shares.len();
            shares.extend((0..self.count()).map(|_| Vec::with_capacity(channels)));
            for channel in image.chunks_exact_mut(height * width) {
                let parts = channel.chunks_mut(self.rows * width);
                for (share, part) in shares[first..].iter_mut().zip(parts) {
                    share.push(part);
                }
            }
        }
        shares
    }
}

/// Runs `work` with a buffer of at least `length` that the thread keeps; its values are anything.
pub(super) fn with_buffer<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static BUFFER: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    }
    // Work that runs inside of other work finds none and makes its own.
    let mut buffer = BUFFER.take();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    BUFFER.set(buffer);
    result
}
