//! The weight generator as a start for fine-tuning.

use std::cell::RefCell;
use std::fmt;

use finetune::{Initializer, Start};
use weight_diffusion::{Prediction, SampleOptions, WeightGenerator};

use super::{failed, identity_of};
use crate::AdapterPredictor;
use crate::error::Result;

/// One denoising step from a prompt to all LoRA weights.
pub struct DenoisedStart<'a> {
    name: &'static str,
    predictor: &'a AdapterPredictor,
    generator: &'a WeightGenerator,
    options: SampleOptions,
    /// Asked for in place of the concept's own prompt.
    other_prompt: Option<String>,
    last: RefCell<Option<Prediction>>,
}

/// Without the networks.
impl fmt::Debug for DenoisedStart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenoisedStart")
            .field("name", &self.name)
            .field("options", &self.options)
            .field("other_prompt", &self.other_prompt)
            .finish_non_exhaustive()
    }
}

impl<'a> DenoisedStart<'a> {
    /// Predicts with `generator`, which is the predictor's own or another one of the same base and encoder.
    pub fn new(
        predictor: &'a AdapterPredictor,
        generator: &'a WeightGenerator,
        options: SampleOptions,
    ) -> Self {
        Self {
            name: "denoised",
            predictor,
            generator,
            options,
            other_prompt: None,
            last: RefCell::new(None),
        }
    }

    /// Predicts from `prompt` whatever the concept is: shows whether the text matters.
    pub fn with_wrong_prompt(mut self, prompt: &str) -> Self {
        self.name = "wrong_prompt";
        self.other_prompt = Some(prompt.to_owned());
        self
    }

    /// The last prediction, with its norm beside the zoo's.
    pub fn take_prediction(&self) -> Option<Prediction> {
        self.last.take()
    }

    fn predict(&self, prompt: &str) -> Result<Prediction> {
        let device = self.predictor.device();
        let tokens = self.predictor.encoder().tokens(prompt)?;
        Ok(self.generator.predict(&tokens, &self.options, device)?)
    }
}

impl Initializer for DenoisedStart<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        let name = match &self.other_prompt {
            Some(prompt) => format!("{} {prompt:?}", self.name),
            None => self.name.to_owned(),
        };
        identity_of(&name, self.generator, &self.options)
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        let prediction = self.predict(self.other_prompt.as_deref().unwrap_or(prompt));
        let prediction = prediction.map_err(|error| failed(self, error))?;
        let weights = prediction.weights.clone();
        self.last.replace(Some(prediction));
        Ok(Start {
            weights,
            origin: self.other_prompt.clone(),
        })
    }
}
