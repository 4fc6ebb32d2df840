//! One concept: its predicted adapter beside others.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use clean_fid::FeatureNet;
use concepts::Concept;
use denoised_weights::pairs::{ConceptPairs, PairCounts, PhotoSplits, edit_photos};
use denoised_weights::weights::{adapt, cosine, distance};
use denoised_weights::{AdapterPredictor, Preset};
use denoised_weights_examples::Result;
use finetune::{ConceptTrainer, Evaluator, Recipe, images_to_tensor, translate};
use image::RgbImage;
use lora_gan::BaseGenerator;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::{NamedTensors, WeightSpace};
use weight_diffusion::SampleOptions;
use weight_diffusion::encoded_text::EncodedPrompt;

use crate::args::Args;
use crate::report::ConceptReport;
use crate::zoo_outputs::{Mean, ZooOutputs, apart};

/// What all concepts share.
pub(crate) struct Bench<'a> {
    pub args: &'a Args,
    pub device: &'a Device,
    pub base: &'a BaseGenerator,
    pub predictor: &'a AdapterPredictor,
    pub options: SampleOptions,
    pub network: &'a dyn FeatureNet,
    pub photos: &'a PhotoSplits,
    /// The test photos on which edits are compared.
    pub compared: Vec<RgbImage>,
}

impl Bench<'_> {
    fn tensor(&self, images: &[RgbImage]) -> Result<Tensor<4>> {
        let images: Vec<&RgbImage> = images.iter().collect();
        Ok(images_to_tensor(
            &images,
            self.base.config.image_size,
            self.device,
        )?)
    }

    /// The base for a prompt.
    fn prompted(&self, tokens: &EncodedPrompt) -> Result<BaseGenerator> {
        let encoder = self.predictor.encoder().id();
        Ok(self.base.with_prompt("", tokens, &encoder)?)
    }

    /// The compared photos, edited by the base for the prompt `tokens` with `weights`.
    pub(crate) fn outputs(
        &self,
        tokens: &EncodedPrompt,
        weights: &NamedTensors,
    ) -> Result<Tensor<4>> {
        let generator = adapt(&self.prompted(tokens)?, weights)?;
        Ok(translate(&generator, &self.tensor(&self.compared)?)?)
    }

    /// The compared photos, edited as the concept says.
    pub(crate) fn targets(&self, concept: &Concept) -> Result<Tensor<4>> {
        let targets: Vec<RgbImage> = (edit_photos(&self.compared, concept).into_iter())
            .map(|(_, target)| target)
            .collect();
        self.tensor(&targets)
    }

    pub(crate) fn predict(&self, tokens: &EncodedPrompt) -> Result<NamedTensors> {
        let prediction = self
            .predictor
            .generator()
            .predict(tokens, &self.options, self.device)?;
        Ok(prediction.weights)
    }

    fn pairs(&self, concept: &Concept) -> Result<ConceptPairs> {
        let counts = PairCounts {
            train: self.args.n_train,
            test: self.args.n_test,
            shown: 0,
        };
        let size = self.base.config.image_size;
        let (train, test) = (&self.photos.train, &self.photos.test);
        let pairs = ConceptPairs::edited(concept, train, test, counts, size, self.device);
        Ok(pairs?)
    }

    /// Trains from zero, or reads the adapter that an earlier run trained.
    fn trained(&self, pairs: &ConceptPairs) -> Result<NamedTensors> {
        let recipe = Recipe {
            epochs: self.args.epochs,
            seed: self.args.common.seed,
            ..Preset::of(&self.base.config).fine_tuning()
        };
        let key = serde_json::to_string(&(&recipe, self.args.n_train, &self.base.digest))?;
        let name = format!("{}.safetensors", pairs.name);
        let path = self.args.out.join("trained").join(name);
        if path.exists() {
            let (weights, kept) = load_safetensors(&path)?;
            if kept.get("recipe") == Some(&key) {
                return Ok(weights);
            }
        }
        let base = self.predictor.prompted_base(&pairs.prompt)?;
        let start = base.generator.read_weights()?;
        let mut trainer = ConceptTrainer::new(&base.generator, &start, recipe, self.device)?;
        for _ in 0..self.args.epochs {
            trainer.epoch(&pairs.train)?;
        }
        let weights = trainer.adapter()?;
        save_safetensors(&path, &weights, &BTreeMap::from([("recipe".into(), key)]))?;
        Ok(weights)
    }

    /// Compares the predicted adapter of a concept with others; `wrong` is the prompt of another concept.
    pub(crate) fn concept(
        &self,
        concept: &Concept,
        wrong: &str,
        stored: &ZooOutputs,
        mean: &Mean,
    ) -> Result<ConceptReport> {
        let pairs = self.pairs(concept)?;
        let held_out = Evaluator::new(self.network, &pairs.test)?;
        let base = self.predictor.prompted_base(&concept.prompt)?;
        let measure = |weights: &NamedTensors| -> Result<f64> {
            Ok(held_out.measure(&adapt(&base, weights)?)?.frechet)
        };
        let tokens = self.predictor.encoder().tokens(&concept.prompt)?;
        let predicted = self.predict(&tokens)?;
        let trained = self.trained(&pairs)?;
        let outputs = self.outputs(&tokens, &predicted)?;
        let targets = self.targets(concept)?;
        let (i, weights_to_closest) = stored.closest(|i| distance(&predicted, &stored.weights[i]));
        let (_, trained_to_closest) = stored.closest(|i| distance(&trained, &stored.weights[i]));
        let (j, outputs_to_closest) = stored.closest(|j| apart(&outputs, &stored.outputs[j]));
        let (_, best_zoo_to_target) = stored.closest(|j| apart(&targets, &stored.outputs[j]));
        let random = random_like(&tokens, self.args.common.seed);
        let quality = BTreeMap::from([
            ("predicted", measure(&predicted)?),
            ("trained", measure(&trained)?),
            ("zero", measure(&self.base.generator.read_weights()?)?),
            ("mean", measure(&mean.weights)?),
            ("closest_weights", measure(&stored.weights[i])?),
            ("closest_outputs", measure(&stored.weights[j])?),
            (
                "wrong_prompt",
                measure(&self.predict(&self.predictor.encoder().tokens(wrong)?)?)?,
            ),
            ("random_prompt", measure(&self.predict(&random)?)?),
        ]);
        Ok(ConceptReport {
            concept: concept.name.clone(),
            prompt: concept.prompt.clone(),
            closest_weights: stored.names[i].clone(),
            weights_to_closest,
            weights_to_mean: distance(&predicted, &mean.weights),
            weights_to_trained: distance(&predicted, &trained),
            trained_to_closest,
            cosine_to_trained: cosine(&predicted, &trained, &mean.weights),
            cosine_to_closest: cosine(&predicted, &stored.weights[i], &mean.weights),
            closest_outputs: stored.names[j].clone(),
            outputs_to_closest,
            outputs_to_mean: apart(&outputs, &mean.outputs),
            outputs_to_trained: apart(&outputs, &self.outputs(&tokens, &trained)?),
            outputs_to_target: apart(&outputs, &targets),
            best_zoo_to_target,
            quality,
        })
    }
}

/// Random tokens with the mean square of real ones.
fn random_like(text: &EncodedPrompt, seed: u64) -> EncodedPrompt {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let squares: f32 = text.tokens.iter().map(|v| v * v).sum();
    // A uniform distribution of the same deviation is √3 times as wide to each side.
    let bound = (3.0 * squares / text.tokens.len().max(1) as f32).sqrt();
    EncodedPrompt::new(
        (text.tokens.iter())
            .map(|_| bound * (2.0 * rng.random::<f32>() - 1.0))
            .collect(),
        text.len,
    )
}
