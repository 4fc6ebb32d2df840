//! The starts from which an adapter is fine-tuned.

mod auto;
mod by_pairs;
mod denoised;
mod interpolated;
mod inverted;
mod judge;
mod ridge;

use std::fmt;
use std::str::FromStr;

use finetune::{Initializer, Nearest, PairSet, Random, Zero, ZooMean};
use weight_blocks::{WeightSpace, Zoo};
use weight_diffusion::{SampleOptions, WeightGenerator};

use crate::error::Result;
use crate::{AdapterPredictor, Error};

pub use auto::{AutoCandidate, AutoChoice, AutoStart};
pub use by_pairs::BestByPairs;
pub use denoised::DenoisedStart;
pub use interpolated::Interpolated;
pub use inverted::Inverted;
pub use ridge::Ridge;

/// Where the adapter's weights come from before fine-tuning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartKind {
    /// The base with its prompt (E²GAN).
    Zero,
    /// The zoo's mean with noise of the zoo's scale.
    Random,
    /// The zoo's mean.
    Mean,
    /// The zoo concept with the most similar prompt.
    Nearest,
    /// Between the two zoo concepts with the most similar prompts.
    Interpolated,
    /// The zoo concept whose adapter edits the training pairs best.
    BestByPairs,
    /// Ridge regression from the prompt's vector to the weights.
    Ridge,
    /// The weight generator asked with another prompt.
    WrongPrompt,
    /// The weight generator.
    Denoised,
    /// The weight generator asked with a prompt that the training pairs have corrected.
    Inverted,
    /// The best, on some training pairs, of the prompted base, the prediction at several strengths, and the nearest zoo
    /// concepts' adapters and mixtures with them ([`AutoStart`]).
    Auto,
}

impl StartKind {
    /// All of them, the weight generator and the choice last.
    pub const ALL: [Self; 11] = [
        Self::Zero,
        Self::Random,
        Self::Mean,
        Self::Nearest,
        Self::Interpolated,
        Self::BestByPairs,
        Self::Ridge,
        Self::WrongPrompt,
        Self::Denoised,
        Self::Inverted,
        Self::Auto,
    ];

    /// The name in reports: `zero`, `random`, `mean`, `nearest`, `interpolated`, `best_by_pairs`, `ridge`, `wrong_prompt`,
    /// `denoised`, `inverted`, `auto`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Random => "random",
            Self::Mean => "mean",
            Self::Nearest => "nearest",
            Self::Interpolated => "interpolated",
            Self::BestByPairs => "best_by_pairs",
            Self::Ridge => "ridge",
            Self::WrongPrompt => "wrong_prompt",
            Self::Denoised => "denoised",
            Self::Inverted => "inverted",
            Self::Auto => "auto",
        }
    }

    /// Whether the start is made from the adapters of a zoo, so that there is none if the zoo has no entries.
    pub fn needs_zoo(self) -> bool {
        match self {
            Self::Random
            | Self::Mean
            | Self::Nearest
            | Self::Interpolated
            | Self::BestByPairs
            | Self::Ridge => true,
            Self::Zero | Self::WrongPrompt | Self::Denoised | Self::Inverted | Self::Auto => false,
        }
    }
}

impl fmt::Display for StartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for StartKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::UnknownName {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// What starts are made from.
#[derive(Clone, Copy)]
pub struct Starts<'a> {
    /// The base, and the encoder that reads the prompts.
    pub predictor: &'a AdapterPredictor,
    /// Predicts: the predictor's own generator, or another one of the same base and encoder.
    pub generator: &'a WeightGenerator,
    /// Trained adapters.
    pub zoo: &'a Zoo,
    /// The training pairs, on which some starts choose.
    pub pairs: &'a PairSet,
    /// How to predict.
    pub options: SampleOptions,
    /// Seed of the random start.
    pub seed: u64,
}

/// Without the networks and the images.
impl fmt::Debug for Starts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starts")
            .field("zoo", &self.zoo.dir())
            .field("pairs", &self.pairs.len())
            .field("options", &self.options)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl<'a> Starts<'a> {
    /// [`Initializer::identity`] of what `name` predicts for a prompt.
    fn identity(&self, name: &str) -> Result<String, finetune::Error> {
        identity_of(name, self.generator, &self.options)
    }

    /// The choice of [`StartKind::Auto`].
    pub fn auto(&self) -> AutoStart<'a> {
        AutoStart::new(*self)
    }

    /// The prediction from the concept's own prompt.
    pub fn denoised(&self) -> DenoisedStart<'a> {
        DenoisedStart::new(self.predictor, self.generator, self.options)
    }

    /// A start for the concept `prompt`; the wrong prompt is the one of `others` that is least similar to it.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if the zoo is empty or cannot be read, [`Error::Text`] if the encoder knows no word of a
    /// prompt, and [`Error::NoOtherPrompt`].
    pub fn make(
        &self,
        kind: StartKind,
        prompt: &str,
        others: &[String],
    ) -> Result<Box<dyn Initializer + 'a>> {
        let encoder = self.predictor.encoder();
        Ok(match kind {
            StartKind::Zero => {
                let base = &self.predictor.base().generator;
                Box::new(Zero::new(base.read_weights()?))
            }
            StartKind::Random => Box::new(Random::from_zoo(self.zoo, self.seed)?),
            StartKind::Mean => Box::new(ZooMean::from_zoo(self.zoo)?),
            StartKind::Nearest => Box::new(Nearest::from_zoo(self.zoo, |prompt| {
                Ok(encoder.pooled(prompt)?)
            })?),
            StartKind::Interpolated => Box::new(Interpolated::from_zoo(self.zoo, encoder)?),
            StartKind::BestByPairs => Box::new(BestByPairs {
                predictor: self.predictor,
                zoo: self.zoo,
                pairs: self.pairs,
            }),
            StartKind::Ridge => Box::new(Ridge::from_zoo(self.zoo, encoder)?),
            StartKind::WrongPrompt => {
                let others = others.iter().map(String::as_str);
                let wrong = encoder.least_similar(prompt, others)?;
                Box::new(self.denoised().with_wrong_prompt(&wrong))
            }
            StartKind::Denoised => Box::new(self.denoised()),
            StartKind::Inverted => Box::new(Inverted::new(*self)),
            StartKind::Auto => Box::new(self.auto()),
        })
    }
}

/// [`Initializer::identity`] of a prediction.
pub(crate) fn identity_of(
    name: &str,
    generator: &WeightGenerator,
    options: &SampleOptions,
) -> Result<String, finetune::Error> {
    let digest = generator.digest();
    let digest = digest.map_err(|error| finetune::Error::Initializer {
        name: name.to_owned(),
        source: error.into(),
    })?;
    Ok(format!("{name} by generator {digest:.12}, {options:?}"))
}

/// The error of a start that could not be made.
fn failed(start: &dyn Initializer, error: Error) -> finetune::Error {
    finetune::Error::Initializer {
        name: start.name().to_owned(),
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_is_found_by_its_name() {
        for kind in StartKind::ALL {
            assert_eq!(kind.to_string().parse::<StartKind>().unwrap(), kind);
        }
        let error = "cold".parse::<StartKind>().unwrap_err().to_string();
        assert!(
            error.contains("cold") && error.contains("wrong_prompt"),
            "{error}"
        );
    }
}
