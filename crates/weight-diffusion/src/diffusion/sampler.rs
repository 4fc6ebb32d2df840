//! Sampling weights from noise: in one step, as the paper does, or in several.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::schedule::MAX_STEPS;
use super::solver::{ancestral_step, ddim_step, dpm_solver_step};
use crate::diffusion::noise::{fill_normal, stream};
use crate::readback::read;
use crate::{Denoiser, Error, NoiseSchedule};
use encoded_text::TextCondition;

/// Largest number of noises that are averaged.
const MAX_NOISES: usize = 1 << 12;

const _: () = assert!(
    MAX_STEPS <= 1 << 20 && MAX_NOISES <= 1 << 12,
    "`noise_stream` has 20 bits for the step and 12 for the draw"
);

/// How weights are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleOptions {
    /// Timestep t at which sampling starts; near the noise end, T − 1.
    pub t: usize,
    /// Seed of the noise. Each block has its own stream, so neither the batch size nor the number
    /// of blocks changes a block's noise.
    pub seed: u64,
    /// Number of predictions, each from its own noise, that are averaged; at most 4,096.
    pub noises: usize,
    /// Number of blocks that go through the network at once (64 in the paper).
    pub batch_size: usize,
    /// Scale s of classifier-free guidance (Ho and Salimans 2022): ε̂ = ε̂_∅ + s (ε̂_text − ε̂_∅), where
    /// ε̂_∅ is predicted without a text. 1 is the plain prediction. Any other value doubles the rows of a
    /// batch, and needs a network that was trained with
    /// [`TrainConfig::text_dropout`](crate::TrainConfig::text_dropout).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub guidance: f64,
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

impl SampleOptions {
    /// One prediction at the noise end T − 1 of `schedule`, 64 blocks at once, seed 0.
    pub fn noise_end(schedule: &NoiseSchedule) -> Self {
        Self {
            t: schedule.steps() - 1,
            seed: 0,
            noises: 1,
            batch_size: 64,
            guidance: 1.0,
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if t is past the schedule, the batch is empty, the number of noises is 0 or
    /// above the limit, or the guidance is negative, NaN or infinite.
    pub fn validate(&self, schedule: &NoiseSchedule) -> Result<(), Error> {
        if self.t >= schedule.steps() {
            let requirement = format!("below T = {}", schedule.steps());
            return Err(Error::config("t", self.t, requirement));
        }
        // The number may come from a damaged file, and averaging 2⁶³ noises would never end.
        if !(1..=MAX_NOISES).contains(&self.noises) {
            let requirement = format!("in 1..={MAX_NOISES}");
            return Err(Error::config("noises", self.noises, requirement));
        }
        if self.batch_size == 0 {
            return Err(Error::config("batch_size", self.batch_size, "at least 1"));
        }
        if !self.guidance.is_finite() || self.guidance < 0.0 {
            let requirement = "a finite number of at least 0";
            return Err(Error::config("guidance", self.guidance, requirement));
        }
        Ok(())
    }
}

/// Samples `blocks` blocks in one step of direct recovery, ŵ⁰ = (w^t − σ_t ε̂)/α_t with w^t = ε
/// (paper, §3.3; its Eq. 3 misprints the division). Gives `blocks × b` values, still normalised.
///
/// `text` holds one prompt, `[1, L, C]`; sampling runs on its device.
///
/// # Errors
/// Returns [`Error::Config`] if the options do not fit the schedule, [`Error::Shape`] if `text` is not one
/// prompt of the denoiser's width, and [`Error::Device`] if the blocks cannot be read back.
pub fn one_step(
    denoiser: &dyn Denoiser,
    text: &TextCondition,
    blocks: usize,
    schedule: &NoiseSchedule,
    options: &SampleOptions,
) -> Result<Vec<f32>, Error> {
    sample(denoiser, text, blocks, schedule, options, |rows, noisy| {
        rows.recover(denoiser, noisy, options.t, schedule)
    })
}

/// The gradient of the inner product of `direction` and the weights of [`one_step`] with respect to the tokens
/// of `text`, `[1, L, C]` on an autodiff device: L·C values. If `direction` is the gradient of some loss with
/// respect to the weights, this is its gradient with respect to the prompt.
///
/// # Errors
/// As [`one_step`], and [`Error::Shape`] if there is not one value of `direction` for each weight.
pub(crate) fn one_step_token_gradient(
    denoiser: &dyn Denoiser,
    text: &TextCondition,
    blocks: usize,
    schedule: &NoiseSchedule,
    options: &SampleOptions,
    direction: &[f32],
) -> Result<Vec<f32>, Error> {
    let size = denoiser.block_size();
    if direction.len() != blocks * size {
        return Err(Error::shape("direction", blocks * size, direction.len()));
    }
    let text = TextCondition {
        tokens: text.tokens.clone().require_grad(),
        mask: text.mask.clone(),
    };
    let mut sum = vec![0.0f32; text.tokens.shape().num_elements()];
    let recover = |rows: &Rows<'_>, noisy| rows.recover(denoiser, noisy, options.t, schedule);
    each_batch(
        denoiser,
        &text,
        blocks,
        schedule,
        options,
        recover,
        |first, recovered| {
            let [count, _] = recovered.dims();
            let part = direction[first * size..(first + count) * size].to_vec();
            let part = Tensor::from_data(TensorData::new(part, [count, size]), &recovered.device());
            let gradients = (recovered * part).sum().backward();
            if let Some(gradient) = text.tokens.grad(&gradients) {
                let gradient = read("gradient of the prompt", gradient)?;
                sum.iter_mut().zip(gradient).for_each(|(s, g)| *s += g);
            }
            Ok(())
        },
    )?;
    sum.iter_mut().for_each(|s| *s /= options.noises as f32);
    Ok(sum)
}

/// The rule by which [`multi_step`] goes from one timestep to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sampler {
    /// DDIM (Song et al. 2021) with η = 0: deterministic.
    Ddim,
    /// DDPM's ancestral sampling (Ho et al. 2020, Eq. 7) with the variance of the posterior: fresh noise
    /// at each step.
    Ancestral,
    /// DPM-Solver++(2M) (Lu et al. 2022), midpoint, with a first and a last step of first order:
    /// deterministic.
    DpmSolver,
}

/// Samples `blocks` blocks in `steps` steps of `sampler`, from `options.t` down in equal intervals. Gives
/// `blocks × b` values, still normalised. A single step of any sampler equals [`one_step`].
///
/// # Errors
/// As [`one_step`]. Also returns [`Error::Config`] if `steps` is 0 or more than `options.t` (than 1 if that
/// is 0), because each step has a timestep of its own.
pub fn multi_step(
    denoiser: &dyn Denoiser,
    text: &TextCondition,
    blocks: usize,
    schedule: &NoiseSchedule,
    (sampler, steps): (Sampler, usize),
    options: &SampleOptions,
) -> Result<Vec<f32>, Error> {
    options.validate(schedule)?;
    let most = options.t.max(1);
    if steps == 0 || steps > most {
        let requirement = format!("in 1..={most}, from timestep {} down", options.t);
        return Err(Error::config("steps", steps, requirement));
    }
    // From t down to the last one above 0; after that the weights are clean.
    let times: Vec<usize> = (0..steps)
        .map(|i| (options.t as f64 * (steps - i) as f64 / steps as f64).round() as usize)
        .collect();
    sample(denoiser, text, blocks, schedule, options, |rows, noisy| {
        let mut x = noisy;
        let mut before = None;
        for (i, &t) in times.iter().enumerate() {
            let clean = rows.recover(denoiser, x.clone(), t, schedule);
            let to = times.get(i + 1).copied();
            x = match sampler {
                Sampler::Ddim => ddim_step(x, clean, t, to, schedule),
                Sampler::Ancestral => {
                    let noise = rows.noise(i + 1);
                    ancestral_step(x, clean, noise, t, to, schedule)
                }
                Sampler::DpmSolver => {
                    let next = dpm_solver_step(x, clean.clone(), before, t, to, schedule);
                    before = Some((clean, t));
                    next
                }
            };
        }
        x
    })
}

/// The blocks that are denoised together.
struct Rows<'a> {
    draw: usize,
    first: usize,
    count: usize,
    size: usize,
    seed: u64,
    device: &'a Device,
    text: &'a TextCondition,
    guidance: f64,
}

impl Rows<'_> {
    /// Block indices n `[B]`.
    fn index(&self) -> Tensor<1, Int> {
        let index: Vec<i64> = (self.first..self.first + self.count)
            .map(|n| n as i64)
            .collect();
        Tensor::from_data(TensorData::new(index, [self.count]), self.device)
    }

    /// ŵ⁰ `[B, b]`, with guidance. For a fixed w^t it is linear in ε̂, so guiding it guides ε̂.
    fn recover(
        &self,
        denoiser: &dyn Denoiser,
        noisy: Tensor<2>,
        t: usize,
        schedule: &NoiseSchedule,
    ) -> Tensor<2> {
        if self.guidance == 1.0 {
            return denoiser.recover(noisy, t, self.index(), self.text, schedule);
        }
        let twice = Tensor::cat(vec![noisy.clone(), noisy], 0);
        let index = Tensor::cat(vec![self.index(), self.index()], 0);
        let both = denoiser.recover(twice, t, index, &self.with_and_without_text(), schedule);
        let with = both.clone().narrow(0, 0, self.count);
        let without = both.narrow(0, self.count, self.count);
        without.clone() + (with - without).mul_scalar(self.guidance)
    }

    /// The prompt for the first B rows, and no token for the other B.
    fn with_and_without_text(&self) -> TextCondition {
        let [_, length, width] = self.text.tokens.dims();
        let tokens = self.text.tokens.clone();
        let mask = self.text.mask.clone();
        let none = Tensor::<2, Bool>::full([self.count, length], false, self.device);
        let shape = [self.count, length, width];
        TextCondition {
            tokens: Tensor::cat(
                vec![tokens.expand(shape), Tensor::zeros(shape, self.device)],
                0,
            ),
            mask: Tensor::cat(vec![mask.expand([self.count, length]), none], 0),
        }
    }

    /// Standard normal noise `[B, b]` of step `step`; sampling starts from that of step 0.
    fn noise(&self, step: usize) -> Tensor<2> {
        let mut noise = vec![0.0f32; self.count * self.size];
        for (row, values) in noise.chunks_mut(self.size).enumerate() {
            let number = noise_stream(step, self.draw, self.first + row);
            fill_normal(&mut stream(self.seed, number), values);
        }
        Tensor::from_data(TensorData::new(noise, [self.count, self.size]), self.device)
    }
}

/// Number of the stream that a block's noise comes from. From its highest bit: the low 16 bits of the step,
/// its 4 bits above those, 12 bits of the draw and 32 of the block.
fn noise_stream(step: usize, draw: usize, block: usize) -> u64 {
    let step = step as u64;
    (step << 48) + ((step >> 16) << 44) + ((draw as u64) << 32) + block as u64
}

/// Runs `denoise` over all blocks in batches, once for each noise, and averages.
fn sample(
    denoiser: &dyn Denoiser,
    text: &TextCondition,
    blocks: usize,
    schedule: &NoiseSchedule,
    options: &SampleOptions,
    denoise: impl Fn(&Rows<'_>, Tensor<2>) -> Tensor<2>,
) -> Result<Vec<f32>, Error> {
    let size = denoiser.block_size();
    let mut sum = vec![0.0f32; blocks * size];
    each_batch(
        denoiser,
        text,
        blocks,
        schedule,
        options,
        denoise,
        |first, recovered| {
            let recovered = read("predicted weights", recovered)?;
            for (s, r) in sum[first * size..].iter_mut().zip(recovered) {
                *s += r;
            }
            Ok(())
        },
    )?;
    if options.noises > 1 {
        sum.iter_mut().for_each(|s| *s /= options.noises as f32);
    }
    Ok(sum)
}

/// Runs `denoise` over all blocks in batches, once for each noise; `each` takes the first block's number and
/// the result.
fn each_batch(
    denoiser: &dyn Denoiser,
    text: &TextCondition,
    blocks: usize,
    schedule: &NoiseSchedule,
    options: &SampleOptions,
    denoise: impl Fn(&Rows<'_>, Tensor<2>) -> Tensor<2>,
    mut each: impl FnMut(usize, Tensor<2>) -> Result<(), Error>,
) -> Result<(), Error> {
    options.validate(schedule)?;
    let [prompts, _, width] = text.tokens.dims();
    if prompts != 1 || width != denoiser.context_width() {
        return Err(Error::shape(
            "text",
            format!("one prompt of width {}", denoiser.context_width()),
            format!("{prompts} of width {width}"),
        ));
    }
    let device = text.tokens.device();
    let size = denoiser.block_size();
    for draw in 0..options.noises {
        for first in (0..blocks).step_by(options.batch_size) {
            let rows = Rows {
                draw,
                first,
                count: options.batch_size.min(blocks - first),
                size,
                seed: options.seed,
                device: &device,
                text,
                guidance: options.guidance,
            };
            each(first, denoise(&rows, rows.noise(0)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_step_draw_and_block_has_its_own_stream() {
        let steps = [0, 1, 0xffff, 1 << 16, (1 << 16) + 1, MAX_STEPS - 1];
        let draws = [0, 1, MAX_NOISES - 1];
        let blocks = [0, 1, (1 << 32) - 1];
        let mut streams = BTreeSet::new();
        for step in steps {
            for draw in draws {
                for block in blocks {
                    let number = noise_stream(step, draw, block);
                    assert!(streams.insert(number), "{step} {draw} {block}");
                }
            }
        }
        // Saved seeds mean the same weights: these numbers must not change.
        assert_eq!(noise_stream(0, 0, 7), 7);
        assert_eq!(noise_stream(3, 2, 1), 0x0003_0002_0000_0001);
        assert_eq!(noise_stream(0xffff, 0xfff, 0), 0xffff_0fff_0000_0000);
    }
}
