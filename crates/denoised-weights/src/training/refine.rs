//! Training a weight generator further, through the edits made with its weights.

use burn::tensor::Device;
use finetune::{AdapterLoss, PairSet};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use weight_blocks::Zoo;
use weight_diffusion::encoded_text::{EncodedPrompt, TextCondition};
use weight_diffusion::{BlockSource, NetworkTrainer, SampleOptions, TrainConfig, WeightGenerator};

use super::{
    EditLoss, JudgedOn, TrainedOn, TrainingEvent, TrainingFolder, TrainingReport, ZooRecords,
};
use crate::AdapterPredictor;
use crate::error::Result;
use crate::pairs::{DrawnPairs, TrainingConcepts};

/// What a weight generator is refined with.
#[derive(Debug)]
pub struct Refinement<'a> {
    /// The generator to start from, with its encoder, and the base that it is refined for: its own, or another one of the same
    /// layers ([`AdapterPredictor::load_for_another_base`]).
    pub predictor: &'a AdapterPredictor,
    /// The zoo that the generator was trained on.
    pub zoo: &'a Zoo,
    /// The concepts that each step draws from; if they are drawn, then of a stage of their own
    /// ([`ConceptDraws::for_stage`](crate::pairs::ConceptDraws::for_stage)), so that they are others than the base has seen.
    pub concepts: TrainingConcepts<'a>,
    /// Pairs per concept and step.
    pub n_pairs: usize,
    /// How to train; a step sees [`TrainConfig::batch_size`] concepts.
    pub config: TrainConfig,
}

/// Trains the generator on `device` with the L1 between the targets of concepts and what the one-step predictions of their
/// weights make of the photos, or continues the interrupted training in `folder`. Writes the refined generator there. Unless
/// told otherwise, it samples as it was refined, whatever the old one did: at the noise end, without guidance
/// ([`SampleOptions::noise_end`]).
///
/// # Errors
/// Returns [`Error::NoConcepts`](crate::Error::NoConcepts) or [`Error::NoPhotos`](crate::Error::NoPhotos) if there is nothing
/// to draw from; [`Error::Weights`](crate::Error::Weights) if the zoo belongs to another base than the generator; and
/// otherwise as [`train`](super::train()).
pub fn refine(
    refinement: Refinement<'_>,
    folder: &TrainingFolder,
    device: &Device,
    observe: &mut dyn FnMut(TrainingEvent),
) -> Result<(WeightGenerator, TrainingReport)> {
    let run = RefineRun::new(refinement, folder, device)?;
    observe(TrainingEvent::data(&run.records.dataset));
    let _lock = folder.lock()?;
    run.take(observe)
}

struct RefineRun<'a> {
    predictor: &'a AdapterPredictor,
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
        refinement.concepts.check()?;
        zoo.check(generator.layout(), generator.base_digest())?;
        let encoder = predictor.encoder();
        let records = ZooRecords::read(zoo, encoder, Some(generator.normalizer()))?;
        let (size, n_pairs) = (base.config.image_size, refinement.n_pairs.max(1));
        let mut what = format!(
            "edits of {n_pairs} pairs at {size} pixels of {} (SHA-256 {}) from generator {}",
            refinement.concepts.describe(),
            refinement.concepts.digest(),
            generator.digest()?
        );
        if generator.base_digest() != base.digest {
            what = format!("{what} for base {}", base.digest);
        }
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
            .map(|_| AdapterLoss::new(&base.generator))
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
            &base.digest,
            SampleOptions::noise_end(&unet.config().schedule),
        )?
        .with_trained_norm(dataset.texts(), device)?;
        self.folder.finish(&refined)?;
        Ok((refined, report))
    }
}

/// Draws concepts and pairs by seed and step.
struct Draws<'a> {
    concepts: TrainingConcepts<'a>,
    predictor: &'a AdapterPredictor,
    n_pairs: usize,
    seed: u64,
    device: &'a Device,
}

impl Draws<'_> {
    /// The prompts of a step.
    fn prompts(&self, step: u64, count: usize) -> Result<Vec<EncodedPrompt>> {
        (0..count)
            .map(|number| self.tokens(&self.drawn(step, number)?.prompt))
            .collect()
    }

    fn tokens(&self, prompt: &str) -> Result<EncodedPrompt> {
        self.predictor.encoder().tokens(prompt)
    }

    /// The pairs of draw `number` of a step, and its prompt if the base reads one.
    fn judged_on(&self, step: u64, number: usize) -> Result<JudgedOn> {
        let drawn = self.drawn(step, number)?;
        let base = self.predictor.base();
        let (size, width) = (base.config.image_size, base.config.context_width);
        let text = match &base.encoder {
            None => None,
            Some(_) => {
                let tokens = [self.tokens(&drawn.prompt)?];
                let text = TextCondition::from_host(&tokens, width, self.device);
                Some(text.map_err(weight_diffusion::Error::from)?)
            }
        };
        let pairs = PairSet::new(&drawn.make(size)?, size, self.device)?;
        Ok(JudgedOn { pairs, text })
    }

    fn drawn(&self, step: u64, number: usize) -> Result<DrawnPairs<'_>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((step << 16) + number as u64);
        (self.concepts).draw((step, number as u64), self.n_pairs, &mut rng)
    }
}
