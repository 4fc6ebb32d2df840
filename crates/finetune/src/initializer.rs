//! The LoRA weights from which the training of a concept starts.

use std::collections::BTreeMap;
use std::fmt;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_blocks::{NamedTensors, Zoo};

use crate::Error;

/// Starting weights and where they came from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The adapter to load.
    pub weights: NamedTensors,
    /// For people: the zoo entry they were copied from, for example.
    pub origin: Option<String>,
}

/// Concept → starting LoRA weights. Object-safe; a weight generator is another implementation.
pub trait Initializer {
    /// Short name for tables: `zero`, `random`, `mean`, `nearest`, `denoised`, …
    fn name(&self) -> &str;

    /// What the weights depend on beside the prompt, the base and the training pairs, to tell one training from another: the
    /// name, and digests of the zoo or the weight generator that they come from.
    ///
    /// # Errors
    /// Returns [`Error::Initializer`] if there is no digest, as of a weight generator with NaN or infinite weights.
    fn identity(&self) -> Result<String, Error> {
        Ok(self.name().to_owned())
    }

    /// The weights from which the concept `prompt` starts.
    ///
    /// # Errors
    /// Returns [`Error::EmptyZoo`], or [`Error::Initializer`] if the prompt cannot be encoded.
    fn start(&self, prompt: &str) -> Result<Start, Error>;
}

/// E²GAN's start: the base as it is (`up` zero, so every LoRA update is zero).
#[derive(Debug, Clone)]
pub struct Zero {
    initial: NamedTensors,
}

impl Zero {
    /// `initial` is what a fresh base generator reads back.
    pub fn new(initial: NamedTensors) -> Self {
        Self { initial }
    }
}

impl Initializer for Zero {
    fn name(&self) -> &str {
        "zero"
    }

    fn start(&self, _prompt: &str) -> Result<Start, Error> {
        Ok(Start {
            weights: self.initial.clone(),
            origin: None,
        })
    }
}

/// The zoo's mean plus uniform noise of the zoo's own deviation, per tensor: right in scale, wrong
/// in everything else.
#[derive(Debug, Clone)]
pub struct Random {
    mean: NamedTensors,
    deviation: BTreeMap<String, f32>,
    seed: u64,
    zoo: String,
}

impl Random {
    /// Takes the statistics from all entries of a zoo.
    ///
    /// # Errors
    /// Returns [`Error::EmptyZoo`], or [`Error::Weights`] if the zoo cannot be read.
    pub fn from_zoo(zoo: &Zoo, seed: u64) -> Result<Self, Error> {
        let mean = zoo_mean(zoo)?;
        let mut squares: BTreeMap<String, (f64, usize)> = BTreeMap::new();
        for entry in zoo.entries() {
            for (name, tensor) in &zoo.load(entry)? {
                let Some(centre) = mean.get(name) else {
                    continue;
                };
                let slot = squares.entry(name.clone()).or_default();
                for (x, m) in tensor.data.iter().zip(&centre.data) {
                    slot.0 += f64::from(x - m).powi(2);
                    slot.1 += 1;
                }
            }
        }
        let deviation = squares
            .into_iter()
            .map(|(name, (sum, n))| (name, (sum / n.max(1) as f64).sqrt() as f32))
            .collect();
        Ok(Self {
            mean,
            deviation,
            seed,
            zoo: zoo.digest(),
        })
    }
}

impl Initializer for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn identity(&self) -> Result<String, Error> {
        Ok(format!(
            "random of zoo {:.12}, seed {}",
            self.zoo, self.seed
        ))
    }

    fn start(&self, _prompt: &str) -> Result<Start, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut weights = self.mean.clone();
        for (name, tensor) in &mut weights {
            // A uniform draw of the same deviation: √3 times as wide to each side.
            let bound = self.deviation.get(name).copied().unwrap_or(0.0) * 3f32.sqrt();
            for value in &mut tensor.data {
                *value += bound * (2.0 * rng.random::<f32>() - 1.0);
            }
        }
        Ok(Start {
            weights,
            origin: None,
        })
    }
}

/// The mean of all zoo entries.
#[derive(Debug, Clone)]
pub struct ZooMean {
    mean: NamedTensors,
    zoo: String,
}

impl ZooMean {
    /// Averages a zoo.
    ///
    /// # Errors
    /// Returns [`Error::EmptyZoo`], or [`Error::Weights`] if the zoo cannot be read.
    pub fn from_zoo(zoo: &Zoo) -> Result<Self, Error> {
        Ok(Self {
            mean: zoo_mean(zoo)?,
            zoo: zoo.digest(),
        })
    }
}

impl Initializer for ZooMean {
    fn name(&self) -> &str {
        "mean"
    }

    fn identity(&self) -> Result<String, Error> {
        Ok(format!("mean of zoo {:.12}", self.zoo))
    }

    fn start(&self, _prompt: &str) -> Result<Start, Error> {
        Ok(Start {
            weights: self.mean.clone(),
            origin: None,
        })
    }
}

type Embedding = Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>>;

/// The last checkpoint of the zoo concept whose prompt is most similar.
pub struct Nearest<'a> {
    zoo: &'a Zoo,
    embed: Box<dyn Fn(&str) -> Embedding + 'a>,
    /// Per concept: its last entry and its prompt's vector.
    concepts: Vec<(usize, Vec<f32>)>,
}

/// Without the prompts' vectors.
impl fmt::Debug for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nearest")
            .field("concepts", &self.concepts.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Nearest<'a> {
    /// Embeds the prompts of a zoo with `embed`, which turns a prompt into a vector: the dot product of two is their
    /// similarity.
    ///
    /// # Errors
    /// Returns [`Error::EmptyZoo`], or [`Error::Initializer`] if a prompt cannot be embedded.
    pub fn from_zoo(zoo: &'a Zoo, embed: impl Fn(&str) -> Embedding + 'a) -> Result<Self, Error> {
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, entry) in zoo.entries().iter().enumerate() {
            let slot = last.entry(&entry.concept).or_insert(i);
            if zoo.entries()[*slot].checkpoint <= entry.checkpoint {
                *slot = i;
            }
        }
        if last.is_empty() {
            return Err(Error::EmptyZoo);
        }
        let concepts = last
            .into_values()
            .map(|i| Ok((i, embed(&zoo.entries()[i].prompt).map_err(failed)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            zoo,
            embed: Box::new(embed),
            concepts,
        })
    }
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Initializer {
        name: "nearest".into(),
        source,
    }
}

impl Initializer for Nearest<'_> {
    fn name(&self) -> &str {
        "nearest"
    }

    fn identity(&self) -> Result<String, Error> {
        Ok(format!("nearest of zoo {:.12}", self.zoo.digest()))
    }

    fn start(&self, prompt: &str) -> Result<Start, Error> {
        let query = (self.embed)(prompt).map_err(failed)?;
        let similarity = |v: &[f32]| -> f32 { v.iter().zip(&query).map(|(a, b)| a * b).sum() };
        let (index, _) = self
            .concepts
            .iter()
            .max_by(|a, b| similarity(&a.1).total_cmp(&similarity(&b.1)))
            .ok_or(Error::EmptyZoo)?;
        let entry = &self.zoo.entries()[*index];
        Ok(Start {
            weights: self.zoo.load(entry)?,
            origin: Some(entry.concept.clone()),
        })
    }
}

fn zoo_mean(zoo: &Zoo) -> Result<NamedTensors, Error> {
    let mut sums: BTreeMap<String, (Vec<usize>, Vec<f64>)> = BTreeMap::new();
    let count = zoo.entries().len();
    if count == 0 {
        return Err(Error::EmptyZoo);
    }
    for entry in zoo.entries() {
        for (name, tensor) in zoo.load(entry)? {
            let slot = sums
                .entry(name)
                .or_insert_with(|| (tensor.shape.clone(), vec![0.0; tensor.data.len()]));
            for (sum, value) in slot.1.iter_mut().zip(&tensor.data) {
                *sum += f64::from(*value);
            }
        }
    }
    sums.into_iter()
        .map(|(name, (shape, sum))| {
            let data = sum.iter().map(|s| (s / count as f64) as f32).collect();
            let tensor = weight_blocks::HostTensor::new(shape, data);
            Ok((name, tensor.map_err(weight_blocks::Error::from)?))
        })
        .collect()
}
