//! The chain: a frozen reader, an adapter for each training task, and the weight generator trained on them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use denoised_weights::PromptEncoder;
use denoised_weights::collecting::{CollectEvent, collect};
use denoised_weights::training::{
    GeneratorTraining, TrainingEvent, TrainingFolder, train as train_generator,
};
use denoised_weights_examples::{Result, files};
use tensor_file::digest::file_sha256;
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::{
    Checkpoint, ConceptRecord, NamedTensors, WeightSpace, Zoo, load_named, module_to_named,
};
use weight_diffusion::{Precision, SampleOptions, TrainConfig, UNet1dConfig, WeightGenerator};

use crate::digits::{Digits, Splits, Transform};
use crate::network::{Classifier, Reader};
use crate::tasks::{Task, Tasks};
use crate::training::{Examples, Recipe, train};

/// File of the frozen reader.
const READER: &str = "reader.safetensors";
/// Folder of the weight generator with one output layer for all blocks, as in the paper.
pub(crate) const UNET: &str = "unet";
/// Folder of the weight generator with an output layer for each block index.
pub(crate) const BLOCK_HEADS: &str = "block-heads";

/// Sizes of a run.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Sizes {
    pub train_tasks: usize,
    /// Unseen tasks of each kind.
    pub per_kind: usize,
    /// Training steps of the reader and of each adapter.
    pub reader_steps: usize,
    pub adapter_steps: usize,
}

/// The data, the tasks and the folder of a run.
pub(crate) struct Chain {
    pub dir: PathBuf,
    pub sizes: Sizes,
    pub seed: u64,
    pub splits: Splits,
    pub tasks: Tasks,
    pub device: Device,
}

impl Chain {
    pub(crate) fn new(
        dir: &Path,
        digits: &Path,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        // A folder continues only the run that it holds.
        let begun = dir.join(READER).exists();
        let run = serde_json::json!({ "seed": seed, "sizes": sizes });
        files::claim(&dir.join("run.json"), begun, &run)?;
        Ok(Self {
            dir: dir.to_owned(),
            splits: Digits::read(digits)?.split(seed),
            tasks: Tasks::draw(sizes.train_tasks, sizes.per_kind, seed),
            sizes,
            seed,
            device: device.clone(),
        })
    }

    pub(crate) fn recipe(&self, steps: usize, learning_rate: f64) -> Recipe {
        Recipe {
            steps,
            batch_size: 64,
            learning_rate,
            decay: false,
            seed: self.seed,
        }
    }

    /// How the zoo's adapters are trained.
    pub(crate) fn adapter_recipe(&self) -> Recipe {
        Recipe {
            decay: true,
            ..self.recipe(self.sizes.adapter_steps, 1e-2)
        }
    }

    /// The classifier on the frozen reader of this run, and the reader's digest. The first call trains the reader.
    pub(crate) fn base(&self) -> Result<(Classifier, String)> {
        let path = self.dir.join(READER);
        let mut reader = Reader::new(self.seed, &self.device);
        if path.exists() {
            reader = load_named(reader, &load_safetensors(&path)?.0)?;
        } else {
            let plain = Examples::of_digits(Transform::Plain, &self.splits.train, &self.device);
            let recipe = Recipe {
                decay: true,
                ..self.recipe(self.sizes.reader_steps, 3e-3)
            };
            let go = |_, _: &Reader| Ok(ControlFlow::Continue(()));
            reader = train(reader, Reader::forward, &plain, &recipe, go)?;
            save_safetensors(&path, &module_to_named(&reader)?, &BTreeMap::new())?;
        }
        let classifier = Classifier::new(reader, self.seed);
        Ok((classifier, file_sha256(&path)?))
    }

    /// Trains an adapter for each training task: from the zero start to read the transformed digits, once per transform, and
    /// from there, with a fifth of the learning rate, to answer the question. Trained on the question alone from the start,
    /// adapters differ in ways that no text can tell (docs/any-network.md).
    pub(crate) fn collect(&self, observe: impl FnMut(CollectEvent<'_>)) -> Result<Zoo> {
        let (base, digest) = self.base()?;
        let mut zoo = Zoo::create(self.dir.join("zoo"), &base.layout()?, &digest)?;
        let recipe = self.adapter_recipe();
        let gentle = Recipe {
            learning_rate: recipe.learning_rate / 5.0,
            ..recipe
        };
        let go = |_, _: &Classifier| Ok(ControlFlow::Continue(()));
        let mut readers: BTreeMap<Transform, Classifier> = BTreeMap::new();
        for transform in self.tasks.train.iter().map(|task| task.transform) {
            if let Entry::Vacant(slot) = readers.entry(transform) {
                let digits = Examples::of_digits(transform, &self.splits.train, &self.device);
                slot.insert(train(base.clone(), Classifier::read, &digits, &recipe, go)?);
            }
        }
        let tasks: Vec<(String, &Task)> = self
            .tasks
            .train
            .iter()
            .map(|task| (task.name.clone(), task))
            .collect();
        let train_one =
            |name: &str, task: &&Task, _: &Path| -> Result<(ConceptRecord, Vec<NamedTensors>)> {
                let examples = Examples::of_task(task, &self.splits.train, &self.device);
                let reader = readers[&task.transform].clone();
                let trained = train(reader, Classifier::forward, &examples, &gentle, go)?;
                let validation = Examples::of_task(task, &self.splits.validation, &self.device);
                let accuracy = validation.accuracy(&trained, Classifier::forward)?;
                let record = ConceptRecord {
                    concept: name.to_owned(),
                    prompt: task.prompt.clone(),
                    seed: self.seed,
                    recipe: serde_json::to_value(gentle)?,
                    checkpoints: vec![Checkpoint {
                        epoch: gentle.steps,
                        metrics: BTreeMap::from([("accuracy".into(), accuracy)]),
                    }],
                };
                Ok((record, vec![trained.space()?.read_weights()?]))
            };
        collect(&mut zoo, &tasks, train_one, observe)?;
        Ok(zoo)
    }

    /// Trains the weight generator on the zoo by the paper's loss, with an output layer for each block index, or only with the
    /// one that all blocks share.
    pub(crate) fn train(
        &self,
        name: &str,
        block_heads: bool,
        config: TrainConfig,
        observe: &mut dyn FnMut(TrainingEvent),
    ) -> Result<WeightGenerator> {
        let zoo = Zoo::open(self.dir.join("zoo"))?;
        let encoder = PromptEncoder::embedded()?;
        let (blocks, block_size) = (zoo.layout().blocks(), zoo.layout().block_size());
        let unet = UNet1dConfig {
            block_size,
            patch_size: block_size / 4,
            base_channels: 48,
            norm_groups: 6,
            embedding_size: 128,
            context_width: encoder.id().width,
            block_heads: block_heads.then_some(blocks),
            ..UNet1dConfig::compact()
        };
        let training = GeneratorTraining {
            zoo: &zoo,
            held_out: None,
            encoder: &encoder,
            stream: false,
            defaults: SampleOptions::noise_end(&unet.schedule),
            unet,
            config,
            other_devices: &[],
        };
        let folder = TrainingFolder {
            dir: self.dir.join(name),
            save_every: 500,
            precision: Precision::Half,
        };
        Ok(train_generator(&training, &folder, &self.device, observe)?.0)
    }
}
