//! Training a weight generator further, through what its weights do to photos.

use burn::tensor::Device;
use finetune::{AdapterLoss, PairSet};
use image::RgbImage;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tensor_file::digest::file_sha256;
use weight_blocks::Zoo;
use weight_diffusion::encoded_text::{EncodedPrompt, TextCondition};
use weight_diffusion::{BlockSource, NetworkTrainer, TrainConfig, WeightGenerator};

use super::{
    EditLoss, JudgedOn, TrainedOn, TrainingEvent, TrainingFolder, TrainingReport, ZooRecords,
};
use crate::error::Result;
use crate::pairs::{ConceptDraws, ConceptSource, read_training_pairs};
use crate::{AdapterPredictor, Assets, Error};

/// What a weight generator is refined with.
pub struct Refinement<'a> {
    /// The generator to start from, with its base and encoder.
    pub predictor: &'a AdapterPredictor,
    /// The zoo that the generator was trained on.
    pub zoo: &'a Zoo,
    /// The concepts that each step draws from.
    pub concepts: RefinedOn<'a>,
    /// Pairs per concept and step.
    pub n_pairs: usize,
    /// How to train; a step sees [`TrainConfig::batch_size`] concepts.
    pub config: TrainConfig,
}

/// The concepts and pairs of a refinement. It needs no adapters of them, so they need not be in the zoo.
pub enum RefinedOn<'a> {
    /// Drawn concepts, by which these photos are edited.
    Drawn(ConceptDraws, &'a [RgbImage]),
    /// Ready pairs.
    Ready(Vec<ReadyConcept>),
}

/// A concept with its pairs.
pub struct ReadyConcept {
    prompt: String,
    pairs: Vec<(RgbImage, RgbImage)>,
}

impl<'a> RefinedOn<'a> {
    /// The folders among `sources`, at `size`×`size` pixels, or, if there are none, the listed concepts with `photos`.
    ///
    /// # Errors
    /// Returns [`Error::NoTrainingPairs`] for a folder without pairs, and [`Error::Concepts`], which names the file or
    /// folder that cannot be used.
    pub fn sources(
        sources: Vec<(String, ConceptSource)>,
        photos: &'a [RgbImage],
        size: usize,
        seed: u64,
    ) -> Result<Self> {
        let (mut list, mut ready) = (Vec::new(), Vec::new());
        for (_, source) in sources {
            match source {
                ConceptSource::List(concept) => list.push(concept),
                ConceptSource::Folder(dir, prompt) => {
                    let pairs = read_training_pairs(&dir, size)?;
                    if pairs.is_empty() {
                        return Err(Error::NoTrainingPairs { path: dir });
                    }
                    ready.push(ReadyConcept { prompt, pairs });
                }
            }
        }
        Ok(match ready.is_empty() {
            true => Self::Drawn(ConceptDraws::of_list(list, seed), photos),
            false => Self::Ready(ready),
        })
    }

    fn describe(&self) -> String {
        match self {
            Self::Drawn(draws, photos) => format!("{}, {} photos", draws.describe(), photos.len()),
            Self::Ready(ready) => format!("{} folders of pairs", ready.len()),
        }
    }
}

/// Trains the generator on `device` with the L1 between the targets of concepts and what the one-step predictions of their
/// weights make of the photos, or continues the interrupted training in `folder`. Writes the refined generator there.
///
/// # Errors
/// Returns [`Error::NoConcepts`] or [`Error::NoPhotos`] if there is nothing to draw from; [`Error::Weights`] if the zoo
/// belongs to another base; and otherwise as [`train`](super::train()).
pub fn refine(
    refinement: Refinement<'_>,
    assets: &Assets,
    folder: &TrainingFolder,
    device: &Device,
    observe: &mut dyn FnMut(TrainingEvent),
) -> Result<(WeightGenerator, TrainingReport)> {
    let run = RefineRun::new(refinement, assets, folder, device)?;
    observe(TrainingEvent::data(&run.records.dataset));
    let _lock = folder.lock()?;
    run.take(observe)
}

struct RefineRun<'a> {
    predictor: &'a AdapterPredictor,
    zoo: &'a Zoo,
    records: ZooRecords,
    draws: Draws<'a>,
    data: TrainedOn,
    config: TrainConfig,
    folder: &'a TrainingFolder,
    device: &'a Device,
}

impl<'a> RefineRun<'a> {
    fn new(
        refinement: Refinement<'a>,
        assets: &Assets,
        folder: &'a TrainingFolder,
        device: &'a Device,
    ) -> Result<Self> {
        let Refinement {
            predictor,
            zoo,
            config,
            ..
        } = refinement;
        let (base, generator) = (predictor.base(), predictor.generator());
        zoo.check(generator.layout(), &base.digest)?;
        let encoder = predictor.encoder();
        let records = ZooRecords::read(zoo, encoder, Some(generator.normalizer()))?;
        let start = assets.weight_generator.join(WeightGenerator::WEIGHTS_FILE);
        let (size, n_pairs) = (base.config.image_size, refinement.n_pairs.max(1));
        let what = format!(
            "edits of {n_pairs} pairs at {size} pixels of {} from generator {}",
            refinement.concepts.describe(),
            file_sha256(&start)?
        );
        Ok(Self {
            data: TrainedOn::new(&records.dataset, encoder.id(), Some(what), Vec::new())?,
            draws: Draws {
                concepts: refinement.concepts,
                predictor,
                n_pairs,
                seed: config.seed,
                device,
            },
            predictor,
            zoo,
            records,
            config,
            folder,
            device,
        })
    }

    /// Takes all steps and writes the refined generator.
    fn take(
        &self,
        observe: &mut dyn FnMut(TrainingEvent),
    ) -> Result<(WeightGenerator, TrainingReport)> {
        let (base, generator) = (self.predictor.base(), self.predictor.generator());
        let (unet, dataset) = (generator.unet(), &self.records.dataset);
        let (config, device) = (&self.config, self.device);
        let losses = (0..config.batch_size)
            .map(|_| AdapterLoss::new(&base.generator, device))
            .collect();
        let layout = generator.layout();
        let judged = |step, number| self.draws.judged_on(step, number);
        let mut loss = EditLoss::new(losses, layout.clone(), judged);
        let fresh = || NetworkTrainer::from_model(config.clone(), unet, dataset.spec(), device);
        let mut trainer =
            (self.folder).resume_or(config, unet.config(), dataset, &self.data, device, fresh)?;
        let step = |trainer: &mut NetworkTrainer| {
            let number = trainer.steps_done() + 1;
            let prompts = self.draws.prompts(number, config.batch_size);
            let prompts = prompts.map_err(|source| weight_diffusion::Error::NetworkLoss {
                step: number,
                source: source.into(),
            })?;
            trainer.step(dataset, &prompts, &mut loss)
        };
        let report = (self.folder).run(&mut trainer, dataset, step, |_| Ok(None), observe)?;
        let refined = WeightGenerator::new(
            trainer.ema_model(),
            layout.clone(),
            generator.normalizer().clone(),
            self.predictor.encoder().id(),
            generator.zoo_norm(),
            self.zoo.base_digest(),
            generator.defaults(),
        )?
        .with_trained_norm(dataset.texts(), device)?;
        self.folder.finish(&refined)?;
        Ok((refined, report))
    }
}

/// Draws concepts and pairs by seed and step.
struct Draws<'a> {
    concepts: RefinedOn<'a>,
    predictor: &'a AdapterPredictor,
    n_pairs: usize,
    seed: u64,
    device: &'a Device,
}

impl Draws<'_> {
    /// The prompts of a step.
    fn prompts(&self, step: u64, count: usize) -> Result<Vec<EncodedPrompt>> {
        (0..count)
            .map(|number| self.tokens(&self.drawn(step, number)?.0))
            .collect()
    }

    fn tokens(&self, prompt: &str) -> Result<EncodedPrompt> {
        self.predictor.encoder().tokens(prompt)
    }

    /// The pairs of draw `number` of a step, and its prompt if the base reads one.
    fn judged_on(&self, step: u64, number: usize) -> Result<JudgedOn> {
        let (prompt, pairs) = self.drawn(step, number)?;
        let base = self.predictor.base();
        let (size, width) = (base.config.image_size, base.config.context_width);
        let text = match &base.encoder {
            None => None,
            Some(_) => {
                let tokens = [self.tokens(&prompt)?];
                let text = TextCondition::from_host(&tokens, width, self.device);
                Some(text.map_err(weight_diffusion::Error::from)?)
            }
        };
        let pairs = PairSet::new(&pairs.make(), size, self.device)?;
        Ok(JudgedOn { pairs, text })
    }

    fn drawn(&self, step: u64, number: usize) -> Result<(String, DrawnPairs<'_>)> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((step << 16) + number as u64);
        match &self.concepts {
            RefinedOn::Drawn(concepts, photos) => {
                let drawn = concepts
                    .draw(step, number as u64)
                    .ok_or(Error::NoConcepts)?;
                let photos: Vec<&RgbImage> = (0..self.n_pairs)
                    .filter_map(|_| photos.choose(&mut rng))
                    .collect();
                let pairs = DrawnPairs::Edits(Box::new(drawn.concept), photos);
                Ok((drawn.prompt, pairs))
            }
            RefinedOn::Ready(ready) => {
                let concept = ready.choose(&mut rng).ok_or(Error::NoConcepts)?;
                let pairs = &concept.pairs;
                let picked = (0..self.n_pairs).map(|_| &pairs[rng.random_range(0..pairs.len())]);
                Ok((concept.prompt.clone(), DrawnPairs::Ready(picked.collect())))
            }
        }
    }
}

/// Pairs that have been picked but not made.
enum DrawnPairs<'a> {
    Edits(Box<concepts::Concept>, Vec<&'a RgbImage>),
    Ready(Vec<&'a (RgbImage, RgbImage)>),
}

impl DrawnPairs<'_> {
    fn make(&self) -> Vec<(RgbImage, RgbImage)> {
        match self {
            Self::Edits(concept, photos) => (photos.par_iter())
                .map(|photo| ((*photo).clone(), concept.apply(photo)))
                .collect(),
            Self::Ready(pairs) => pairs.iter().map(|&pair| pair.clone()).collect(),
        }
    }
}
