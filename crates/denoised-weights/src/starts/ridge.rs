//! Ridge regression from a prompt's vector to the weights: what a generator has to beat.

use std::fmt;

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use finetune::{Initializer, Start};
use weight_blocks::{Layout, Zoo};

use super::failed;
use crate::error::Result;
use crate::{Error, PromptEncoder};

/// The penalties that are tried.
const PENALTIES: [f64; 8] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Ridge regression from the pooled vector of a prompt to all weights, fitted to the last checkpoints of a zoo. Since it is
/// linear, it equals one to all PCA coefficients of the weights. The penalty is the one with the lowest leave-one-out error
/// on the zoo.
pub struct Ridge<'a> {
    encoder: &'a PromptEncoder,
    layout: Layout,
    /// Centred vectors of the prompts `[E, C]`, and their mean.
    texts: Mat<f64>,
    text_mean: Vec<f64>,
    /// Centred weights, one row a concept, and their mean.
    weights: Vec<Vec<f32>>,
    weight_mean: Vec<f64>,
    penalty: f64,
    /// Digest of the zoo.
    zoo: String,
}

/// Without the weights.
impl fmt::Debug for Ridge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ridge")
            .field("zoo", &self.zoo)
            .field("penalty", &self.penalty)
            .finish_non_exhaustive()
    }
}

impl<'a> Ridge<'a> {
    /// Fits the regression.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if the zoo cannot be read, [`Error::Text`] if the encoder knows no word of a prompt, and
    /// [`Error::FineTune`] for an empty zoo.
    pub fn from_zoo(zoo: &Zoo, encoder: &'a PromptEncoder) -> Result<Self> {
        let layout = zoo.layout().clone();
        let (mut texts, mut weights) = (Vec::new(), Vec::new());
        for entry in zoo.last_entries() {
            texts.push(encoder.pooled(&entry.prompt)?);
            weights.push(layout.encode(&zoo.load(entry)?)?);
        }
        let text_mean = mean(&texts)?;
        let weight_mean = mean(&weights)?;
        for row in &mut weights {
            row.iter_mut()
                .zip(&weight_mean)
                .for_each(|(w, m)| *w -= *m as f32);
        }
        let texts = Mat::from_fn(texts.len(), text_mean.len(), |row, i| {
            f64::from(texts[row][i]) - text_mean[i]
        });
        let mut ridge = Self {
            encoder,
            layout,
            texts,
            text_mean,
            weights,
            weight_mean,
            penalty: PENALTIES[0],
            zoo: zoo.digest(),
        };
        ridge.penalty = ridge.best_penalty()?;
        Ok(ridge)
    }

    /// The penalty with the lowest leave-one-out error.
    pub fn penalty(&self) -> f64 {
        self.penalty
    }

    fn best_penalty(&self) -> Result<f64> {
        let count = self.weights.len();
        // Inner products of the weights: all that squared errors of their mixtures need.
        let gram = Mat::from_fn(count, count, |i, j| dot(&self.weights[i], &self.weights[j]));
        let mut best = (f64::INFINITY, PENALTIES[0]);
        for penalty in PENALTIES {
            let hat = &self.texts * self.solve(self.texts.transpose().to_owned(), penalty)?;
            // The error of concept i, fitted without it: (w_i − Σ H_ij w_j) / (1 − H_ii), and H_ii has the mean's 1/E.
            let error: f64 = (0..count)
                .map(|i| {
                    let left = 1.0 - hat[(i, i)] - 1.0 / count as f64;
                    let rest = Mat::from_fn(count, 1, |j, _| f64::from(i == j) - hat[(i, j)]);
                    (rest.transpose() * &gram * &rest)[(0, 0)] / left.powi(2).max(f64::MIN_POSITIVE)
                })
                .sum();
            if error < best.0 {
                best = (error, penalty);
            }
        }
        Ok(best.1)
    }

    /// (XᵀX + λ)⁻¹ `right`.
    fn solve(&self, right: Mat<f64>, penalty: f64) -> Result<Mat<f64>> {
        let mut normal = self.texts.transpose() * &self.texts;
        for i in 0..normal.nrows() {
            normal[(i, i)] += penalty;
        }
        let factors = normal.llt(Side::Lower).map_err(|_| Error::NoRegression)?;
        Ok(factors.solve(&right))
    }

    fn predict(&self, prompt: &str) -> Result<Start> {
        let text = self.encoder.pooled(prompt)?;
        let own = Mat::from_fn(text.len(), 1, |i, _| f64::from(text[i]) - self.text_mean[i]);
        let shares = &self.texts * self.solve(own, self.penalty)?;
        let mut predicted = self.weight_mean.clone();
        for (row, weights) in self.weights.iter().enumerate() {
            let share = shares[(row, 0)];
            (predicted.iter_mut().zip(weights)).for_each(|(sum, w)| *sum += share * f64::from(*w));
        }
        let predicted: Vec<f32> = predicted.into_iter().map(|w| w as f32).collect();
        Ok(Start {
            weights: self.layout.decode(&predicted)?,
            origin: None,
        })
    }
}

impl Initializer for Ridge<'_> {
    fn name(&self) -> &str {
        "ridge"
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        Ok(format!("ridge of zoo {:.12}", self.zoo))
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        self.predict(prompt).map_err(|error| failed(self, error))
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

fn mean(rows: &[Vec<f32>]) -> Result<Vec<f64>> {
    let first = rows.first().ok_or(finetune::Error::EmptyZoo)?;
    let mut mean = vec![0.0; first.len()];
    for row in rows {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, v)| *m += f64::from(*v) / rows.len() as f64);
    }
    Ok(mean)
}
