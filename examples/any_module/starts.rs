//! The weights that a task can start from.

use denoised_weights::PromptEncoder;
use denoised_weights_examples::Result;
use finetune::{Initializer, Nearest, ZooMean};
use weight_blocks::{NamedTensors, WeightSpace, Zoo};
use weight_diffusion::WeightGenerator;

use crate::chain::{BLOCK_HEADS, Chain, UNET};
use crate::network::Classifier;
use crate::ridge::{Ridge, RidgeData};
use crate::tasks::Task;
use crate::training::Examples;

/// Starting weights by their name in the table.
pub(crate) const NAMES: [&str; 8] = [
    "zero",
    "zoo mean",
    "nearest by text",
    "best by data",
    "ridge regression",
    "wrong text",
    "UNet",
    "UNet, output layers per block",
];

/// Everything that the starts are computed from.
pub(crate) struct Starts<'a> {
    chain: &'a Chain,
    pub base: Classifier,
    mean: NamedTensors,
    nearest: Nearest<'a>,
    encoder: &'a PromptEncoder,
    adapters: Vec<Classifier>,
    unet: WeightGenerator,
    block_heads: WeightGenerator,
    ridge: Ridge<'a>,
}

impl<'a> Starts<'a> {
    pub(crate) fn new(
        chain: &'a Chain,
        zoo: &'a Zoo,
        encoder: &'a PromptEncoder,
        ridge: &'a RidgeData,
    ) -> Result<Self> {
        let (base, digest) = chain.base()?;
        zoo.check(&base.layout()?, &digest)?;
        let load = |name: &str| WeightGenerator::load(&chain.dir.join(name), &chain.device);
        let mut starts = Self {
            chain,
            mean: ZooMean::from_zoo(zoo)?.start("")?.weights,
            nearest: Nearest::from_zoo(zoo, |text| Ok(encoder.pooled(text)?))?,
            encoder,
            adapters: Vec::new(),
            unet: load(UNET)?,
            block_heads: load(BLOCK_HEADS)?,
            ridge: ridge.fit(1.0, usize::MAX)?,
            base,
        };
        for entry in zoo.entries() {
            starts.adapters.push(starts.classifier(&zoo.load(entry)?)?);
        }
        starts.ridge = starts.best_ridge(ridge)?;
        Ok(starts)
    }

    /// The classifier with these weights.
    pub(crate) fn classifier(&self, weights: &NamedTensors) -> Result<Classifier> {
        let mut space = self.base.clone().space()?;
        space.load_weights(weights)?;
        Ok(space.into_module())
    }

    /// The start `name` of a task.
    pub(crate) fn start(&self, name: &str, task: &Task, others: &[Task]) -> Result<Classifier> {
        let prompt = task.prompt.as_str();
        let weights = match name {
            "zero" => return Ok(self.base.clone()),
            "zoo mean" => self.mean.clone(),
            "nearest by text" => self.nearest.start(prompt)?.weights,
            "best by data" => return self.best_by_data(task),
            "ridge regression" => self.ridge.predict(&self.encoder.pooled(prompt)?)?,
            "wrong text" => {
                let others = others.iter().map(|task| task.prompt.as_str());
                let other = self.encoder.least_similar(prompt, others)?;
                self.generate(&self.unet, &other)?
            }
            "UNet" => self.generate(&self.unet, prompt)?,
            _ => self.generate(&self.block_heads, prompt)?,
        };
        self.classifier(&weights)
    }

    /// One denoising step from a prompt to the weights.
    fn generate(&self, generator: &WeightGenerator, prompt: &str) -> Result<NamedTensors> {
        let tokens = self.encoder.tokens(prompt)?;
        let options = generator.defaults();
        Ok(generator
            .predict(&tokens, &options, &self.chain.device)?
            .weights)
    }

    /// The adapter of the zoo that answers best on the task's training pictures.
    fn best_by_data(&self, task: &Task) -> Result<Classifier> {
        let examples = Examples::of_task(task, &self.chain.splits.train, &self.chain.device);
        let mut best = (f64::NEG_INFINITY, &self.base);
        for adapter in &self.adapters {
            let accuracy = examples.accuracy(adapter, Classifier::forward)?;
            if accuracy > best.0 {
                best = (accuracy, adapter);
            }
        }
        Ok(best.1.clone())
    }

    /// The regression whose penalty and number of components are best on the validation tasks.
    fn best_ridge(&self, data: &'a RidgeData) -> Result<Ridge<'a>> {
        let tasks = &self.chain.tasks.validation;
        let pictures = &self.chain.splits.validation;
        let examples: Vec<Examples> = (tasks.iter())
            .map(|task| Examples::of_task(task, pictures, &self.chain.device))
            .collect();
        let mut best: Option<(f64, Ridge<'a>)> = None;
        for components in [16, 64, usize::MAX] {
            for lambda in [0.03, 0.1, 0.3, 1.0, 3.0, 10.0] {
                let ridge = data.fit(lambda, components)?;
                let mut sum = 0.0;
                for (task, examples) in tasks.iter().zip(&examples) {
                    let weights = ridge.predict(&self.encoder.pooled(&task.prompt)?)?;
                    sum += examples.accuracy(&self.classifier(&weights)?, Classifier::forward)?;
                }
                if best.as_ref().is_none_or(|(most, _)| sum > *most) {
                    best = Some((sum, ridge));
                }
            }
        }
        best.map(|(_, ridge)| ridge)
            .ok_or_else(|| "no regression was fitted".into())
    }
}
