//! One concept: its adapter, and the weight generators that learn it.

use burn::tensor::{Device, Tensor};
use clean_fid::FeatureNet;
use concepts::{art_concepts, find};
use denoised_weights::comparison::median;
use denoised_weights::pairs::{ConceptPairs, PairCounts, PhotoSplits};
use denoised_weights::training::{EditLoss, JudgedOn, TrainingFolder};
use denoised_weights::weights::{adapt, relative_distance};
use denoised_weights::{Preset, PromptEncoder};
use denoised_weights_examples::Result;
use denoised_weights_examples::training::{TrainingProgress, write_loss_chart};
use finetune::{AdapterLoss, Evaluator, Quality, Recipe, tensor_to_images, translate};
use image::RgbImage;
use lora_gan::BaseGenerator;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use result_figures::{Column, write_grid};
use weight_blocks::{Layout, NamedTensors, WeightSpace, Zoo};
use weight_diffusion::{Precision, SampleOptions};

use crate::args::Args;
use crate::overfit::{
    CombinedLoss, Cut, Overfitted, Overfitting, Subject, overfit, timed_prediction,
};
use crate::report::{CellReport, ConceptReport, Report};

/// Rows of grid.png.
const SHOWN: usize = 5;
/// Training pairs that --combined draws from.
const TRAIN: usize = 64;

/// What all concepts share.
pub(crate) struct Bench<'a> {
    pub args: &'a Args,
    pub device: &'a Device,
    pub base: &'a BaseGenerator,
    pub text: &'a PromptEncoder,
    pub network: &'a dyn FeatureNet,
    pub zoo: &'a Zoo,
    pub photos: &'a PhotoSplits,
}

/// A concept's pairs, and the measuring on them.
struct Probe<'a> {
    base: &'a BaseGenerator,
    pairs: &'a ConceptPairs,
    evaluator: Evaluator<'a>,
    shown: Tensor<4>,
}

impl Probe<'_> {
    /// The quality of an adapter, and its edits of the shown photos.
    fn measure(&self, weights: &NamedTensors) -> Result<(Quality, Vec<RgbImage>)> {
        let generator = adapt(self.base, weights)?;
        let images = tensor_to_images(translate(&generator, &self.shown)?);
        Ok((self.evaluator.measure(&generator)?, images))
    }
}

impl Bench<'_> {
    /// Learns the adapter of a concept with every cut, and adds the results to the report.
    pub(crate) fn concept(&self, name: &str, report: &mut Report) -> Result<()> {
        let entries = self.zoo.last_entries();
        let Some(entry) = entries.into_iter().find(|e| e.concept == name) else {
            return Err(format!("the zoo has no concept {name}; choose one that it has").into());
        };
        let truth = self.zoo.load(entry)?;
        let pairs = self.pairs(name)?;
        let base = self.text.prompted(self.base, &entry.prompt)?;
        let probe = Probe {
            base: &base,
            evaluator: Evaluator::new(self.network, &pairs.test)?,
            shown: pairs.shown_photos(self.base.config.image_size, self.device)?,
            pairs: &pairs,
        };
        let initial = self.base.generator.read_weights()?;
        let (ground_truth, pictures) = probe.measure(&truth)?;
        let (unadapted, _) = probe.measure(&initial)?;
        println!(
            "\n{name}: {} {:.2} for its adapter, {:.2} for the base",
            report.quality, ground_truth.frechet, unadapted.frechet
        );
        let mut columns = Vec::from(Column::of_pairs(&pairs.shown));
        columns.push(Column::new("ground\ntruth", pictures));
        report.concepts.push(ConceptReport {
            concept: name.to_owned(),
            base: unadapted,
            ground_truth,
        });
        let tokens = self.text.tokens(&entry.prompt)?;
        let encoder = self.text.id();
        let groups = self.base.generator.layer_groups();
        let subject = Subject {
            groups: &groups,
            weights: &truth,
            text: &tokens,
            encoder: &encoder,
            base_digest: &self.base.digest,
        };
        for cut in self.args.cuts() {
            let (rule, block_size) = (cut.rule_number(), cut.block_size);
            let (learned, blocks) = self.learn(name, &subject, cut, probe.pairs)?;
            let (predict_seconds, weights) = self.predict(&learned, &subject)?;
            let (quality, pictures) = probe.measure(&weights)?;
            let cell = CellReport {
                concept: name.to_owned(),
                block_size,
                rule,
                blocks,
                train_seconds: learned.loss.map(|_| learned.train_seconds),
                loss: learned.loss,
                predict_seconds,
                weight_error: relative_distance(&weights, &truth, &initial),
                ratio: quality.frechet / ground_truth.frechet,
                quality,
            };
            cell.print(&report.quality);
            let caption = format!("rule {rule}\nb={block_size}");
            columns.push(Column::new(caption, pictures));
            report.cells.push(cell);
        }
        Ok(write_grid(
            &self.args.out.join(name).join("grid.png"),
            &columns,
        )?)
    }

    fn pairs(&self, name: &str) -> Result<ConceptPairs> {
        let list = art_concepts();
        let concept = find(&list, name)?;
        let counts = PairCounts {
            train: TRAIN,
            test: self.args.n_test,
            shown: SHOWN,
        };
        let size = self.base.config.image_size;
        let (train, test) = (&self.photos.train, &self.photos.test);
        let pairs = ConceptPairs::edited(concept, train, test, counts, size, self.device);
        Ok(pairs?)
    }

    /// Trains a weight generator on the one adapter; returns its number of blocks too.
    fn learn(
        &self,
        name: &str,
        subject: &Subject<'_>,
        cut: Cut,
        pairs: &ConceptPairs,
    ) -> Result<(Overfitted, usize)> {
        let (rule, block_size) = (cut.rule_number(), cut.block_size);
        let folder = TrainingFolder {
            dir: (self.args.out.join(name)).join(format!("rule{rule}-{block_size}")),
            save_every: match self.args.combined {
                None => 100,
                Some(_) => u64::MAX,
            },
            precision: Precision::Full,
        };
        let layout = Layout::new("", subject.groups.to_vec(), cut.rule, block_size)?;
        let mut edits = match self.args.combined {
            None => None,
            Some(weight) => Some((self.edit_loss(&layout, pairs)?, weight)),
        };
        let combined = edits.as_mut().map(|(loss, weight)| CombinedLoss {
            loss,
            weight: *weight,
            pairs: self.args.pairs_per_step,
        });
        let overfitting = Overfitting {
            subject,
            cut,
            unet: &self.args.unet(layout.blocks()),
            train: &self.args.training(),
        };
        let mut progress = TrainingProgress::new(&format!("rule {rule}, b = {block_size}"));
        let mut observe = |event| progress.show(event);
        let learned = overfit(&overfitting, combined, &folder, self.device, &mut observe)?;
        if learned.loss.is_some() {
            write_loss_chart(&folder)?;
        }
        Ok((learned, layout.blocks()))
    }

    /// The median seconds of a prediction, and the predicted weights.
    fn predict(&self, learned: &Overfitted, subject: &Subject<'_>) -> Result<(f64, NamedTensors)> {
        let options = SampleOptions {
            seed: self.args.common.seed,
            ..learned.generator.defaults()
        };
        let (generator, repeats) = (&learned.generator, self.args.repeats);
        let (mut seconds, weights) =
            timed_prediction(generator, subject.text, &options, repeats, self.device)?;
        Ok((median(&mut seconds), weights))
    }

    /// Eq. 4 of the adapter that the generator predicts, on training pairs that each step picks.
    fn edit_loss<'p>(&self, layout: &Layout, pairs: &'p ConceptPairs) -> Result<EditLoss<'p>> {
        let seed = self.args.common.seed;
        let recipe = Recipe {
            seed,
            ..Preset::of(&self.base.config).fine_tuning()
        };
        let base = self.text.prompted(self.base, &pairs.prompt)?;
        let loss = AdapterLoss::with_discriminator(&base.generator, recipe, self.device)?;
        let pairs = &pairs.train;
        let count = self.args.pairs_per_step.clamp(1, pairs.len());
        let judged = move |step, _| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(step);
            let picked = sample(&mut rng, pairs.len(), count).into_vec();
            Ok(JudgedOn {
                pairs: pairs.select(&picked),
                // The base is the one for the concept's prompt.
                text: None,
            })
        };
        Ok(EditLoss::new(vec![loss], layout.clone(), judged))
    }
}
