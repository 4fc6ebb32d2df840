//! The starts that are fine-tuned beside each other.

use burn::tensor::Device;
use clap::ValueEnum;
use finetune::{Initializer, Nearest, Random, Zero, ZooMean};
use lora_gan::BaseGenerator;
use weight_blocks::{WeightSpace, Zoo};
use weight_diffusion::{SampleOptions, WeightGenerator};

use crate::Result;
use crate::assets::Text;
use crate::denoised::Denoised;

/// Where the adapter's weights come from before fine-tuning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum StartKind {
    /// The base as it is (E²GAN).
    Zero,
    /// The zoo's mean with noise of the zoo's scale.
    Random,
    /// The zoo's mean.
    Mean,
    /// The zoo concept with the most similar prompt.
    Nearest,
    /// The weight generator asked with another prompt.
    WrongPrompt,
    /// The weight generator.
    Denoised,
}

impl StartKind {
    /// All of them, ours last.
    pub const ALL: [Self; 6] = [
        Self::Zero,
        Self::Random,
        Self::Mean,
        Self::Nearest,
        Self::WrongPrompt,
        Self::Denoised,
    ];

    /// As on the command line and in reports.
    pub fn name(self) -> String {
        (self.to_possible_value()).map_or_else(String::new, |v| v.get_name().to_owned())
    }
}

/// What starts are made from.
pub struct Starts<'a> {
    /// The frozen base.
    pub base: &'a BaseGenerator,
    /// Reads the prompts.
    pub text: &'a Text,
    /// Predicts.
    pub generator: &'a WeightGenerator,
    /// Trained adapters.
    pub zoo: &'a Zoo,
    /// [`Text::pooled`], for the similarity of prompts.
    pub embed: &'a finetune::Embed<'a>,
    /// How to predict.
    pub options: SampleOptions,
    /// Seed of the random start.
    pub seed: u64,
    /// Where to compute.
    pub device: &'a Device,
}

impl<'a> Starts<'a> {
    /// The prediction from the concept's own prompt.
    pub fn denoised(&self) -> Denoised<'a> {
        Denoised::new(self.generator, self.text, self.options, self.device)
    }

    /// A start for the concept `prompt`; `others` are prompts of which the least similar is the wrong
    /// one.
    ///
    /// # Errors
    /// An empty zoo or one that cannot be read, a prompt without a known word, no other prompt.
    pub fn make(
        &self,
        kind: StartKind,
        prompt: &str,
        others: &[String],
    ) -> Result<Box<dyn Initializer + 'a>> {
        Ok(match kind {
            StartKind::Zero => Box::new(Zero::new(self.base.generator.read_weights()?)),
            StartKind::Random => Box::new(Random::from_zoo(self.zoo, self.seed)?),
            StartKind::Mean => Box::new(ZooMean::from_zoo(self.zoo)?),
            StartKind::Nearest => Box::new(Nearest::from_zoo(self.zoo, self.embed)?),
            StartKind::WrongPrompt => {
                let others = others.iter().map(String::as_str);
                let wrong = self.text.least_similar(prompt, others)?;
                Box::new(self.denoised().with_wrong_prompt(&wrong))
            }
            StartKind::Denoised => Box::new(self.denoised()),
        })
    }
}
