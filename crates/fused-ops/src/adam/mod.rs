//! One step of Adam or AdamW, and the other passes of an optimizer over all weights.

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

/// Constants of Adam (Kingma and Ba 2015).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment after its correction.
    pub epsilon: f32,
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
    let step = Step {
        betas: [adamw.beta_1, adamw.beta_2],
        scale: scale as f32,
        delta: Delta::AdamW {
            correction_1: 1.0 - adamw.beta_1.powi(time as i32),
            correction_2: 1.0 - adamw.beta_2.powi(time as i32),
            epsilon: adamw.epsilon,
        },
        keep: 1.0 - learning_rate * adamw.weight_decay,
        learning_rate,
    };
    step.take(weights, gradient, moments)
}

/// Weights and both moments, all of one shape, after step number `time` (from 1; no moments before it) at the rate
/// `learning_rate`.
///
/// The same operations in the same order as Burn's `Adam`, so the same bits; otherwise as [`adamw_step`].
///
/// # Panics
/// Panics if the shapes differ, as the tensor operations do.
pub fn adam_step<const D: usize>(
    adam: &Adam,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    time: usize,
    learning_rate: f64,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let root = (1.0 - adam.beta_2.powi(time as i32)).sqrt();
    let step = Step {
        betas: [adam.beta_1, adam.beta_2],
        scale: 1.0,
        delta: Delta::Adam {
            factor: root / (1.0 - adam.beta_1.powi(time as i32)),
            epsilon: adam.epsilon * root,
        },
        keep: 1.0,
        learning_rate,
    };
    step.take(weights, gradient, moments)
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
    betas: [f32; 2],
    /// Of the gradient.
    scale: f32,
    delta: Delta,
    /// Of the weights.
    keep: f64,
    learning_rate: f64,
}

/// The direction of a step, from the moments m and v. Both are the same but for rounding; Burn writes them in these ways.
enum Delta {
    /// (m / correction_1) / (√(v / correction_2) + ε)
    AdamW {
        correction_1: f32,
        correction_2: f32,
        epsilon: f32,
    },
    /// factor · m / (√v + ε)
    Adam { factor: f32, epsilon: f32 },
}

impl Step {
    fn take<const D: usize>(
        &self,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        moments: Option<[Tensor<D>; 2]>,
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let moments = moments.unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
        #[cfg(feature = "flex")]
        let (weights, gradient, moments) = match kernel::step(self, weights, gradient, moments) {
            Ok(done) => return done,
            Err(inputs) => *inputs,
        };
        self.composed(weights, gradient, moments)
    }

    fn composed<const D: usize>(
        &self,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        [first, second]: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let gradient = if self.scale == 1.0 {
            gradient
        } else {
            gradient.mul_scalar(self.scale)
        };
        let [beta_1, beta_2] = self.betas;
        let first = first.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
        let second = second.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
        let (m, v) = (first.clone(), second.clone());
        let delta = match self.delta {
            Delta::AdamW {
                correction_1,
                correction_2,
                epsilon,
            } => {
                let root = v.div_scalar(correction_2).sqrt();
                m.div_scalar(correction_1) / root.add_scalar(epsilon)
            }
            Delta::Adam { factor, epsilon } => m.mul_scalar(factor) / v.sqrt().add_scalar(epsilon),
        };
        let kept = if self.keep == 1.0 {
            weights
        } else {
            weights.mul_scalar(self.keep)
        };
        (kept - delta.mul_scalar(self.learning_rate), [first, second])
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::{AdamConfig, AdamWConfig, Optimizer};

    use super::*;
    use crate::testing::{close, random};

    const LENGTH: usize = 20_011;

    fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
        let values: Vec<f32> = tensor.try_into_vec_as().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn steps_of_adam_are_those_of_burn() {
        let ours = Adam {
            beta_1: 0.5,
            beta_2: 0.999,
            epsilon: 1e-8,
        };
        let burns = AdamConfig::new()
            .with_beta_1(0.5)
            .with_epsilon(1e-8)
            .build();
        let (start, gradients) = (
            random([37, 541], 0),
            [1, 2, 3].map(|i| random([37, 541], i)),
        );
        let (mut weights, mut moments) = (start.clone(), None);
        let (mut expected, mut state) = (start, None);
        for (time, gradient) in (1..).zip(gradients) {
            (expected, state) = burns.step(1e-2, expected, gradient.clone(), state.take());
            let (next, after) = adam_step(&ours, weights, gradient, moments.take(), time, 1e-2);
            (weights, moments) = (next, Some(after));
        }
        let state = state.unwrap().momentum;
        let [first, second] = moments.unwrap();
        assert_eq!(bits(weights), bits(expected));
        assert_eq!(bits(first), bits(state.moment_1));
        assert_eq!(bits(second), bits(state.moment_2));
    }

    /// Three steps, the moments shared with a copy in one of them.
    #[test]
    fn steps_of_adamw_are_those_of_burn() {
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
