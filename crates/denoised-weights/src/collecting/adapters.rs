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
use serde::Deserialize;
use serde_json::Value;
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::{Checkpoint, ConceptRecord, NamedTensors, WeightSpace, Zoo};

use super::{CollectEvent, collect};
use crate::error::Result;
use crate::fine_tune::digest_of;
use crate::pairs::{ConceptPairs, ConceptSource, PairCounts, PhotoSplits};
use crate::run::{claim, differences, read_json, write_json};
use crate::weights::{BLOCK_SIZE, adapt, adapter_layout};
use crate::{Error, PromptEncoder};

/// How a concept's adapter is trained and measured.
#[derive(Debug, Clone)]
pub struct CollectOptions {
    /// How to train from the zero start.
    pub recipe: Recipe,
    /// Checkpoints kept per concept, of the last epochs (the paper's K).
    pub keep: usize,
    /// Ends a concept's training before all epochs are done: as soon as the best Fréchet distance of the last `keep` epochs,
    /// on the pairs for measuring, is less than this share below the best of all epochs before them. The checkpoints are
    /// then those after convergence, as in the paper. Needs constant learning rates ([`Recipe::decay`] 0). `None` does all
    /// epochs.
    pub plateau: Option<f64>,
    /// Pairs to train on and to measure each checkpoint on.
    pub counts: PairCounts,
}

/// Trains adapters from the frozen base and appends them, with the checkpoints of their last epochs, to a zoo.
///
/// An interrupted collection, a killed one included, continues from the last finished epoch and ends with the same zoo; with
/// other options or pairs, it is refused. So is another recipe than that of the concepts in the zoo: its adapters are trained
/// alike, from one seed. Several processes may collect into one zoo: a concept is trained by one of them.
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
    /// epochs as checkpoints to keep, [`Error::Plateau`] for a share outside 0..1 or falling learning rates,
    /// [`Error::Weights`] if the zoo belongs to another base or cannot be read, and [`Error::OtherRecipe`] if a concept in it was
    /// trained by another recipe or from another seed.
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
        let decay = options.recipe.decay;
        if let Some(gain) = options.plateau
            && !((0.0..1.0).contains(&gain) && decay == 0.0)
        {
            return Err(Error::Plateau { gain, decay });
        }
        let layout = adapter_layout(base, BLOCK_SIZE)?;
        let zoo = Zoo::create(dir, &layout, &base.digest)?;
        check_recipe(&zoo, &options.recipe)?;
        Ok(Self {
            zoo,
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
    /// Returns the error of [`ConceptSource::pairs`] if pairs cannot be made; [`Error::FineTune`] if a training fails, or its
    /// state is damaged or of another recipe; [`Error::OtherRun`] if the state is of other options or pairs, and
    /// [`Error::NoRunRecord`] or [`Error::BadRunFile`] if it does not say of which; [`Error::Weights`], [`Error::File`] or
    /// [`Error::Io`] if a file cannot be read or written. What was collected before stays in the zoo.
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
        let CollectOptions {
            recipe,
            keep,
            plateau,
            ..
        } = &self.options;
        let evaluator = Evaluator::new(self.network, &pairs.test)?;
        let base = self.encoder.prompted(self.base, &pairs.prompt)?;
        let state = dir.join("state");
        let metric = evaluator.metric_name();
        let begun = ConceptTrainer::has_state(&state)?;
        claim(&dir.join("run.json"), begun, &self.identity(pairs, &metric))?;
        let start = base.generator.read_weights()?;
        let generator = &base.generator;
        let mut trainer =
            ConceptTrainer::resume(generator, &start, recipe.clone(), &self.device, &state)?;
        let kept = |epoch: usize| dir.join(format!("epoch-{epoch:04}.safetensors"));
        let file = dir.join("measured.json");
        let mut measured: Vec<Checkpoint> = match file.exists() {
            true => read_json(&file)?,
            false => Vec::new(),
        };
        // The process may have ended between measuring an epoch and saving the state.
        measured.retain(|checkpoint| checkpoint.epoch <= trainer.epochs_done());
        let converged = |measured: &[Checkpoint]| {
            let distances = (measured.iter()).filter_map(|found| found.metrics.get(&metric));
            let distances: Vec<f64> = distances.copied().collect();
            plateau.is_some_and(|gain| has_converged(&distances, *keep, gain))
        };
        while trainer.epochs_done() < recipe.epochs && !converged(&measured) {
            trainer.epoch(&pairs.train)?;
            let epoch = trainer.epochs_done();
            if plateau.is_some() || epoch + keep > recipe.epochs {
                let adapter = trainer.adapter()?;
                save_safetensors(kept(epoch), &adapter, &BTreeMap::new())?;
                let metrics = measure(&base, &evaluator, &adapter)?;
                measured.push(Checkpoint { epoch, metrics });
                write_json(&file, &measured)?;
            }
            trainer.save_state(&state)?;
        }
        let checkpoints = measured.split_off(measured.len().saturating_sub(*keep));
        let weights = (checkpoints.iter())
            .map(|checkpoint| Ok(load_safetensors(kept(checkpoint.epoch))?.0))
            .collect::<Result<_>>()?;
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

    /// What a concept's training is of, beside the recipe, which is in its state.
    fn identity(&self, pairs: &ConceptPairs, metric: &str) -> Value {
        serde_json::json!({
            "prompt": pairs.prompt,
            "train_pairs": pairs.train.len(),
            "train_pairs_sha256": digest_of(&pairs.train),
            "test_pairs": pairs.test.len(),
            "test_pairs_sha256": digest_of(&pairs.test),
            "metric": metric,
            "keep": self.options.keep,
            "plateau": self.options.plateau,
        })
    }
}

/// Refuses a zoo with a concept of another recipe, which holds the seed too.
fn check_recipe(zoo: &Zoo, recipe: &Recipe) -> Result<()> {
    for entry in zoo.last_entries() {
        let found = zoo.record(&entry.concept)?;
        // A recipe of an older zoo may lack fields that have their default.
        if Recipe::deserialize(&found.recipe).is_ok_and(|found| found == *recipe) {
            continue;
        }
        let path = zoo.dir().to_owned();
        let now = serde_json::to_value(recipe).map_err(|source| Error::Json {
            path: path.clone(),
            source,
        })?;
        return Err(Error::OtherRecipe {
            path,
            concept: entry.concept.clone(),
            differences: differences(&found.recipe, &now),
        });
    }
    Ok(())
}

/// Whether the best of the last `window` distances is less than the share `gain` below the best before them.
fn has_converged(distances: &[f64], window: usize, gain: f64) -> bool {
    let (earlier, last) = distances.split_at(distances.len().saturating_sub(window));
    let best = |distances: &[f64]| distances.iter().copied().fold(f64::INFINITY, f64::min);
    !earlier.is_empty() && best(last) > best(earlier) * (1.0 - gain)
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

#[cfg(test)]
mod tests {
    use super::has_converged;

    #[test]
    fn a_plateau_is_a_window_without_a_gain() {
        let converged = |distances: &[f64], gain| has_converged(distances, 2, gain);
        assert!(!converged(&[], 0.02));
        assert!(!converged(&[5.0, 5.0], 0.02), "nothing before the window");
        assert!(converged(&[5.0, 5.0, 5.0], 0.02));
        assert!(converged(&[5.0, 6.0, 4.95], 0.02), "1 % is too little");
        assert!(!converged(&[5.0, 6.0, 4.8], 0.02), "4 % is a gain");
        assert!(!converged(&[5.0, 4.8, 6.0], 0.02), "anywhere in the window");
        assert!(
            converged(&[4.8, 6.0, 4.9, 4.8], 0.02),
            "the best before counts"
        );
        assert!(!converged(&[5.0, 5.0, 4.999], 0.0));
    }
}
