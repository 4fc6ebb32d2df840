//! The state of a training on disk.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use weight_blocks::{HostTensor, NamedTensors};

use super::early_stop::{Watch, WatchState};
use super::parameter_vector;
use super::trainer::{StepKind, Trainer, check_data};
use crate::readback::read;
use crate::storage::{Precision, read_json, read_tensors, write_json, write_tensors};
use crate::unet::parameter_count;
use crate::{DatasetSpec, Error, TrainConfig, UNet1dConfig};

const STATE_FILE: &str = "state.json";
const STATE_VERSION: u32 = 1;
const WEIGHTS: &str = "weights";
const AVERAGE: &str = "average";
const MOMENT_1: &str = "moment_1";
const MOMENT_2: &str = "moment_2";
const BEST: &str = "best";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    step: u64,
    /// Name of the file with the tensors, in the same folder.
    tensors: String,
    sha256: String,
    train: TrainConfig,
    unet: UNet1dConfig,
    data: DatasetSpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watch: Option<WatchState>,
    /// None before the first step, and in states older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<StepKind>,
}

impl Trainer {
    /// Writes everything that [`Trainer::resume`] needs to `dir`: weights, average, AdamW's
    /// moments, step, configurations.
    ///
    /// The tensors go to a new file, then `state.json` is replaced by one that names it, then
    /// older tensor files are removed: whenever the process ends, `dir` holds a state that loads,
    /// the previous one or this.
    ///
    /// # Errors
    /// [`Error::Blocks`] and [`Error::Io`] naming the file; [`Error::Device`]; [`Error::NotFinite`] where there is
    /// nothing good to save, with the last state as it was.
    pub fn save_state(&self, dir: &Path) -> Result<(), Error> {
        let mut tensors = NamedTensors::new();
        let mut add = |name: &'static str, tensor: &Tensor<1>| {
            let data = read(name, tensor.clone())?;
            self.check_finite(&data)?;
            let shape = vec![data.len()];
            tensors.insert(name.to_owned(), HostTensor { shape, data });
            Ok::<(), Error>(())
        };
        add(WEIGHTS, &self.weights)?;
        add(AVERAGE, &self.average)?;
        if let Some([first, second]) = &self.moments {
            add(MOMENT_1, first)?;
            add(MOMENT_2, second)?;
        }
        if let Some(watch) = &self.watch {
            add(BEST, &watch.best)?;
        }
        let name = format!("state-{:09}.safetensors", self.step);
        let path = dir.join(&name);
        write_tensors(&path, &tensors, Precision::Full)?;
        let state = State {
            version: STATE_VERSION,
            step: self.step,
            sha256: weight_blocks::file_digest(&path)?,
            tensors: name.clone(),
            train: self.config.clone(),
            unet: self.model.config().clone(),
            data: self.data.clone(),
            watch: self.watch.as_ref().map(|watch| watch.state),
            kind: self.kind,
        };
        write_json(&dir.join(STATE_FILE), &state)?;
        remove_older(dir, &name);
        Ok(())
    }

    /// Whether `dir` holds a state to resume from.
    pub fn has_state(dir: &Path) -> bool {
        dir.join(STATE_FILE).is_file()
    }

    /// Continues from what [`Trainer::save_state`] wrote to `dir`, on the data set `data` it was
    /// trained on.
    ///
    /// # Errors
    /// [`Error::Io`] without a state; [`Error::Json`], [`Error::Version`], [`Error::Checkpoint`]
    /// or [`Error::Blocks`], all naming the file, for a damaged or foreign one; [`Error::Layout`]
    /// and [`Error::Shape`] for another data set.
    pub fn resume(dir: &Path, data: &DatasetSpec, device: &Device) -> Result<Self, Error> {
        let state: State = read_json(&dir.join(STATE_FILE), STATE_VERSION)?;
        check_data(&state.data, data)?;
        // The name comes from a file: it must not lead out of the folder.
        if Path::new(&state.tensors).file_name() != Some(state.tensors.as_ref()) {
            let why = format!("`{}` is not a file name", state.tensors);
            return Err(Error::checkpoint(&dir.join(STATE_FILE), why));
        }
        let path = dir.join(&state.tensors);
        let copies = if state.step > 0 { 4 } else { 2 };
        parameter_count::check_file(&path, &state.unet, 4, copies)?;
        let mut tensors = read_tensors(&path, &state.sha256)?;
        let mut trainer = Self::new(state.train, &state.unet, state.data, 0, device)?;
        let plain = trainer.weights.device();
        let len = trainer.weights.dims()[0];
        let mut take = |name: &str| -> Result<Tensor<1>, Error> {
            let tensor = tensors
                .remove(name)
                .ok_or_else(|| Error::checkpoint(&path, format!("`{name}` is missing")))?;
            if tensor.data.len() != len {
                let found = tensor.data.len();
                let why = format!("`{name}` has {found} values, the network {len}");
                return Err(Error::checkpoint(&path, why));
            }
            Ok(Tensor::from_data(
                TensorData::new(tensor.data, [len]),
                &plain,
            ))
        };
        trainer.weights = take(WEIGHTS)?;
        trainer.average = take(AVERAGE)?;
        if state.step > 0 {
            trainer.moments = Some([take(MOMENT_1)?, take(MOMENT_2)?]);
        }
        if let Some(state) = state.watch {
            let best = take(BEST)?;
            trainer.watch = Some(Watch { state, best });
        }
        trainer.model = parameter_vector::with_parameters(trainer.model, &trainer.weights);
        trainer.step = state.step;
        trainer.kind = state.kind;
        Ok(trainer)
    }
}

/// Removes tensor files that `state.json` no longer names. One that cannot be removed does no harm.
fn remove_older(dir: &Path, keep: &str) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    let stale = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| {
                name != keep && name.starts_with("state-") && name.ends_with(".safetensors")
            })
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(stale) {
        let _ = std::fs::remove_file(path);
    }
}
