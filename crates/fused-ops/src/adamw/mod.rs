//! One step of AdamW on a vector, and the other passes of an optimizer over all weights.

#[cfg(feature = "flex")]
mod kernel;

use burn::tensor::Tensor;

/// Constants of AdamW (Loshchilov and Hutter 2019).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay, times the learning rate.
    pub weight_decay: f64,
}

/// Weights `[n]` and both moments `[n]` after step number `time` (from 1; no moments before it) at the
/// rate `learning_rate`, for the gradient `scale · gradient`.
///
/// The same operations in the same order as Burn's `AdamW`, so the same bits; the kernel reads and writes each vector
/// once. Tensors carry no autodiff graph. Moments are updated in place if no other tensor shares their storage.
///
/// # Panics
/// Panics if the lengths differ, as the tensor operations do.
pub fn adamw_step(
    adamw: &AdamW,
    weights: Tensor<1>,
    (gradient, scale): (Tensor<1>, f64),
    moments: Option<[Tensor<1>; 2]>,
    time: usize,
    learning_rate: f64,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let moments = moments.unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
    let step = Step {
        adamw: *adamw,
        scale: scale as f32,
        correction_1: 1.0 - adamw.beta_1.powi(time as i32),
        correction_2: 1.0 - adamw.beta_2.powi(time as i32),
        keep: 1.0 - learning_rate * adamw.weight_decay,
        learning_rate,
    };
    #[cfg(feature = "flex")]
    let (weights, gradient, moments) = match kernel::step(&step, weights, gradient, moments) {
        Ok(done) => return done,
        Err(inputs) => *inputs,
    };
    composed(&step, weights, gradient, moments)
}

/// `decay · average + (1 − decay) · values`, `[n]` each. The average is updated in place if no other
/// tensor shares its storage.
///
/// # Panics
/// Panics if the lengths differ, as the tensor operations do.
pub fn moving_average(average: Tensor<1>, values: &Tensor<1>, decay: f64) -> Tensor<1> {
    #[cfg(feature = "flex")]
    let average = match kernel::average(average, values, decay as f32, (1.0 - decay) as f32) {
        Ok(done) => return done,
        Err(average) => *average,
    };
    average.mul_scalar(decay) + values.clone().mul_scalar(1.0 - decay)
}

/// Σ v², `[1]`.
pub fn squared_norm(values: &Tensor<1>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if let Some(norm) = kernel::squared_norm(values) {
        return norm;
    }
    values.clone().square().sum()
}

struct Step {
    adamw: AdamW,
    scale: f32,
    correction_1: f32,
    correction_2: f32,
    keep: f64,
    learning_rate: f64,
}

fn composed(
    step: &Step,
    weights: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: [Tensor<1>; 2],
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let AdamW {
        beta_1,
        beta_2,
        epsilon,
        ..
    } = step.adamw;
    let gradient = if step.scale == 1.0 {
        gradient
    } else {
        gradient.mul_scalar(step.scale)
    };
    let first = first.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let second = second.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
    let root = second.clone().div_scalar(step.correction_2).sqrt();
    let delta = first.clone().div_scalar(step.correction_1) / root.add_scalar(epsilon);
    let weights = weights.mul_scalar(step.keep) - delta.mul_scalar(step.learning_rate);
    (weights, [first, second])
}

#[cfg(test)]
mod tests {
    use burn::optim::{AdamWConfig, Optimizer};

    use super::*;
    use crate::testing::{close, random};

    const LENGTH: usize = 20_011;

    fn bits(tensor: Tensor<1>) -> Vec<u32> {
        let values: Vec<f32> = tensor.try_into_vec_as().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    }

    /// Three steps, the moments shared with a copy in one of them.
    #[test]
    fn steps_are_those_of_burn() {
        let ours = AdamW {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        };
        let burns = AdamWConfig::new()
            .with_weight_decay(0.01)
            .with_epsilon(1e-8)
            .build();
        let start = random([LENGTH], 0);
        let (mut weights, mut moments) = (start.clone(), None);
        let (mut expected, mut state) = (start, None);
        for time in 1..=3 {
            let gradient = random([LENGTH], time as u64);
            let scale = [1.0, 0.3, 1.0][time - 1];
            let (next, after) = burns.step(
                1e-2,
                expected,
                gradient.clone().mul_scalar(scale),
                state.take(),
            );
            (expected, state) = (next, after);
            let held = moments.clone();
            let before: Option<Vec<u32>> =
                (held.as_ref()).map(|[first, _]: &[Tensor<1>; 2]| bits(first.clone()));
            let (next, after) = adamw_step(
                &ours,
                weights,
                (gradient, scale),
                moments.take(),
                time,
                1e-2,
            );
            assert_eq!(held.map(|[first, _]| bits(first)), before, "changed a copy");
            (weights, moments) = (next, Some(after));
        }
        let state = state.unwrap().momentum;
        let [first, second] = moments.unwrap();
        assert_eq!(bits(weights), bits(expected));
        assert_eq!(bits(first), bits(state.moment_1));
        assert_eq!(bits(second), bits(state.moment_2));
    }

    #[test]
    fn averages_and_norms_are_those_of_tensors() {
        let (average, values) = (random([LENGTH], 1), random([LENGTH], 2));
        let expected = average.clone().mul_scalar(0.9) + values.clone().mul_scalar(1.0 - 0.9);
        let found = moving_average(average.clone(), &values, 0.9);
        assert_eq!(bits(found), bits(expected));
        // A part of a vector is a view of the whole.
        let part = average.clone().narrow(0, 7, 100);
        let expected =
            part.clone().mul_scalar(0.5) + values.clone().narrow(0, 1, 100).mul_scalar(0.5);
        let found = moving_average(part, &values.clone().narrow(0, 1, 100), 0.5);
        assert_eq!(bits(found), bits(expected));
        close("norm", squared_norm(&values), values.square().sum());
    }
}
