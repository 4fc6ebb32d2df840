//! The prediction for a prompt that the training pairs have corrected.

use finetune::{AdapterLoss, Initializer, Start};
use weight_diffusion::encoded_text::EncodedPrompt;

use super::judge::{Judge, SECOND_PAIRS, best};
use super::{Starts, failed};
use crate::error::Result;

/// Steps of the search.
const STEPS: usize = 12;
/// Pairs of each step.
const PAIRS: usize = 8;
/// Largest change of a token's value in a step, relative to the root mean square of all.
const RATE: f32 = 0.03;

/// Moves the prompt's tokens by the gradient of the edits' L1 on the training pairs, through the weight generator, and
/// predicts from them (textual inversion, Gal et al. 2023). The prompt's own prediction is kept if it edits the pairs
/// better.
#[derive(Debug)]
pub struct Inverted<'a> {
    starts: Starts<'a>,
}

impl<'a> Inverted<'a> {
    /// Searches with the generator and the pairs of `starts`.
    pub fn new(starts: Starts<'a>) -> Self {
        Self { starts }
    }

    fn search(&self, prompt: &str) -> Result<Start> {
        let Starts {
            predictor,
            generator,
            pairs,
            options,
            ..
        } = self.starts;
        let (base, device) = (predictor.prompted_base(prompt)?, predictor.device());
        let mut loss = AdapterLoss::new(&base.generator);
        let own = predictor.encoder().tokens(prompt)?;
        let mut tokens = own.clone();
        let mut adam = Adam::new(&own);
        for step in 0..STEPS {
            let weights = generator.predict(&tokens, &options, device)?.weights;
            let picked: Vec<usize> = (0..PAIRS.min(pairs.len()))
                .map(|i| (step * PAIRS + i) % pairs.len())
                .collect();
            let batch = pairs.select(&picked);
            let (_, gradient) = loss.value_and_gradient(&weights, None, &batch)?;
            let gradient = generator.token_gradient(&tokens, &gradient, &options, device)?;
            adam.step(&mut tokens.tokens, &gradient);
        }
        let candidates = [("the prompt", &own), ("the corrected prompt", &tokens)];
        let candidates = (candidates.into_iter())
            .map(|(name, tokens)| {
                let prediction = generator.predict(tokens, &options, device)?;
                Ok((name.to_owned(), prediction.weights))
            })
            .collect::<Result<Vec<_>>>()?;
        best(Judge::new(&base, pairs, SECOND_PAIRS)?.rank(candidates)?)
    }
}

impl Initializer for Inverted<'_> {
    fn name(&self) -> &str {
        "inverted"
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        self.starts.identity(self.name())
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.search(prompt).map_err(|error| failed(self, error))
    }
}

/// Adam (Kingma and Ba 2015) on the host, for a prompt's tokens.
struct Adam {
    rate: f32,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    fn new(prompt: &EncodedPrompt) -> Self {
        let values = &prompt.tokens;
        let squares: f32 = values.iter().map(|v| v * v).sum();
        Self {
            rate: RATE * (squares / values.len().max(1) as f32).sqrt(),
            first: vec![0.0; values.len()],
            second: vec![0.0; values.len()],
            steps: 0,
        }
    }

    fn step(&mut self, values: &mut [f32], gradient: &[f32]) {
        const BETA: [f32; 2] = [0.9, 0.99];
        self.steps += 1;
        let [first, second] = BETA.map(|beta| 1.0 - beta.powi(self.steps));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
            *m += (1.0 - BETA[0]) * (g - *m);
            *v += (1.0 - BETA[1]) * (g * g - *v);
            *value -= self.rate * (*m / first) / ((*v / second).sqrt() + 1e-12);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_takes_steps_of_its_rate_towards_the_minimum() {
        let prompt = EncodedPrompt::new(vec![1.0, -1.0], 1);
        let (mut adam, mut values) = (Adam::new(&prompt), prompt.tokens.clone());
        assert_eq!(adam.rate, RATE);
        adam.step(&mut values, &[5.0, -1e-3]);
        // The first step is the rate, whatever the gradient's size.
        assert!((values[0] - (1.0 - RATE)).abs() < 1e-5 && (values[1] + (1.0 - RATE)).abs() < 1e-5);
        for _ in 0..200 {
            let gradient = [values[0] - 0.5, values[1] + 0.25];
            adam.step(&mut values, &gradient);
        }
        assert!((values[0] - 0.5).abs() < 0.02 && (values[1] + 0.25).abs() < 0.02);
    }
}
