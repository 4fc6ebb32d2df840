//! Shares of an image that threads work on.
//!
//! A share is some whole rows of an output image, in all its channels. One thread computes it from start to end:
//!
//! ```text
//!  input image                  gathered                       product               output image
//!  c channels                   about 256 pixels               the same pixels       f channels
//!  ┌───────────────────────┐    ┌───────────────────────┐      ┌────────────────┐    ┌─────────────────┐
//!  │                       │    │ channel 0, tap (0, 0) │      │ channel 0      │    │ share 0         │
//!  ├───────────────────────┤    │ channel 0, tap (0, 1) │      │ channel 1      │    ├─────────────────┤
//!  │ what share 1 reads:   │ ─▶ │ …                     │ ─W─▶ │ …              │ ─▶ │ share 1: + bias,│
//!  │ its own rows and the  │    │ channel 1, tap (0, 0) │      │ channel f − 1  │    │ activation      │
//!  │ kernel's reach beyond │    │ …                     │      └────────────────┘    ├─────────────────┤
//!  ├───────────────────────┤    └───────────────────────┘                            │ share 2         │
//!  │                       │    a block of channels, at                              ├─────────────────┤
//!  └───────────────────────┘    most 128 Ki values                                   │ …               │
//! ```
//!
//! Block after block of channels is gathered and its product added up. Gathered values and product live in a buffer of
//! the thread ([`with_buffer`]) and stay in its core's cache. Which rows a share has depends on the image's size only,
//! never on the number of threads, and neither does the order of any sum.
//!
//! A transposed convolution has one product for each phase of its output (`Geometry::phases`), and a share's rows are a
//! multiple of the stride. The products of the phases of one row are written to it in turns:
//!
//! ```text
//!  stride 2:  phase (0, 0)  a a a a      phase (0, 1)  b b b b      output row 2u      a b a b a b a b
//!             phase (1, 0)  c c c c      phase (1, 1)  d d d d      output row 2u + 1  c d c d c d c d
//! ```

use std::cell::Cell;
use std::ops::Range;

/// Pixels of a share: a matrix product of this many columns runs at full speed, and what it reads
/// and writes fits a core's cache.
const PIXELS: usize = 256;

/// Most values of a matrix of gathered pixels: 512 KiB, half of a core's second-level cache of 1 MiB.
pub(super) const GATHERED: usize = 128 * 1024;

/// An image's rows in shares.
#[derive(Clone, Copy)]
pub(super) struct Shares {
    height: usize,
    rows: usize,
}

impl Shares {
    /// Shares of images whose rows are computed in groups of `step`, each group at once for every
    /// `step`-th column.
    pub(super) fn new([height, width]: [usize; 2], step: usize) -> Self {
        let groups = PIXELS / width.div_ceil(step).max(1);
        Self {
            height,
            rows: (groups.max(1) * step).min(height.next_multiple_of(step)),
        }
    }

    /// Shares of `rows` each, computed row by row.
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

/// Runs `work` with a buffer of `length` values, which the thread keeps for the next call. They are not cleared.
pub(super) fn with_buffer<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static BUFFER: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    }
    // Rayon may run other work inside of this one, on the same thread: it finds no buffer and makes its own.
    let mut buffer = BUFFER.take();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    BUFFER.set(buffer);
    result
}
