//! The linear layer that sentence-transformers puts after the pooling.

use std::path::Path;

use serde::Deserialize;

use super::config::wrong;
use super::modules::{Places, check_places};
use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::{read_json, read_small};
use crate::weights::Weights;

/// `config.json` of a `Dense`. Defaults are those of sentence-transformers.
#[derive(Debug, Deserialize)]
struct Fields {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default = "tanh")]
    activation_function: String,
    #[serde(default)]
    use_residual: bool,
    #[serde(flatten)]
    places: Places,
}

fn yes() -> bool {
    true
}

fn tanh() -> String {
    "torch.nn.modules.activation.Tanh".into()
}

#[derive(Debug, Clone, Copy)]
enum Activation {
    Tanh,
    Relu,
    Identity,
}

/// y = f(Wx + b), on the host: one vector for each prompt.
#[derive(Debug)]
pub(super) struct Dense {
    /// `[out, in]`.
    weight: Vec<f32>,
    /// `[out]`.
    bias: Vec<f32>,
    ins: usize,
    activation: Activation,
}

impl Dense {
    /// Reads the layer in the folder `path` of `dir`, which takes vectors of `width` entries, and adds it to `digest`.
    pub(super) fn load(
        dir: &Path,
        path: &str,
        width: usize,
        digest: &mut CheckpointDigest,
    ) -> Result<Self, Error> {
        let folder = dir.join(path);
        let file = folder.join("config.json");
        let bytes = read_small(&file)?;
        digest.bytes(&format!("{path}/config.json"), &bytes);
        let fields: Fields = read_json(&bytes, &file)?;
        check_places(&fields.places, &file)?;
        if fields.in_features != width {
            let found = fields.in_features.to_string();
            let expected = format!("{width}, the width of the module before");
            return Err(wrong(&file, "in_features", found, expected));
        }
        if fields.out_features == 0 {
            return Err(wrong(
                &file,
                "out_features",
                "0".into(),
                "at least 1".into(),
            ));
        }
        if fields.use_residual {
            let expected = "false: a residual connection is not computed".into();
            return Err(wrong(&file, "use_residual", "true".into(), expected));
        }
        let activation = match fields.activation_function.as_str() {
            "torch.nn.modules.activation.Tanh" => Activation::Tanh,
            "torch.nn.modules.activation.ReLU" => Activation::Relu,
            "torch.nn.modules.linear.Identity" => Activation::Identity,
            _ => {
                let expected = "torch's Tanh, ReLU or Identity".into();
                let found = fields.activation_function;
                return Err(wrong(&file, "activation_function", found, expected));
            }
        };
        let weights = Weights::open(&folder, "linear.weight", &[""])?;
        let (outs, ins) = (fields.out_features, width);
        let dense = Self {
            weight: weights.values("linear.weight", &[outs, ins])?,
            bias: match fields.bias {
                true => weights.values("linear.bias", &[outs])?,
                false => vec![0.0; outs],
            },
            ins,
            activation,
        };
        weights.digest(digest)?;
        Ok(dense)
    }

    /// Entries of the result.
    pub(super) fn outs(&self) -> usize {
        self.bias.len()
    }

    pub(super) fn forward(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks(self.ins.max(1)).zip(&self.bias);
        let row = |(weights, bias): (&[f32], &f32)| {
            let products = weights.iter().zip(x).map(|(w, x)| f64::from(*w) * x);
            let sum = products.sum::<f64>() + f64::from(*bias);
            match self.activation {
                Activation::Tanh => sum.tanh(),
                Activation::Relu => sum.max(0.0),
                Activation::Identity => sum,
            }
        };
        rows.map(row).collect()
    }
}
