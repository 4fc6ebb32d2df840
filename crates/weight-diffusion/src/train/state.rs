//! The state of a training on disk.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use tensor_file::digest::sha256_hex;
use tensor_file::{HostTensor, NamedTensors, atomic};

use super::TrainConfig;
use super::early_stop::{BestWeights, WatchState};
use super::trainer::{Objective, Trainer, check_layout, sealed::Kind};
use crate::data::DatasetSpec;
use crate::readback::read;
use crate::storage::{
    Precision, check_network_size, read_json, read_tensors, tensor_bytes, write_json,
};
use crate::{Error, UNet1dConfig};

const STATE_FILE: &str = "state.json";
/// Since version 2 it says how many networks and texts the data set has, and which normaliser.
const STATE_VERSION: u32 = 2;
/// Digits of a tensor file's digest in its name.
const DIGEST_DIGITS: usize = 16;
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
    /// Missing in states that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
}

impl<O: Objective> Trainer<O> {
    /// Writes everything that [`Trainer::resume`] needs to `dir`: weights, moving average, AdamW's moments,
    /// step and configurations.
    ///
    /// The tensors go to a new file, named after the step and their digest, then `state.json` is replaced by
    /// one that names it, then older tensor files with such names are removed. Whenever the process ends,
    /// `dir` holds a state that loads: the previous one or this one.
    ///
    /// # Errors
    /// Returns [`Error::File`] naming the file if it cannot be written, [`Error::Device`]
    /// if a value cannot be read back, and [`Error::NotFinite`] if a weight is NaN or infinite. The
    /// previous state is then left as it was.
    pub fn save_state(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(STATE_FILE);
        let bytes = tensor_bytes(&path, &self.tensors()?, Precision::Full, &[])?;
        let sha256 = sha256_hex(&bytes);
        let name = tensor_file_name(self.steps_done(), &sha256);
        atomic::write(dir.join(&name), &bytes)?;
        let state = State {
            version: STATE_VERSION,
            step: self.steps_done(),
            sha256,
            tensors: name.clone(),
            train: self.config().clone(),
            unet: self.unet_config().clone(),
            data: self.data.clone(),
            watch: self.best.as_ref().map(|best| best.state),
            kind: Some(O::KIND),
        };
        write_json(&path, &state)?;
        remove_older(dir, &name);
        Ok(())
    }

    fn tensors(&self) -> Result<NamedTensors, Error> {
        let mut tensors = NamedTensors::new();
        let mut add = |name: &'static str, tensor: &Tensor<1>| {
            let data = read(name, tensor.clone())?;
            self.optimizer.check_finite(&data)?;
            let shape = vec![data.len()];
            tensors.insert(name.to_owned(), HostTensor { shape, data });
            Ok::<(), Error>(())
        };
        add(WEIGHTS, &self.optimizer.weights)?;
        add(AVERAGE, &self.optimizer.average)?;
        if let Some([first, second]) = &self.optimizer.moments {
            add(MOMENT_1, first)?;
            add(MOMENT_2, second)?;
        }
        if let Some(best) = &self.best {
            add(BEST, &best.weights)?;
        }
        Ok(tensors)
    }

    /// Whether `dir` holds a state to resume from.
    pub fn has_state(dir: &Path) -> bool {
        dir.join(STATE_FILE).is_file()
    }

    /// Continues from what [`Trainer::save_state`] wrote to `dir`, on the data set described by `data`.
    ///
    /// It must be the one that the state was trained on. Its weights and texts are not compared, only what
    /// [`DatasetSpec`] says of them: the layout, the text width, the numbers of networks and texts, and the
    /// digest of the normaliser, which differs if it was fitted to other weights.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if there is no state, [`Error::OtherTrainer`] if a trainer with another
    /// objective left it, and [`Error::Layout`], [`Error::Shape`] or [`Error::OtherData`] if it was trained on
    /// another data set.
    /// If a file is damaged or not part of a state, returns an error that names it: [`Error::Json`],
    /// [`Error::Version`], [`Error::FileName`], [`Error::NetworkTooLarge`], [`Error::Digest`],
    /// [`Error::MissingTensor`], [`Error::TensorLength`] or [`Error::File`].
    pub fn resume(dir: &Path, data: &DatasetSpec, device: &Device) -> Result<Self, Error> {
        let path = dir.join(STATE_FILE);
        let state: State = read_json(&path, STATE_VERSION)?;
        if let Some(kind) = state.kind
            && kind != O::KIND
        {
            return Err(Error::OtherTrainer {
                path,
                found: kind.trainer(),
                expected: O::KIND.trainer(),
            });
        }
        check_data(&path, &state.data, data)?;
        // The name comes from a file: it must not lead out of the folder.
        if Path::new(&state.tensors).file_name() != Some(state.tensors.as_ref()) {
            return Err(Error::FileName {
                path,
                name: state.tensors,
            });
        }
        let path = dir.join(&state.tensors);
        let copies = if state.step > 0 { 4 } else { 2 };
        check_network_size(&path, &state.unet, 4, copies)?;
        let mut trainer = Self::new(state.train, &state.unet, state.data, 0, device)?;
        let optimizer = &mut trainer.optimizer;
        let mut stored = StoredVectors {
            tensors: read_tensors(&path, &state.sha256)?,
            path: &path,
            len: optimizer.weights.dims()[0],
            device: optimizer.weights.device(),
        };
        optimizer.set_weights(stored.take(WEIGHTS)?);
        optimizer.average = stored.take(AVERAGE)?;
        if state.step > 0 {
            optimizer.moments = Some([stored.take(MOMENT_1)?, stored.take(MOMENT_2)?]);
        }
        optimizer.step = state.step;
        if let Some(state) = state.watch {
            let weights = stored.take(BEST)?;
            trainer.best = Some(BestWeights { state, weights });
        }
        Ok(trainer)
    }
}

/// Checks that `found` describes the data set that the state `path` was trained on, as `expected` does.
fn check_data(path: &Path, expected: &DatasetSpec, found: &DatasetSpec) -> Result<(), Error> {
    let layout = (
        found.layout.as_str(),
        found.layout_digest.as_str(),
        found.text_width,
    );
    check_layout(expected, layout)?;
    let described = |data: &DatasetSpec| {
        [
            format!("{} networks", data.networks),
            format!("{} texts", data.texts),
            format!("the normaliser {}", data.normalizer_digest),
        ]
    };
    let mut pairs = described(expected).into_iter().zip(described(found));
    match pairs.find(|(expected, found)| expected != found) {
        None => Ok(()),
        Some((expected, found)) => Err(Error::OtherData {
            path: path.to_owned(),
            expected,
            found,
        }),
    }
}

/// The tensors of a state, each of which has one value per weight of the network.
struct StoredVectors<'a> {
    tensors: NamedTensors,
    path: &'a Path,
    len: usize,
    device: Device,
}

impl StoredVectors<'_> {
    fn take(&mut self, name: &str) -> Result<Tensor<1>, Error> {
        let Some(HostTensor { data, .. }) = self.tensors.remove(name) else {
            return Err(Error::MissingTensor {
                path: self.path.to_owned(),
                name: name.to_owned(),
            });
        };
        if data.len() != self.len {
            return Err(Error::TensorLength {
                path: self.path.to_owned(),
                name: name.to_owned(),
                expected: self.len,
                found: data.len(),
            });
        }
        let data = TensorData::new(data, [self.len]);
        Ok(Tensor::from_data(data, &self.device))
    }
}

/// Other tensors have another name, also at the same step: the file that `state.json` names is never replaced
/// by another.
fn tensor_file_name(step: u64, sha256: &str) -> String {
    format!("state-{step:09}-{}.safetensors", &sha256[..DIGEST_DIGITS])
}

/// Whether `name` is one that [`tensor_file_name`] gives.
fn is_tensor_file(name: &str) -> bool {
    let parts = (name.strip_prefix("state-"))
        .and_then(|name| name.strip_suffix(".safetensors"))
        .and_then(|name| name.split_once('-'));
    parts.is_some_and(|(step, digest)| {
        let hex = |c| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        step.parse()
            .is_ok_and(|number: u64| format!("{number:09}") == step)
            && digest.len() == DIGEST_DIGITS
            && digest.bytes().all(hex)
    })
}

/// Removes tensor files that `state.json` no longer names. Failing to remove one does no harm.
fn remove_older(dir: &Path, keep: &str) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    let stale = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name != keep && is_tensor_file(name))
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(stale) {
        let _ = std::fs::remove_file(path);
    }
}
