//! Collecting adapters of the image translator.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use burn::tensor::Device;
use clean_fid::FeatureNet;
use concepts::Split;
use finetune::{ConceptTrainer, Evaluator, Recipe};
use lora_gan::BaseGenerator;
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::{Checkpoint, ConceptRecord, NamedTensors, WeightSpace, Zoo};

use super::{CollectEvent, collect};
use crate::error::Result;
use crate::pairs::{ConceptPairs, ConceptSource, PairCounts, PhotoSplits};
use crate::weights::{BLOCK_SIZE, adapt, adapter_layout};
use crate::{Error, PromptEncoder};

/// How a concept's adapter is trained and measured.
#[derive(Debug, Clone)]
pub struct CollectOptions {
    /// How to train from the zero start.
    pub recipe: Recipe,
    /// Checkpoints kept per concept, of the last epochs.
    pub keep: usize,
    /// Pairs to train on and to measure each checkpoint on.
    pub counts: PairCounts,
}

/// Trains adapters from the frozen base and appends them, with the checkpoints of their last epochs, to a zoo.
///
/// An interrupted collection, a killed one included, continues from the last finished epoch and ends with the same zoo.
/// Several processes may collect into one zoo: a concept is trained by one of them.
pub struct Collector<'a> {
    zoo: Zoo,
    base: &'a BaseGenerator,
    encoder: &'a PromptEncoder,
    network: &'a dyn FeatureNet,
    options: CollectOptions,
    device: Device,
}

/// Without the networks.
impl fmt::Debug for Collector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("zoo", &self.zoo.dir())
            .field("base", &self.base.digest)
            .field("options", &self.options)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl<'a> Collector<'a> {
    /// Opens the zoo in `dir`, or creates it; `encoder` reads the prompts, and `network` gives the features that quality is measured on.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if the recipe cannot train anything, [`Error::KeptCheckpoints`] if there are not as many
    /// epochs as checkpoints to keep, and [`Error::Weights`] if the zoo belongs to another base or cannot be read.
    pub fn open(
        dir: &Path,
        base: &'a BaseGenerator,
        encoder: &'a PromptEncoder,
        network: &'a dyn FeatureNet,
        options: CollectOptions,
        device: &Device,
    ) -> Result<Self> {
        let (keep, epochs) = (options.keep, options.recipe.epochs);
        options.recipe.validate()?;
        if keep == 0 || keep > epochs {
            return Err(Error::KeptCheckpoints { keep, epochs });
        }
        let layout = adapter_layout(base, BLOCK_SIZE)?;
        Ok(Self {
            zoo: Zoo::create(dir, &layout, &base.digest)?,
            base,
            encoder,
            network,
            options,
            device: device.clone(),
        })
    }

    /// The zoo, as it was when it was last read or appended to.
    pub fn zoo(&self) -> &Zoo {
        &self.zoo
    }

    /// Collects the concepts that the zoo lacks; `photos` are edited for those of the shipped list. Gives the number of
    /// concepts that this process trained.
    ///
    /// # Errors
    /// Returns the error of [`ConceptSource::pairs`] if pairs cannot be made; [`Error::FineTune`] if a training fails or its
    /// state is damaged; [`Error::Weights`], [`Error::File`] or [`Error::Io`] if a
    /// file cannot be read or written. What was collected
    /// before stays in the zoo.
    pub fn collect(
        &mut self,
        concepts: &[(String, ConceptSource)],
        photos: Option<&PhotoSplits>,
        observe: impl FnMut(CollectEvent<'_>),
    ) -> Result<usize> {
        let size = self.base.config.image_size;
        let observe = RefCell::new(observe);
        let mut zoo = self.zoo.clone();
        let train = |name: &str, source: &ConceptSource, states: &Path| {
            let (split, counts) = (Split::Validation, self.options.counts);
            let pairs = source.pairs(photos, split, counts, size, &self.device)?;
            let given = pairs.given;
            (observe.borrow_mut())(CollectEvent::Begin {
                concept: name,
                given,
            });
            self.train(name, &pairs, states)
        };
        let collected = collect(&mut zoo, concepts, train, |event| {
            (observe.borrow_mut())(event);
        });
        self.zoo = zoo;
        collected
    }

    /// Trains one concept, or continues its training; gives the kept checkpoints with their quality.
    fn train(
        &self,
        name: &str,
        pairs: &ConceptPairs,
        dir: &Path,
    ) -> Result<(ConceptRecord, Vec<NamedTensors>)> {
        let CollectOptions { recipe, keep, .. } = &self.options;
        let evaluator = Evaluator::new(self.network, &pairs.test)?;
        let base = self.encoder.prompted(self.base, &pairs.prompt)?;
        let state = dir.join("state");
        let start = base.generator.read_weights()?;
        let generator = &base.generator;
        let mut trainer =
            ConceptTrainer::resume(generator, &start, recipe.clone(), &self.device, &state)?;
        let kept = |epoch: usize| dir.join(format!("epoch-{epoch:04}.safetensors"));
        let first_kept = recipe.epochs + 1 - keep;
        while trainer.epochs_done() < recipe.epochs {
            trainer.epoch(&pairs.train)?;
            if trainer.epochs_done() >= first_kept {
                let path = kept(trainer.epochs_done());
                save_safetensors(&path, &trainer.adapter()?, &BTreeMap::new())?;
            }
            trainer.save_state(&state)?;
        }
        let mut checkpoints = Vec::new();
        let mut weights = Vec::new();
        for epoch in first_kept..=recipe.epochs {
            let (adapter, _) = load_safetensors(kept(epoch))?;
            let metrics = measure(&base, &evaluator, &adapter)?;
            checkpoints.push(Checkpoint { epoch, metrics });
            weights.push(adapter);
        }
        let json = |source| Error::Json {
            path: state.clone(),
            source,
        };
        let record = ConceptRecord {
            concept: name.to_owned(),
            prompt: pairs.prompt.clone(),
            seed: recipe.seed,
            recipe: serde_json::to_value(recipe).map_err(json)?,
            checkpoints,
        };
        Ok((record, weights))
    }
}

fn measure(
    base: &BaseGenerator,
    evaluator: &Evaluator<'_>,
    adapter: &NamedTensors,
) -> Result<BTreeMap<String, f64>> {
    let quality = evaluator.measure(&adapt(base, adapter)?)?;
    Ok(BTreeMap::from([
        (evaluator.metric_name(), quality.frechet),
        ("l1".to_owned(), quality.l1),
        ("ssim".to_owned(), quality.ssim),
    ]))
}
