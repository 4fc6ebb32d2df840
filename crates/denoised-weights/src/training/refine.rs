//! Training a weight generator further, through what its weights do to photos.

use std::collections::BTreeMap;

use burn::tensor::Device;
use concepts::Concept;
use finetune::{AdapterLoss, PairSet};
use image::RgbImage;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tensor_file::digest::file_sha256;
use weight_blocks::Zoo;
use weight_diffusion::{BlockSource, DictionaryTrainer, TrainConfig, WeightGenerator};

use super::{EditLoss, TrainedOn, TrainingEvent, TrainingFolder, TrainingReport, ZooRecords};
use crate::error::Result;
use crate::pairs::{ConceptSource, edit_photos, read_training_pairs};
use crate::{AdapterPredictor, Assets, Error};

/// What a weight generator is refined with.
pub struct Refinement<'a> {
    /// The generator to start from, with its base and encoder.
    pub predictor: &'a AdapterPredictor,
    /// The zoo that the generator was trained on.
    pub zoo: &'a Zoo,
    /// The zoo's concepts with their pairs, as [`training_sources`](crate::pairs::training_sources) gives them.
    pub sources: Vec<(String, ConceptSource)>,
    /// Training photos, for concepts of the shipped list.
    pub photos: &'a [RgbImage],
    /// Pairs per concept and step.
    pub n_pairs: usize,
    /// How to train; a step sees [`TrainConfig::batch_size`] concepts.
    pub config: TrainConfig,
}

/// Trains the generator's block dictionary on `device` with the L1 between the concepts' targets and what the one-step
/// predictions of their weights make of the photos, or continues the interrupted training in `folder`. Writes the refined
/// generator there.
///
/// # Errors
/// Returns [`Error::NoPairsForConcept`] or [`Error::NoTrainingPairs`] if a concept of the zoo has no pairs;
/// [`Error::Weights`] if the zoo belongs to another base; and otherwise as [`train`](super::train()).
pub fn refine(
    refinement: Refinement<'_>,
    assets: &Assets,
    folder: &TrainingFolder,
    device: &Device,
    observe: &mut dyn FnMut(TrainingEvent),
) -> Result<(WeightGenerator, TrainingReport)> {
    let Refinement {
        predictor,
        zoo,
        config,
        ..
    } = refinement;
    let (base, generator) = (predictor.base(), predictor.generator());
    let encoder = predictor.encoder();
    zoo.check(generator.layout(), &base.digest)?;
    let records = ZooRecords::read(zoo, encoder, Some(generator.normalizer()))?;
    let size = base.config.image_size;
    let n_pairs = refinement.n_pairs.max(1);
    let draws = PairDraws {
        sources: PairDraws::sources(refinement.sources, &records.concepts, size)?,
        photos: refinement.photos,
        n_pairs,
        size,
        seed: config.seed,
        device: device.clone(),
    };
    let losses = (0..config.batch_size.max(1))
        .map(|_| AdapterLoss::new(&base.generator, device))
        .collect();
    let layout = generator.layout();
    let mut loss = EditLoss::new(losses, layout.clone(), |step, text| draws.draw(step, text));
    let dataset = &records.dataset;
    observe(TrainingEvent::data(dataset));

    let unet = generator.unet();
    let start = assets.weight_generator.join(WeightGenerator::WEIGHTS_FILE);
    let what = format!(
        "edits of {n_pairs} pairs at {size} pixels from generator {}",
        file_sha256(&start)?
    );
    let data = TrainedOn::new(dataset, encoder.id(), Some(what), Vec::new())?;
    let _lock = folder.lock()?;
    let mut trainer = folder.resume_or(&config, unet.config(), dataset, &data, device, || {
        DictionaryTrainer::from_model(config.clone(), unet, dataset.spec(), device)
    })?;
    let report = folder.run(
        &mut trainer,
        dataset,
        |trainer| trainer.step(dataset, &mut loss),
        |_| Ok(None),
        observe,
    )?;
    let refined = WeightGenerator::new(
        trainer.ema_model(),
        layout.clone(),
        generator.normalizer().clone(),
        encoder.id(),
        generator.zoo_norm(),
        zoo.base_digest(),
        generator.defaults(),
    )?
    .with_trained_norm(dataset.texts(), device)?;
    folder.finish(&refined)?;
    Ok((refined, report))
}

/// What a concept's pairs are drawn from.
enum Source {
    /// An editor for the photos.
    Edit(Box<Concept>),
    /// Ready pairs.
    Ready(Vec<(RgbImage, RgbImage)>),
}

/// Draws pairs of concepts by seed and step.
struct PairDraws<'a> {
    /// For each text of the data set.
    sources: Vec<Source>,
    photos: &'a [RgbImage],
    n_pairs: usize,
    size: usize,
    seed: u64,
    device: Device,
}

impl PairDraws<'_> {
    fn sources(
        sources: Vec<(String, ConceptSource)>,
        concepts: &[String],
        size: usize,
    ) -> Result<Vec<Source>> {
        let mut sources: BTreeMap<String, ConceptSource> = sources.into_iter().collect();
        concepts
            .iter()
            .map(|name| match sources.remove(name) {
                Some(ConceptSource::List(concept)) => Ok(Source::Edit(Box::new(concept))),
                Some(ConceptSource::Folder(dir, _)) => {
                    let pairs = read_training_pairs(&dir, size)?;
                    if pairs.is_empty() {
                        return Err(Error::NoTrainingPairs { path: dir });
                    }
                    Ok(Source::Ready(pairs))
                }
                None => Err(Error::NoPairsForConcept {
                    concept: name.clone(),
                }),
            })
            .collect()
    }

    /// Pairs that the seed, the step and the text's concept pick.
    fn draw(&self, step: u64, text: usize) -> Result<PairSet> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let pairs = match &self.sources[text] {
            Source::Edit(concept) => {
                let picked: Vec<RgbImage> = (0..self.n_pairs)
                    .filter_map(|_| self.photos.choose(&mut rng).cloned())
                    .collect();
                edit_photos(&picked, concept)
            }
            Source::Ready(pairs) => (0..self.n_pairs)
                .map(|_| pairs[rng.random_range(0..pairs.len())].clone())
                .collect(),
        };
        Ok(PairSet::new(&pairs, self.size, &self.device)?)
    }
}
