//! Sizes of a convolution, and which of its input each output reads.

/// A convolution from the `large` side to the `small` one. A transposed convolution is its transpose,
/// from the small side to the large one.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    /// Channels of the large side.
    pub(super) large: usize,
    /// Channels of the small side.
    pub(super) small: usize,
    pub(super) large_size: [usize; 2],
    pub(super) small_size: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Geometry {
    /// The sizes of a convolution of `[B, c, H, W]` with `[f, c, kh, kw]`; none if a size would be zero.
    pub(super) fn down(
        [batch, large, height, width]: [usize; 4],
        [small, channels, kh, kw]: [usize; 4],
        stride: usize,
        padding: usize,
    ) -> Option<Self> {
        let output = |size: usize, k: usize| {
            let room = (size + 2 * padding).checked_sub(k)?;
            Some(room.checked_div(stride)? + 1)
        };
        let geometry = Self {
            batch,
            large,
            small,
            large_size: [height, width],
            small_size: [output(height, kh)?, output(width, kw)?],
            kernel: [kh, kw],
            stride,
            padding,
        };
        (channels == large && geometry.full()).then_some(geometry)
    }

    /// The sizes of a transposed convolution of `[B, f, H, W]` with `[f, c, kh, kw]`.
    pub(super) fn up(
        [batch, small, height, width]: [usize; 4],
        [channels, large, kh, kw]: [usize; 4],
        stride: usize,
        padding: usize,
        output_padding: usize,
    ) -> Option<Self> {
        let output = |size: usize, k: usize| {
            (size.checked_sub(1)? * stride + k + output_padding).checked_sub(2 * padding)
        };
        let geometry = Self {
            batch,
            large,
            small,
            large_size: [output(height, kh)?, output(width, kw)?],
            small_size: [height, width],
            kernel: [kh, kw],
            stride,
            padding,
        };
        (channels == small && stride > 0 && geometry.full()).then_some(geometry)
    }

    fn full(&self) -> bool {
        let sizes = [self.large_size, self.small_size, self.kernel];
        let channels = [self.batch, self.large, self.small];
        sizes.iter().flatten().chain(&channels).all(|n| *n > 0)
    }

    pub(super) fn large_dims(&self) -> [usize; 4] {
        let [height, width] = self.large_size;
        [self.batch, self.large, height, width]
    }

    pub(super) fn small_dims(&self) -> [usize; 4] {
        let [height, width] = self.small_size;
        [self.batch, self.small, height, width]
    }

    pub(super) fn large_pixels(&self) -> usize {
        self.large_size.iter().product()
    }

    pub(super) fn small_pixels(&self) -> usize {
        self.small_size.iter().product()
    }

    /// Values of the kernel per pair of channels.
    pub(super) fn area(&self) -> usize {
        self.kernel.iter().product()
    }

    /// What a pixel of the small side reads of the large one.
    pub(super) fn taps(&self) -> Taps {
        let offsets = |k: usize| (0..k as isize).map(|i| i - self.padding as isize).collect();
        Taps {
            step: self.stride,
            rows: offsets(self.kernel[0]),
            columns: offsets(self.kernel[1]),
        }
    }

    /// The pixels of the large side in `stride²` classes, by row and column modulo the stride. All pixels of a class are
    /// reached by the same entries of the kernel, so each class is a convolution of the small side with stride 1. With
    /// stride 2, a kernel of 4 × 4 and padding 1:
    ///
    /// ```text
    /// rows of the large side    read, by kernel row i, rows of the small side
    /// 2u                        i = 1: u        i = 3: u − 1
    /// 2u + 1                    i = 0: u + 1    i = 2: u
    /// ```
    pub(super) fn phases(&self) -> Vec<Phase> {
        let axis = |at: usize, k: usize| -> Vec<(usize, isize)> {
            let (stride, at) = (self.stride as isize, (at + self.padding) as isize);
            (0..k as isize)
                .filter(|i| (at - i) % stride == 0)
                .map(|i| (i as usize, (at - i) / stride))
                .collect()
        };
        let size = |at: usize, whole: usize| whole.saturating_sub(at).div_ceil(self.stride);
        let mut phases = Vec::with_capacity(self.stride * self.stride);
        for a in 0..self.stride {
            for b in 0..self.stride {
                let (rows, columns) = (axis(a, self.kernel[0]), axis(b, self.kernel[1]));
                let first = |taps: &[(usize, isize)]| taps.iter().map(|tap| tap.0).collect();
                let second = |taps: &[(usize, isize)]| taps.iter().map(|tap| tap.1).collect();
                phases.push(Phase {
                    at: [a, b],
                    size: [size(a, self.large_size[0]), size(b, self.large_size[1])],
                    kernel_rows: first(&rows),
                    kernel_columns: first(&columns),
                    taps: Taps {
                        step: 1,
                        rows: second(&rows),
                        columns: second(&columns),
                    },
                });
            }
        }
        phases
    }
}

/// Output pixel (u, v) reads input pixels (step·u + rows[i], step·v + columns[j]), zero outside.
#[derive(Clone, Debug)]
pub(super) struct Taps {
    pub(super) step: usize,
    pub(super) rows: Vec<isize>,
    pub(super) columns: Vec<isize>,
}

impl Taps {
    pub(super) fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// Every `stride`-th pixel of the large side, from `at` on.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub(super) at: [usize; 2],
    pub(super) size: [usize; 2],
    /// Rows and columns of the kernel that reach these pixels.
    pub(super) kernel_rows: Vec<usize>,
    pub(super) kernel_columns: Vec<usize>,
    /// Where in the small side they come from, in the same order.
    pub(super) taps: Taps,
}
