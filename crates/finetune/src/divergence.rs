//! Finding the cause of a NaN or infinite loss.

use burn::module::Module;
use burn::tensor::Tensor;
use weight_blocks::{HostTensor, NamedTensors, module_to_named};

use crate::{Error, Recipe};

/// Returns an error if `value` is NaN or infinite; [`Suspects::accuse`] then finds the layer.
pub(crate) fn check_finite(
    recipe: &Recipe,
    epoch: usize,
    step: usize,
    which: &'static str,
    value: f32,
) -> Result<(), Error> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::NotFinite {
        epoch,
        step,
        which,
        value,
        layer: String::new(),
        found: value,
        learning_rate: match which {
            "discriminator" => recipe.lr_discriminator,
            _ => recipe.lr_generator,
        },
    })
}

/// The tensors that a step computes with, in the order in which they are suspected.
#[derive(Default)]
pub(crate) struct Suspects(Vec<(String, HostTensor)>);

impl Suspects {
    /// Adds photos or targets.
    pub(crate) fn images(mut self, name: &str, images: &Tensor<4>) -> Self {
        let tensor = images.clone().without_autodiff();
        let shape = tensor.dims().to_vec();
        let data = tensor.into_data().iter::<f32>().collect();
        self.0.push((name.to_owned(), HostTensor { shape, data }));
        self
    }

    /// Adds the parameters and statistics of a network.
    pub(crate) fn network<M: Module>(mut self, name: &str, network: &M) -> Result<Self, Error> {
        let named: NamedTensors = module_to_named(network)?;
        // A failed pass also spoils the running statistics; the weight that caused it comes first.
        let (statistics, weights): (Vec<_>, Vec<_>) = (named.into_iter())
            .map(|(layer, tensor)| (format!("{name}.{layer}"), tensor))
            .partition(|(layer, _)| layer.contains(".running_"));
        self.0.extend(weights);
        self.0.extend(statistics);
        Ok(self)
    }

    /// The first tensor with a NaN or infinite value, and the value.
    pub(crate) fn broken(&self) -> Option<(&str, f32)> {
        self.0.iter().find_map(|(name, tensor)| {
            let value = tensor.data.iter().find(|value| !value.is_finite())?;
            Some((name.as_str(), *value))
        })
    }

    /// The largest value and its tensor: if all values are finite, an overflow begins there.
    fn largest(&self) -> Option<(&str, f32)> {
        let largest = |(name, tensor): &'_ (String, HostTensor)| {
            let value = tensor.data.iter().copied();
            let value = value.max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
            Some((name.clone(), value))
        };
        let found = self.0.iter().filter_map(largest);
        let (name, value) = found.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        let known = self.0.iter().find(|(other, _)| *other == name)?;
        Some((known.0.as_str(), value))
    }

    /// The error with its layer; other errors stay as they are.
    pub(crate) fn accuse(&self, error: Error) -> Error {
        let found_at = self.broken().or_else(|| self.largest());
        match (error, found_at) {
            (
                Error::NotFinite {
                    epoch,
                    step,
                    which,
                    value,
                    learning_rate,
                    ..
                },
                Some((layer, found)),
            ) => Error::NotFinite {
                epoch,
                step,
                which,
                value,
                layer: layer.to_owned(),
                found,
                learning_rate,
            },
            (other, _) => other,
        }
    }
}
