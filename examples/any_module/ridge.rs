//! Ridge regression from a text's vector to the PCA coefficients of the weights.

use denoised_weights::PromptEncoder;
use denoised_weights_examples::Result;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use weight_blocks::{Layout, NamedTensors, Zoo};

/// The centred zoo: vectors of the prompts, and coefficients of the weights.
pub(crate) struct RidgeData {
    /// `[E, C]`, and its mean.
    texts: Mat<f64>,
    text_mean: Vec<f64>,
    /// `[E, K]`, largest component first.
    coefficients: Mat<f64>,
    /// `[N·b, K]`, and the mean of the weights.
    components: Mat<f64>,
    weight_mean: Vec<f64>,
    layout: Layout,
}

/// A fitted regression.
pub(crate) struct Ridge<'a> {
    data: &'a RidgeData,
    /// `[C, K]`.
    slopes: Mat<f64>,
}

impl RidgeData {
    pub(crate) fn of_zoo(zoo: &Zoo, encoder: &PromptEncoder) -> Result<Self> {
        let layout = zoo.layout().clone();
        let mut texts = Vec::new();
        let mut weights = Vec::new();
        for entry in zoo.entries() {
            texts.push(encoder.pooled(&entry.prompt)?);
            weights.push(layout.encode(&zoo.load(entry)?)?);
        }
        let (texts, text_mean) = centred(&texts);
        let (weights, weight_mean) = centred(&weights);
        let svd = weights
            .thin_svd()
            .map_err(|e| format!("PCA of the zoo: {e:?}"))?;
        let components = svd.V().to_owned();
        Ok(Self {
            texts,
            text_mean,
            coefficients: &weights * &components,
            components,
            weight_mean,
            layout,
        })
    }

    /// Fits the first `components` coefficients with the penalty `lambda`.
    pub(crate) fn fit(&self, lambda: f64, components: usize) -> Result<Ridge<'_>> {
        let texts = &self.texts;
        let mut gram = texts.transpose() * texts;
        for i in 0..gram.nrows() {
            gram[(i, i)] += lambda;
        }
        let count = components.min(self.coefficients.ncols());
        let targets = texts.transpose() * self.coefficients.subcols(0, count);
        let factors = gram.llt(Side::Lower).map_err(|e| format!("ridge: {e:?}"))?;
        Ok(Ridge {
            data: self,
            slopes: factors.solve(&targets),
        })
    }
}

impl Ridge<'_> {
    pub(crate) fn predict(&self, text: &[f32]) -> Result<NamedTensors> {
        let RidgeData {
            text_mean,
            components,
            weight_mean,
            layout,
            ..
        } = self.data;
        let row = Mat::from_fn(1, text.len(), |_, i| f64::from(text[i]) - text_mean[i]);
        let coefficients = row * &self.slopes;
        let weights = coefficients * components.subcols(0, self.slopes.ncols()).transpose();
        let weights = (0..weights.ncols()).map(|i| (weights[(0, i)] + weight_mean[i]) as f32);
        Ok(layout.decode(&weights.collect::<Vec<_>>())?)
    }
}

/// The rows without their mean, and the mean.
fn centred(rows: &[Vec<f32>]) -> (Mat<f64>, Vec<f64>) {
    let width = rows.first().map_or(0, Vec::len);
    let mean: Vec<f64> = (0..width)
        .map(|i| rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / rows.len() as f64)
        .collect();
    let rows = Mat::from_fn(rows.len(), width, |r, i| f64::from(rows[r][i]) - mean[i]);
    (rows, mean)
}
