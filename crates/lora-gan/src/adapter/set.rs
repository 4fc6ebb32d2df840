//! Several adapters on one base.

use std::collections::BTreeMap;

use encoded_text::EncodedPrompt;
use weight_blocks::{NamedTensors, WeightSpace};

use super::first_non_finite;
use crate::error::Error;
use crate::generator::HybridGenerator;
use crate::layers::LoraConfig;

/// Named adapters on one base, each with the prompt that it is for, at most one of which is active.
///
/// They share the base's tensors: an adapter costs only its own values and its prompt's tokens, and switching costs nothing.
///
/// ```
/// use burn::tensor::Device;
/// use lora_gan::{AdapterSet, GeneratorConfig, HybridGenerator};
/// use weight_blocks::WeightSpace;
///
/// let base = HybridGenerator::new(&GeneratorConfig::compact(), 0, &Device::flex())?;
/// let trained = base.read_weights()?;
/// let mut set = AdapterSet::new(base);
/// // `None`: this base reads no prompts.
/// set.insert("teal charcoal sketch", &trained, None)?;
/// set.activate("teal charcoal sketch")?;
/// let network = set.network();
/// set.disable();
/// assert_eq!(set.active(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AdapterSet {
    base: HybridGenerator,
    adapters: BTreeMap<String, HybridGenerator>,
    active: Option<String>,
}

impl AdapterSet {
    /// A set without adapters. If none is active, `base` runs with its γ and β, and with LoRA's `up` set to zero. A base
    /// that reads prompts is given as it was loaded, for none of them.
    pub fn new(mut base: HybridGenerator) -> Self {
        base.for_each_unit(|unit| unit.reset_lora());
        Self {
            base,
            adapters: BTreeMap::new(),
            active: None,
        }
    }

    /// Adds an adapter with the base's LoRA configuration, or replaces the one of that name.
    ///
    /// If the base reads prompts ([`BaseGenerator::encoder`](crate::BaseGenerator::encoder)), `prompt` is the adapter's: its
    /// passes without a text read these tokens ([`HybridGenerator::with_prompt`]). With `None` they read the base's own.
    ///
    /// # Errors
    /// Returns [`Error::NonFinite`] if a value is NaN or infinite, [`Error::Weights`] if names or shapes do not fit, and
    /// [`Error::Input`] if the prompt's tokens are not as wide as the base's context.
    pub fn insert(
        &mut self,
        name: &str,
        weights: &NamedTensors,
        prompt: Option<&EncodedPrompt>,
    ) -> Result<(), Error> {
        self.load(name, self.base.clone(), weights, prompt)
    }

    /// [`AdapterSet::insert`] for an adapter with other layers, ranks or scales.
    ///
    /// # Errors
    /// Those of [`AdapterSet::insert`] and of [`HybridGenerator::with_lora`].
    pub fn insert_with(
        &mut self,
        name: &str,
        config: &LoraConfig,
        weights: &NamedTensors,
        prompt: Option<&EncodedPrompt>,
    ) -> Result<(), Error> {
        let network = self.base.clone().with_lora(config, 0)?;
        self.load(name, network, weights, prompt)
    }

    fn load(
        &mut self,
        name: &str,
        mut network: HybridGenerator,
        weights: &NamedTensors,
        prompt: Option<&EncodedPrompt>,
    ) -> Result<(), Error> {
        if let Some((name, index, value)) = first_non_finite(weights) {
            return Err(Error::NonFinite {
                name: name.to_owned(),
                index,
                value,
            });
        }
        if let Some(prompt) = prompt {
            network = network.with_prompt(prompt)?;
        }
        network.load_weights(weights)?;
        self.adapters.insert(name.to_owned(), network);
        Ok(())
    }

    /// Removes an adapter. If it was active, the base runs alone from then on.
    ///
    /// # Errors
    /// Returns [`Error::UnknownAdapter`] if there is none of that name.
    pub fn remove(&mut self, name: &str) -> Result<(), Error> {
        if self.adapters.remove(name).is_none() {
            return Err(self.unknown(name));
        }
        self.active.take_if(|active| active == name);
        Ok(())
    }

    /// Makes an adapter the active one.
    ///
    /// # Errors
    /// Returns [`Error::UnknownAdapter`] if there is none of that name.
    pub fn activate(&mut self, name: &str) -> Result<(), Error> {
        if !self.adapters.contains_key(name) {
            return Err(self.unknown(name));
        }
        self.active = Some(name.to_owned());
        Ok(())
    }

    /// Lets the base run alone.
    pub fn disable(&mut self) {
        self.active = None;
    }

    /// Name of the active adapter.
    pub fn active(&self) -> Option<&str> {
        self.active.as_deref()
    }

    /// Names of the adapters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.adapters.keys().map(String::as_str)
    }

    /// The base with the active adapter, to run or to [merge](HybridGenerator::merge).
    pub fn network(&self) -> &HybridGenerator {
        (self.active.as_ref())
            .and_then(|name| self.adapters.get(name))
            .unwrap_or(&self.base)
    }

    fn unknown(&self, name: &str) -> Error {
        Error::UnknownAdapter {
            name: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        }
    }
}
