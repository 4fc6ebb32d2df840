//! A weight generator that learns one network's weights and no more.

use std::time::Instant;

use burn::tensor::Device;
use denoised_weights::run::{claim, discard};
use denoised_weights::training::{TrainedOn, TrainingEvent, TrainingFolder, TrainingReport};
use denoised_weights::weights::norm;
use denoised_weights_examples::Result;
use weight_blocks::{GroupingRule, LayerGroup, Layout, NamedTensors, Normalization, Normalizer};
use weight_diffusion::encoded_text::{EncodedPrompt, EncoderId};
use weight_diffusion::train::{Objective, StepStats, Trainer};
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, CombinedTrainer, NetworkLoss, SampleOptions,
    TrainConfig, UNet1d, UNet1dConfig, WeightGenerator,
};

/// How the one network's weights become blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Order of the values.
    pub rule: GroupingRule,
    /// Weights per block, b.
    pub block_size: usize,
}

impl Cut {
    /// The rule's number in the paper.
    pub(crate) fn rule_number(self) -> u8 {
        match self.rule {
            GroupingRule::Concatenated => 2,
            GroupingRule::Separate => 3,
            _ => 1,
        }
    }
}

/// What is learned: one network and its text.
pub(crate) struct Subject<'a> {
    /// The layers, in order.
    pub groups: &'a [LayerGroup],
    /// The weights to learn.
    pub weights: &'a NamedTensors,
    /// The concept's tokens.
    pub text: &'a EncodedPrompt,
    /// Which encoder they come from.
    pub encoder: &'a EncoderId,
    /// Digest of the base that the weights belong to.
    pub base_digest: &'a str,
}

/// A network to learn, and how.
pub(crate) struct Overfitting<'a> {
    /// What is learned.
    pub subject: &'a Subject<'a>,
    /// How its weights become blocks.
    pub cut: Cut,
    /// Shape of the generator's network; block size and text width follow from `cut` and `subject`.
    pub unet: &'a UNet1dConfig,
    /// How to train; the batch sizes follow from `cut`.
    pub train: &'a TrainConfig,
}

/// A loss on what the predicted weights do, beside the one on what they are.
pub(crate) struct CombinedLoss<'a> {
    /// The loss.
    pub loss: &'a mut dyn NetworkLoss,
    /// Its weight.
    pub weight: f64,
    /// Pairs that it sees per step; part of the identity of the run.
    pub pairs: usize,
}

/// A generator that has learned one network, and how its training went.
pub(crate) struct Overfitted {
    /// The generator.
    pub generator: WeightGenerator,
    /// Seconds of training; 0 if an earlier run had finished it.
    pub train_seconds: f64,
    /// Running mean of the loss at the end; none if an earlier run had finished it.
    pub loss: Option<f64>,
}

/// Weights of all blocks that one optimizer step sees, whatever the block size: 128 blocks of 256.
const WEIGHTS_PER_STEP: usize = 128 * 256;
/// Weights that go through the network at once.
const WEIGHTS_PER_PART: usize = 32 * 256;

/// Trains a generator on the blocks of one network with the paper's loss (and `combined`, if there is one), or reads the one
/// that an earlier run left in `folder`. A step sees as many weights for every block size.
pub(crate) fn overfit(
    overfitting: &Overfitting<'_>,
    combined: Option<CombinedLoss<'_>>,
    folder: &TrainingFolder,
    device: &Device,
    observe: &mut dyn FnMut(TrainingEvent),
) -> Result<Overfitted> {
    let run = Run::new(overfitting, folder, device)?;
    let finished = folder.dir.join(WeightGenerator::CONFIG_FILE).exists();
    let begun = finished || folder.dir.join("state").exists();
    let identity = run.identity(combined.as_ref());
    claim(&folder.dir.join("run.json"), begun, &identity)?;
    if finished {
        run.stored()
    } else {
        run.learn(combined, observe)
    }
}

/// A training on one network.
struct Run<'a> {
    subject: &'a Subject<'a>,
    layout: Layout,
    unet: UNet1dConfig,
    train: TrainConfig,
    folder: &'a TrainingFolder,
    device: &'a Device,
}

impl<'a> Run<'a> {
    fn new(
        overfitting: &Overfitting<'a>,
        folder: &'a TrainingFolder,
        device: &'a Device,
    ) -> Result<Self> {
        let Overfitting { subject, cut, .. } = *overfitting;
        let name = format!("overfit-rule{}-{}", cut.rule_number(), cut.block_size);
        Ok(Self {
            subject,
            layout: Layout::new(&name, subject.groups.to_vec(), cut.rule, cut.block_size)?,
            unet: UNet1dConfig {
                block_size: cut.block_size,
                context_width: subject.encoder.width,
                ..overfitting.unet.clone()
            },
            train: TrainConfig {
                batch_size: (WEIGHTS_PER_STEP / cut.block_size).max(1),
                micro_batch: (WEIGHTS_PER_PART / cut.block_size).max(1),
                ..overfitting.train.clone()
            },
            folder,
            device,
        })
    }

    fn identity(&self, combined: Option<&CombinedLoss<'_>>) -> serde_json::Value {
        serde_json::json!({
            "train": self.train,
            "unet": self.unet,
            "encoder": self.subject.encoder,
            "base": self.subject.base_digest,
            "norm": norm(self.subject.weights),
            "combined": combined.map(|combined| (combined.weight, combined.pairs)),
        })
    }

    /// The generator that an earlier run finished.
    fn stored(&self) -> Result<Overfitted> {
        // A process killed after it wrote the generator left its state.
        discard(&self.folder.dir.join("state"))?;
        let generator = WeightGenerator::load(&self.folder.dir, self.device)?;
        generator.check_layout(&self.layout)?;
        Ok(Overfitted {
            generator,
            train_seconds: 0.0,
            loss: None,
        })
    }

    fn learn(
        &self,
        combined: Option<CombinedLoss<'_>>,
        observe: &mut dyn FnMut(TrainingEvent),
    ) -> Result<Overfitted> {
        let (subject, layout) = (self.subject, &self.layout);
        let flat = layout.encode(subject.weights)?;
        // The mean of a single network is the network: statistics per tensor leave something to learn.
        let normalizer = Normalizer::fit(layout, Normalization::PerLayer, [flat.as_slice()])?;
        let texts = vec![subject.text.clone()];
        let width = subject.encoder.width;
        let dataset = BlockDataset::new(layout.clone(), normalizer, texts, width, vec![(0, flat)])?;
        let loss =
            (combined.as_ref()).map(|combined| format!("network loss times {}", combined.weight));
        let data = TrainedOn::new(&dataset, subject.encoder.clone(), loss, Vec::new())?;
        let _lock = self.folder.lock()?;
        let (model, report) = match combined {
            None => {
                let step = |trainer: &mut BlockTrainer| trainer.step(&dataset);
                self.take(&dataset, &data, step, observe)?
            }
            Some(CombinedLoss { loss, weight, .. }) => {
                let step = |trainer: &mut CombinedTrainer| trainer.step(&dataset, loss, weight, 1);
                self.take(&dataset, &data, step, observe)?
            }
        };
        let generator = WeightGenerator::new(
            model,
            layout.clone(),
            dataset.normalizer().clone(),
            subject.encoder.clone(),
            dataset.norm(),
            subject.base_digest,
            SampleOptions::noise_end(&self.unet.schedule),
        )?;
        self.folder.finish(&generator)?;
        Ok(Overfitted {
            generator,
            train_seconds: report.seconds_this_run,
            loss: report.last_loss,
        })
    }

    /// Takes all steps, from the state that an earlier run left; gives the averaged network.
    fn take<O: Objective>(
        &self,
        dataset: &BlockDataset,
        data: &TrainedOn,
        step: impl FnMut(&mut Trainer<O>) -> Result<StepStats, weight_diffusion::Error>,
        observe: &mut dyn FnMut(TrainingEvent),
    ) -> Result<(UNet1d, TrainingReport)> {
        let (train, unet, device) = (&self.train, &self.unet, self.device);
        let fresh = || Trainer::new(train.clone(), unet, dataset.spec(), train.seed, device);
        let mut trainer = (self.folder).resume_or(train, unet, dataset, data, device, fresh)?;
        let report = (self.folder).run(&mut trainer, dataset, step, |_| Ok(None), observe)?;
        Ok((trainer.ema_model(), report))
    }
}

/// Seconds of each of `repeats` predictions of all blocks, and the last one's weights.
pub(crate) fn timed_prediction(
    generator: &WeightGenerator,
    text: &EncodedPrompt,
    options: &SampleOptions,
    repeats: usize,
    device: &Device,
) -> Result<(Vec<f64>, NamedTensors)> {
    let mut seconds = Vec::with_capacity(repeats.max(1));
    let mut weights = NamedTensors::new();
    for _ in 0..repeats.max(1) {
        let started = Instant::now();
        weights = generator.predict(text, options, device)?.weights;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok((seconds, weights))
}
