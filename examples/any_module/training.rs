//! Training on a task's pictures, and the accuracy of the answers.

use std::ops::ControlFlow;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData};
use denoised_weights_examples::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::digits::{Digits, PIXELS, Transform};
use crate::tasks::Task;

/// Pictures on a device, with their classes.
#[derive(Debug, Clone)]
pub(crate) struct Examples {
    pictures: Tensor<2>,
    classes: Vec<usize>,
    /// Weight of each class in the loss: rare answers count as much as frequent ones.
    weights: Vec<f32>,
}

impl Examples {
    /// Transformed pictures, with the ten digits as classes.
    pub(crate) fn of_digits(transform: Transform, digits: &Digits, device: &Device) -> Self {
        Self::new(transform, digits, digits.labels.clone(), 10, device)
    }

    /// The pictures of a task, with the classes no and yes.
    pub(crate) fn of_task(task: &Task, digits: &Digits, device: &Device) -> Self {
        let answers = (digits.labels.iter()).map(|&digit| usize::from(task.yes[digit]));
        Self::new(task.transform, digits, answers.collect(), 2, device)
    }

    fn new(
        transform: Transform,
        digits: &Digits,
        classes: Vec<usize>,
        count: usize,
        device: &Device,
    ) -> Self {
        let pictures: Vec<f32> = (digits.pictures.iter().enumerate())
            .flat_map(|(i, picture)| transform.apply(picture, i))
            .collect();
        let total = classes.len();
        let weights = (0..count)
            .map(|class| {
                let own = classes.iter().filter(|&&c| c == class).count();
                total as f32 / (count * own.max(1)) as f32
            })
            .collect();
        let data = TensorData::new(pictures, [total, PIXELS]);
        Self {
            pictures: Tensor::from_data(data, device),
            classes,
            weights,
        }
    }

    /// The share of right answers, as the mean over the classes: 0.5 is what guessing gives with two.
    pub(crate) fn accuracy<N>(&self, network: &N, forward: Forward<N>) -> Result<f64> {
        let best = forward(network, self.pictures.clone()).argmax(1);
        let found: Vec<i64> = best.into_data().convert::<i64>().try_into_vec()?;
        let hits = self
            .classes
            .iter()
            .zip(&found)
            .filter(|(class, found)| **class as i64 == **found);
        let weighed = hits.map(|(&class, _)| f64::from(self.weights[class]));
        Ok(weighed.sum::<f64>() / found.len() as f64)
    }
}

/// Pictures `[B, 64]` → logits `[B, classes]`.
pub(crate) type Forward<N> = fn(&N, Tensor<2>) -> Tensor<2>;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Recipe {
    pub steps: usize,
    pub batch_size: usize,
    /// Of Adam; falls to zero in the second half if `decay`.
    pub learning_rate: f64,
    pub decay: bool,
    /// Of the batches, which are the same for all tasks: adapters then differ because of the tasks.
    pub seed: u64,
}

/// Trains what is not frozen with Adam. `observe` sees the network before the first step and after each, and may end the
/// training.
pub(crate) fn train<N: Module>(
    network: N,
    forward: Forward<N>,
    examples: &Examples,
    recipe: &Recipe,
    mut observe: impl FnMut(usize, &N) -> Result<ControlFlow<()>>,
) -> Result<N> {
    let device = examples.pictures.device().autodiff();
    let pictures = Tensor::from_inner(examples.pictures.clone());
    let loss = CrossEntropyLossConfig::new()
        .with_weights(Some(examples.weights.clone()))
        .init(&device);
    let mut network = network.train();
    let mut adam = AdamConfig::new().init();
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    for step in 0..recipe.steps {
        if observe(step, &network)?.is_break() {
            return Ok(network.valid());
        }
        let rows = (0..recipe.batch_size).map(|_| rng.random_range(0..examples.classes.len()));
        let rows: Vec<usize> = rows.collect();
        let classes = rows.iter().map(|&row| examples.classes[row]);
        let logits = forward(
            &network,
            pictures
                .clone()
                .select(0, ints(rows.iter().copied(), &device)),
        );
        let gradients = loss.forward(logits, ints(classes, &device)).backward();
        let gradients = GradientsParams::from_grads(gradients, &network);
        let left = 2.0 * (1.0 - step as f64 / recipe.steps as f64);
        let factor = if recipe.decay { left.min(1.0) } else { 1.0 };
        network = adam.step(recipe.learning_rate * factor, network, gradients);
    }
    let _ = observe(recipe.steps, &network)?;
    Ok(network.valid())
}

fn ints(values: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.map(|value| value as i64).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
