//! Padding by reflection.

use burn::tensor::Tensor;
use burn::tensor::ops::PadMode;

/// `[B, C, H, W]` → `[B, C, H + 2·padding, W + 2·padding]`, the edges mirrored without being repeated.
///
/// Composed: Burn's `pad` with `PadMode::Reflect`.
///
/// # Panics
/// Panics if `padding` is not below H and W, as `pad` does.
pub fn reflect_pad2d(x: Tensor<4>, padding: usize) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = kernel::run(&x, padding) {
        return y;
    }
    x.pad((padding, padding, padding, padding), PadMode::Reflect)
}

#[cfg(feature = "flex")]
mod kernel {
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    use crate::kernel::{Dense, Input, Kernel, Slot, Unary, apply, vectorized};

    #[derive(Clone, Debug)]
    struct ReflectPad {
        dims: [usize; 4],
        padding: usize,
    }

    pub(super) fn run(x: &Tensor<4>, padding: usize) -> Option<Tensor<4>> {
        let dims = x.dims();
        if dims.contains(&0) || padding >= dims[2].min(dims[3]) {
            return None;
        }
        apply(ReflectPad { dims, padding }, Unary { x: Input::of(x) })
    }

    impl ReflectPad {
        fn padded(&self) -> [usize; 4] {
            let [batch, channels, height, width] = self.dims;
            let more = 2 * self.padding;
            [batch, channels, height + more, width + more]
        }

        /// Where a padded row or column comes from.
        fn source(&self, at: usize, size: usize) -> usize {
            match at.checked_sub(self.padding) {
                None => self.padding - at,
                Some(inside) if inside < size => inside,
                Some(beyond) => 2 * (size - 1) - beyond,
            }
        }
    }

    impl Kernel for ReflectPad {
        type Inputs<T: Slot> = Unary<T>;
        type Kept = ();

        fn map<T: Slot, U: Slot>(inputs: Unary<T>, f: impl FnMut(T) -> U) -> Unary<U> {
            inputs.map(f)
        }

        fn forward(&self, inputs: &Unary<Dense>) -> (Dense, ()) {
            let [_, _, height, width] = self.dims;
            let dims = self.padded();
            let [_, _, _, padded] = dims;
            let plane = dims[2] * padded;
            let p = self.padding;
            let mut y = vec![0.0; dims.iter().product()];
            let planes = y.par_chunks_exact_mut(plane);
            planes
                .zip(inputs.x.values().par_chunks_exact(height * width))
                .for_each(|(y, x)| {
                    for (row, y) in y.chunks_exact_mut(padded).enumerate() {
                        let x = &x[self.source(row, height) * width..][..width];
                        y[p..p + width].copy_from_slice(x);
                        for side in (0..p).chain(p + width..padded) {
                            y[side] = x[self.source(side, width)];
                        }
                    }
                });
            (Dense::new(y, &dims), ())
        }

        fn backward(
            &self,
            _inputs: &Unary<Dense>,
            _kept: &(),
            gradient: &Dense,
            wanted: &Unary<bool>,
        ) -> Unary<Option<Dense>> {
            if !wanted.x {
                return Unary { x: None };
            }
            let [_, _, height, width] = self.dims;
            let [_, _, tall, padded] = self.padded();
            let p = self.padding;
            let mut dx = vec![0.0; self.dims.iter().product()];
            let planes = dx.par_chunks_exact_mut(height * width);
            planes
                .zip(gradient.values().par_chunks_exact(tall * padded))
                .for_each(|(dx, dy)| {
                    for (row, dy) in dy.chunks_exact(padded).enumerate() {
                        let dx = &mut dx[self.source(row, height) * width..][..width];
                        vectorized(
                            #[inline(always)]
                            || {
                                for (dx, dy) in dx.iter_mut().zip(&dy[p..]) {
                                    *dx += dy;
                                }
                            },
                        );
                        for side in (0..p).chain(p + width..padded) {
                            dx[self.source(side, width)] += dy[side];
                        }
                    }
                });
            Unary {
                x: Some(Dense::new(dx, &self.dims)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compare;

    #[test]
    fn kernel_and_composition_agree() {
        for (dims, padding) in [([2, 3, 6, 5], 3), ([1, 2, 4, 9], 1), ([1, 1, 4, 4], 3)] {
            let layer = |kernel: bool| {
                move |t: &[Tensor<1>]| {
                    let x: Tensor<4> = t[0].clone().reshape(dims);
                    let y = if kernel {
                        reflect_pad2d(x, padding)
                    } else {
                        x.pad((padding, padding, padding, padding), PadMode::Reflect)
                    };
                    y.flatten::<1>(0, 3)
                }
            };
            let length = dims.iter().product();
            compare(&[length], &[true], layer(true), layer(false));
        }
    }
}
