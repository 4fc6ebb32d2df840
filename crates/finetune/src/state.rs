//! A run's state on disk, from which an interrupted run continues.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::module::Module;
use burn::tensor::Device;
use lora_gan::HybridGenerator;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tensor_file::atomic::{self, AtomicFolder};
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::module::module_shapes;
use weight_blocks::{NamedTensors, load_named, module_to_named};

use crate::adam::Adam;
use crate::divergence::Suspects;
use crate::{
    ConceptTrainer, EpochLosses, Error, GanTrainer, ImageTranslator, PairDiscriminator,
    PretrainConfig, Pretrainer, Recipe,
};

const VERSION: u32 = 2;
const META: &str = "state.json";
const GENERATOR: &str = "generator";
const DISCRIMINATOR: &str = "discriminator";
/// Metadata of the optimizer's file.
const STEPS: &str = "steps";

#[derive(Serialize, Deserialize)]
struct ConceptMeta {
    version: u32,
    recipe: Recipe,
    epoch: usize,
    steps: usize,
    seconds: f64,
    history: Vec<EpochLosses>,
}

#[derive(Serialize, Deserialize)]
struct PretrainMeta {
    version: u32,
    config: PretrainConfig,
    step: usize,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A folder of one state: a safetensors file per network and per optimizer, and `state.json`.
struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Writes `dir/at-NNNNNN` and, once it is on the disk, removes all other states. They may be of a run that went
    /// further: until they are removed, the new one has a number above theirs, so that it is the last one from the moment
    /// it is there.
    fn write(
        dir: &Path,
        at: usize,
        fill: impl FnOnce(&Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let path = |at: usize| dir.join(format!("at-{at:06}"));
        let before = states(dir).map_err(|e| unsaved(dir, e))?;
        let next = before.last().map_or(0, |(last, _)| last.saturating_add(1));
        let target = path(at.max(next));
        let folder = AtomicFolder::create(&target).map_err(|e| unsaved(dir, e))?;
        fill(&Self {
            path: folder.temporary_path().to_owned(),
        })?;
        folder.commit().map_err(|e| unsaved(&target, e))?;
        for (_, other) in before {
            std::fs::remove_dir_all(&other).map_err(|e| unsaved(&other, e))?;
        }
        if target != path(at) {
            atomic::sync_folder(dir).map_err(|e| unsaved(dir, e))?;
            std::fs::rename(&target, path(at)).map_err(|e| unsaved(&target, e))?;
        }
        Ok(())
    }

    /// The last state in `dir`.
    fn last(dir: &Path) -> Result<Option<Self>, Error> {
        let mut states = states(dir).map_err(|e| state(dir, e))?;
        Ok(states.pop().map(|(_, path)| Self { path }))
    }

    fn network(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.safetensors"))
    }

    fn optimizer(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}-adam.safetensors"))
    }

    fn save<M: Module>(&self, name: &str, module: &M, adam: &Adam) -> Result<(), Error> {
        save_safetensors(
            self.network(name),
            &module_to_named(module)?,
            &BTreeMap::new(),
        )
        .map_err(|e| unsaved(&self.path, e))?;
        let (moments, steps) = adam.state(module)?;
        let steps = BTreeMap::from([(STEPS.to_owned(), steps.to_string())]);
        save_safetensors(self.optimizer(name), &moments, &steps).map_err(|e| unsaved(&self.path, e))
    }

    fn load<M: Module>(&self, name: &str, module: M, adam: &mut Adam) -> Result<M, Error> {
        let path = self.network(name);
        let (weights, _) = load_safetensors(&path).map_err(|e| state(&path, e))?;
        for (name, _) in module_shapes(&module) {
            if !weights.contains_key(&name) {
                return Err(state(&path, weight_blocks::Error::MissingTensor { name }));
            }
        }
        let module = load_named(module, &weights).map_err(|e| state(&path, e))?;
        let path = self.optimizer(name);
        let (moments, metadata) = load_safetensors(&path).map_err(|e| state(&path, e))?;
        let steps = metadata
            .get(STEPS)
            .and_then(|steps| steps.parse::<u32>().ok());
        let steps = steps
            .ok_or_else(|| state(&path, "it does not say after how many steps it was written"))?;
        adam.load((moments, steps as usize), &module)
            .map_err(|e| state(&path, e))?;
        Ok(module)
    }

    fn save_meta(&self, meta: &impl Serialize) -> Result<(), Error> {
        let path = self.path.join(META);
        let text = serde_json::to_vec(meta).map_err(|e| unsaved(&path, e))?;
        atomic::write(&path, &text).map_err(|e| unsaved(&path, e))
    }

    fn load_meta<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let path = self.path.join(META);
        let text = std::fs::read(&path).map_err(|e| state(&path, e))?;
        // The version first: another one may have any fields.
        let Version { version } = serde_json::from_slice(&text).map_err(|e| state(&path, e))?;
        if version != VERSION {
            return Err(Error::StateVersion {
                path,
                found: version,
                expected: VERSION,
            });
        }
        serde_json::from_slice(&text).map_err(|e| state(&path, e))
    }

    /// Refuses a state of another recipe than `current`.
    fn check<T>(&self, recipe: &T, current: &T) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + PartialEq,
    {
        // Through JSON, like the recipe in the file: that can cost a float its last bit.
        let path = self.path.join(META);
        let text = serde_json::to_vec(current).map_err(|e| state(&path, e))?;
        let current: T = serde_json::from_slice(&text).map_err(|e| state(&path, e))?;
        if *recipe == current {
            return Ok(());
        }
        Err(Error::OtherRecipe { path })
    }
}

impl<G: ImageTranslator + Module, D: PairDiscriminator + Module> GanTrainer<G, D> {
    /// Writes networks, optimizer moments and counters into a folder in `dir`, whole or not at all, and removes the other
    /// states there: what was saved last is what a resumed run continues from.
    ///
    /// # Errors
    /// Returns [`Error::UnfinishedEpoch`] within an epoch and after one that ended with an error, [`Error::SaveState`],
    /// which names the file, if it cannot be written, and [`Error::NotFiniteWeights`] if a weight is NaN or infinite.
    pub fn save_state(&self, dir: &Path) -> Result<(), Error> {
        self.check_between_epochs()?;
        self.check_weights(self.epoch)?;
        Folder::write(dir, self.epoch, |folder| {
            folder.save(GENERATOR, &self.generator, &self.adam)?;
            let adversary = &self.adversary;
            folder.save(DISCRIMINATOR, &adversary.discriminator, &adversary.adam)?;
            folder.save_meta(&ConceptMeta {
                version: VERSION,
                recipe: self.recipe.clone(),
                epoch: self.epoch,
                steps: self.steps,
                seconds: self.spent.as_secs_f64(),
                history: self.history.clone(),
            })
        })
    }

    /// Continues from the last state in `dir` that a trainer of the same networks and recipe wrote; without one, the
    /// trainer stays as it is.
    ///
    /// # Errors
    /// Returns [`Error::State`] if the state cannot be read, [`Error::StateVersion`] if it has another format, and
    /// [`Error::OtherRecipe`] if it belongs to another recipe.
    pub fn resumed(mut self, dir: &Path) -> Result<Self, Error> {
        let Some(folder) = Folder::last(dir)? else {
            return Ok(self);
        };
        let meta: ConceptMeta = folder.load_meta()?;
        folder.check(&meta.recipe, &self.recipe)?;
        self.generator = folder.load(GENERATOR, self.generator, &mut self.adam)?;
        let adversary = &mut self.adversary;
        let discriminator = adversary.discriminator.clone();
        adversary.discriminator = folder.load(DISCRIMINATOR, discriminator, &mut adversary.adam)?;
        self.epoch = meta.epoch;
        self.steps = meta.steps;
        self.spent = Duration::try_from_secs_f64(meta.seconds)
            .map_err(|e| state(&folder.path.join(META), e))?;
        self.history = meta.history;
        self.in_epoch = false;
        Ok(self)
    }
}

impl ConceptTrainer {
    /// Whether `dir` has a state, so that [`ConceptTrainer::resume`] leaves its start alone.
    ///
    /// # Errors
    /// Returns [`Error::State`] if the folder cannot be read.
    pub fn has_state(dir: &Path) -> Result<bool, Error> {
        Ok(Folder::last(dir)?.is_some())
    }

    /// A trainer that continues from the last state in `dir`, or starts from `start` if there is none.
    ///
    /// # Errors
    /// As [`ConceptTrainer::new`] and [`GanTrainer::resumed`].
    pub fn resume(
        base: &HybridGenerator,
        start: &NamedTensors,
        recipe: Recipe,
        device: &Device,
        dir: &Path,
    ) -> Result<Self, Error> {
        Self::new(base, start, recipe, device)?.resumed(dir)
    }
}

impl Pretrainer {
    /// Writes the network, the optimizer's moments and the step into a folder in `dir`, whole or not at all, and removes
    /// the other states there, as [`GanTrainer::save_state`].
    ///
    /// # Errors
    /// Returns [`Error::SaveState`], which names the file, if it cannot be written, and [`Error::NotFiniteWeights`] if a
    /// weight is NaN or infinite.
    pub fn save_state(&self, dir: &Path) -> Result<(), Error> {
        let weights = Suspects::default().network("base", &self.generator)?;
        if let Some((layer, found)) = weights.broken() {
            return Err(Error::NotFiniteWeights {
                epoch: 0,
                step: self.step,
                layer: layer.to_owned(),
                found,
            });
        }
        Folder::write(dir, self.step, |folder| {
            folder.save(GENERATOR, &self.generator, &self.adam)?;
            folder.save_meta(&PretrainMeta {
                version: VERSION,
                config: self.config.clone(),
                step: self.step,
            })
        })
    }

    /// As [`Pretrainer::new`], but continues from the last state in `dir` if there is one.
    ///
    /// # Errors
    /// As [`Pretrainer::new`] and [`GanTrainer::resumed`].
    pub fn resume(
        generator: HybridGenerator,
        config: PretrainConfig,
        device: &Device,
        dir: &Path,
    ) -> Result<Self, Error> {
        let mut trainer = Self::new(generator, config, device)?;
        let Some(folder) = Folder::last(dir)? else {
            return Ok(trainer);
        };
        let meta: PretrainMeta = folder.load_meta()?;
        folder.check(&meta.config, &trainer.config)?;
        trainer.generator = folder.load(GENERATOR, trainer.generator, &mut trainer.adam)?;
        trainer.step = meta.step;
        Ok(trainer)
    }
}

/// The states in `dir`, the latest last.
fn states(dir: &Path) -> io::Result<Vec<(usize, PathBuf)>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let at = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("at-")?.parse().ok());
        if let Some(at) = at {
            found.push((at, path));
        }
    }
    found.sort();
    Ok(found)
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn state(path: &Path, source: impl Into<Cause>) -> Error {
    Error::State {
        path: path.to_owned(),
        source: source.into(),
    }
}

fn unsaved(path: &Path, source: impl Into<Cause>) -> Error {
    Error::SaveState {
        path: path.to_owned(),
        source: source.into(),
    }
}
