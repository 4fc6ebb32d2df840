//! The kernels: each vector is read once and written once.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{Delta, Step};
use crate::kernel::{Dense, vectorized};

/// Values of a thread's share.
const SHARE: usize = 1 << 14;

/// A tensor of 32-bit floats on the CPU without autodiff.
fn plain<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    let fits = tensor.dtype() == DType::F32 && !tensor.is_autodiff();
    fits.then(|| tensor.clone().try_into_primitive::<Flex>().ok())?
}

/// The tensor itself, or a copy if it is a part of a larger one. Storage shared with another tensor is copied when it is
/// first written to.
fn writable(tensor: FlexTensor) -> FlexTensor {
    let length = tensor.layout().shape().num_elements();
    let whole = tensor.is_contiguous()
        && tensor.layout().start_offset() == 0
        && tensor.bytes().len() == length * size_of::<f32>();
    if whole {
        tensor
    } else {
        FlexTensor::from_data(tensor.into_data())
    }
}

type Done<const D: usize> = (Tensor<D>, [Tensor<D>; 2]);
type Inputs<const D: usize> = (Tensor<D>, Tensor<D>, [Tensor<D>; 2]);

pub(super) fn step<const D: usize>(
    step: &Step,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> Result<Done<D>, Box<Inputs<D>>> {
    let shape = weights.dims();
    let fitting = [&gradient, &moments[0], &moments[1]].map(|tensor| tensor.dims() == shape);
    let (Some(old), Some(slope), Some(first), Some(second), true) = (
        plain(&weights).map(Dense::of),
        plain(&gradient).map(Dense::of),
        plain(&moments[0]),
        plain(&moments[1]),
        fitting == [true; 3],
    ) else {
        return Err(Box::new((weights, gradient, moments)));
    };
    drop(moments);
    let (mut first, mut second) = (writable(first), writable(second));
    let mut new = vec![0.0; old.values().len()];
    (new.par_chunks_mut(SHARE))
        .zip(old.values().par_chunks(SHARE))
        .zip(slope.values().par_chunks(SHARE))
        .zip(first.storage_mut::<f32>().par_chunks_mut(SHARE))
        .zip(second.storage_mut::<f32>().par_chunks_mut(SHARE))
        .for_each(|((((new, old), slope), first), second)| {
            vectorized(
                #[inline(always)]
                || match step.delta {
                    Delta::AdamW {
                        correction_1,
                        correction_2,
                        epsilon,
                    } => update(step, new, old, slope, first, second, |m, v| {
                        (m / correction_1) / ((v / correction_2).sqrt() + epsilon)
                    }),
                    Delta::Adam { factor, epsilon } => {
                        update(step, new, old, slope, first, second, |m, v| {
                            m * factor / (v.sqrt() + epsilon)
                        })
                    }
                },
            );
        });
    Ok((
        Dense::new(new, &shape).into_tensor(),
        [first, second].map(Tensor::from_primitive::<Flex>),
    ))
}

#[inline(always)]
fn update(
    step: &Step,
    new: &mut [f32],
    old: &[f32],
    slope: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    delta: impl Fn(f32, f32) -> f32,
) {
    let [beta_1, beta_2] = step.betas;
    let (rest_1, rest_2) = (1.0 - beta_1, 1.0 - beta_2);
    let (keep, rate) = (step.keep as f32, step.learning_rate as f32);
    let count = new.len();
    let (old, slope) = (&old[..count], &slope[..count]);
    let (first, second) = (&mut first[..count], &mut second[..count]);
    for i in 0..count {
        let g = slope[i] * step.scale;
        let m = first[i] * beta_1 + g * rest_1;
        let v = second[i] * beta_2 + g * g * rest_2;
        first[i] = m;
        second[i] = v;
        new[i] = old[i] * keep - delta(m, v) * rate;
    }
}

pub(super) fn average(
    average: Tensor<1>,
    values: &Tensor<1>,
    decay: f32,
    rest: f32,
) -> Result<Tensor<1>, Box<Tensor<1>>> {
    let (Some(sums), Some(values), true) = (
        plain(&average),
        plain(values).map(Dense::of),
        average.dims() == values.dims(),
    ) else {
        return Err(Box::new(average));
    };
    drop(average);
    let mut sums = writable(sums);
    (sums.storage_mut::<f32>().par_chunks_mut(SHARE))
        .zip(values.values().par_chunks(SHARE))
        .for_each(|(sums, values)| {
            vectorized(
                #[inline(always)]
                || {
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = *sum * decay + value * rest;
                    }
                },
            );
        });
    Ok(Tensor::from_primitive::<Flex>(sums))
}

pub(super) fn squared_norm(values: &Tensor<1>) -> Option<Tensor<1>> {
    let values = plain(values).map(Dense::of)?;
    let parts: Vec<f64> = (values.values().par_chunks(SHARE))
        .map(|values| {
            let mut sums = [0.0f32; 16];
            vectorized(
                #[inline(always)]
                || {
                    let chunks = values.chunks_exact(16);
                    for (sum, value) in sums.iter_mut().zip(chunks.remainder()) {
                        *sum = value.mul_add(*value, *sum);
                    }
                    for chunk in chunks {
                        for (sum, value) in sums.iter_mut().zip(chunk) {
                            *sum = value.mul_add(*value, *sum);
                        }
                    }
                },
            );
            sums.iter().map(|sum| f64::from(*sum)).sum()
        })
        .collect();
    let sum = parts.iter().sum::<f64>() as f32;
    Some(Dense::new(vec![sum], &[1]).into_tensor())
}
