//! Training the denoiser.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use weight_blocks::{HostTensor, NamedTensors};

use crate::batch::{Batch, DeviceBatch};
use crate::files::{Precision, read_json, read_tensors, write_json, write_tensors};
use crate::network_loss::{resting_predictions, through_dictionary};
use crate::{
    BlockDataset, DatasetSpec, Error, NetworkLoss, TrainConfig, UNet1d, UNet1dConfig, flat,
};

const STATE_FILE: &str = "state.json";
const STATE_VERSION: u32 = 1;
const WEIGHTS: &str = "weights";
const AVERAGE: &str = "average";
const MOMENT_1: &str = "moment_1";
const MOMENT_2: &str = "moment_2";

/// Trains a [`UNet1d`] on a [`BlockDataset`] (paper, Eq. 1): AdamW on the mean squared error of
/// the predicted noise, with warm-up, gradient clipping and a moving average of the weights.
///
/// With [`Parameterization::Epsilon`](crate::Parameterization::Epsilon) the loss is the paper's,
/// mean (ε̂ − ε)². With [`Parameterization::Skip`](crate::Parameterization::Skip) the network
/// predicts v = α ε − σ w⁰ and the loss is mean (F − v)²; since ε̂ − ε = α (F − v), that is the
/// paper's loss weighted by 1/α_t², which keeps the noise end from vanishing.
///
/// Batches, noise and timesteps depend on [`TrainConfig::seed`] and the step's number only, so a
/// run that was saved and resumed takes the same steps, bit for bit on the same device, as one
/// that was never interrupted.
pub struct Trainer {
    config: TrainConfig,
    data: DatasetSpec,
    model: UNet1d,
    /// What the model holds, as one vector without autodiff.
    weights: Tensor<1>,
    average: Tensor<1>,
    optimizer: AdamW,
    moments: Option<AdamWState<1>>,
    step: u64,
    device: Device,
    /// What the network predicts per text without its dictionary, once that trains alone.
    resting: Option<Vec<Vec<f32>>>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepStats {
    /// Its number, from 1.
    pub step: u64,
    /// Mean squared error of the batch before the update.
    pub loss: f64,
    /// Learning rate used.
    pub learning_rate: f64,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: f64,
}

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
}

impl Trainer {
    /// A network with initial values from `seed`, ready for the first step. `device` need not be
    /// an autodiff device.
    ///
    /// # Errors
    /// [`Error::Config`], also where `unet` and `data` differ in block size or text width.
    pub fn new(
        config: TrainConfig,
        unet: &UNet1dConfig,
        data: DatasetSpec,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        config.validate()?;
        let same = |field, unet: usize, data: usize| {
            if unet == data {
                return Ok(());
            }
            let why = format!("the network's is {unet}, the data set's {data}");
            Err(Error::config(field, why))
        };
        same("block_size", unet.block_size, data.block_size)?;
        same("context_width", unet.context_width, data.text_width)?;
        let device = device.clone().autodiff();
        let model = UNet1d::new(unet, seed, &device)?;
        Ok(Self::of(config, model, data, device))
    }

    /// Goes on from the weights of a trained `model`, with a new optimizer.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn from_model(
        config: TrainConfig,
        model: &UNet1d,
        data: DatasetSpec,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut trainer = Self::new(config, model.config(), data, 0, device)?;
        let plain = trainer.weights.device();
        trainer.weights = flat::parameters(&model.valid()).to_device(&plain);
        trainer.average = trainer.weights.clone();
        trainer.model = flat::with_parameters(trainer.model, &trainer.weights);
        Ok(trainer)
    }

    fn of(config: TrainConfig, model: UNet1d, data: DatasetSpec, device: Device) -> Self {
        let weights = flat::parameters(&model);
        Self {
            optimizer: AdamWConfig::new()
                .with_weight_decay(config.weight_decay as f32)
                .with_epsilon(1e-8)
                .build(),
            average: weights.clone(),
            moments: None,
            step: 0,
            config,
            data,
            model,
            weights,
            device,
            resting: None,
        }
    }

    /// One optimizer step on a batch of `dataset`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the loss or its gradient diverged; the weights are then those of
    /// the step before. [`Error::Layout`] and [`Error::Shape`] for another data set than the one
    /// the trainer was made for; [`Error::Device`].
    pub fn step(&mut self, dataset: &BlockDataset) -> Result<StepStats, Error> {
        self.check(&dataset.spec())?;
        let unet = self.model.config();
        let batch = Batch::draw(
            dataset,
            &self.config,
            &unet.schedule,
            unet.parameterization,
            self.step + 1,
        );
        let (loss, gradient) = self.loss_and_gradient(dataset, &batch)?;
        let loss = scalar("the loss", loss)?;
        self.descend(loss, gradient)
    }

    /// One optimizer step of the block dictionary alone on `loss` of the one-step predictions for
    /// [`TrainConfig::batch_size`] of the data set's texts; the rest of the network rests.
    ///
    /// Afterwards the network's predictions hold at the noise end, the start of one-step recovery,
    /// and no longer at other timesteps.
    ///
    /// # Errors
    /// As [`Trainer::step`]; [`Error::Config`] for a network without a dictionary, or a weight decay
    /// (it would act on the whole network); [`Error::NetworkLoss`] where `loss` fails.
    pub fn step_dictionary(
        &mut self,
        dataset: &BlockDataset,
        loss: &mut dyn NetworkLoss,
    ) -> Result<StepStats, Error> {
        self.check(&dataset.spec())?;
        if self.config.weight_decay != 0.0 {
            return Err(Error::config(
                "weight_decay",
                "must be 0 where only the dictionary trains",
            ));
        }
        let resting = match self.resting.take() {
            Some(resting) => resting,
            None => resting_predictions(&self.model, dataset, &self.device)?,
        };
        let step = self.step + 1;
        let draw = (self.config.seed, step, self.config.batch_size);
        let (loss, gradient) =
            through_dictionary(&self.model, &resting, dataset, loss, draw, &self.device)?;
        self.resting = Some(resting);
        self.descend(loss, gradient)
    }

    /// Checks, clips and takes the step.
    fn descend(&mut self, loss: f64, gradient: Tensor<1>) -> Result<StepStats, Error> {
        let step = self.step + 1;
        let grad_norm = scalar("the gradient norm", gradient.clone().square().sum())?.sqrt();
        let learning_rate = self.config.learning_rate_at(step);
        for (what, value) in [("loss", loss), ("gradient norm", grad_norm)] {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    what,
                    value,
                    step,
                    learning_rate,
                });
            }
        }
        let gradient = match self.config.clip_norm {
            Some(limit) if grad_norm > limit => gradient.mul_scalar(limit / grad_norm),
            _ => gradient,
        };
        self.update(step, learning_rate, gradient);
        Ok(StepStats {
            step,
            loss,
            learning_rate,
            grad_norm,
        })
    }

    /// Loss and gradient of the whole batch, one part after another.
    fn loss_and_gradient(
        &self,
        dataset: &BlockDataset,
        batch: &Batch,
    ) -> Result<(Tensor<1>, Tensor<1>), Error> {
        let rows = batch.rows();
        let mut sums: Option<(Tensor<1>, Tensor<1>)> = None;
        for first in (0..rows).step_by(self.config.micro_batch) {
            let part = first..rows.min(first + self.config.micro_batch);
            let share = part.len() as f64 / rows as f64;
            let part = batch.upload(part, dataset.texts(), dataset.text_width(), &self.device)?;
            let loss = self.loss(part).mul_scalar(share);
            let mut gradients = loss.backward();
            let gradient = flat::gradients(&self.model, &mut gradients);
            let loss = loss.without_autodiff();
            sums = Some(match sums {
                None => (loss, gradient),
                Some((losses, gradients)) => (losses + loss, gradients + gradient),
            });
        }
        sums.ok_or(Error::EmptyDataset {
            why: "the batch has no rows",
        })
    }

    fn loss(&self, batch: DeviceBatch) -> Tensor<1> {
        let output = self
            .model
            .forward(batch.noisy, batch.t, batch.n, &batch.text);
        (output - batch.target).square().mean()
    }

    fn update(&mut self, step: u64, learning_rate: f64, gradient: Tensor<1>) {
        let (weights, moments) = self.optimizer.step(
            learning_rate,
            self.weights.clone(),
            gradient,
            self.moments.take(),
        );
        let decay = self.config.ema_decay_at(step);
        self.average =
            self.average.clone().mul_scalar(decay) + weights.clone().mul_scalar(1.0 - decay);
        self.model = flat::with_parameters(self.model.clone(), &weights);
        self.weights = weights;
        self.moments = moments;
        self.step = step;
    }

    fn check(&self, data: &DatasetSpec) -> Result<(), Error> {
        check_data(&self.data, data)
    }

    /// Steps taken so far.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Whether [`TrainConfig::steps`] are done.
    pub fn is_finished(&self) -> bool {
        self.step >= self.config.steps
    }

    /// How it trains.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The network's shape.
    pub fn unet_config(&self) -> &UNet1dConfig {
        self.model.config()
    }

    /// A network of the averaged weights, without autodiff: the one to sample with.
    pub fn ema_model(&self) -> UNet1d {
        flat::with_parameters(self.model.valid(), &self.average)
    }

    /// A network of the current weights, without autodiff.
    pub fn model(&self) -> UNet1d {
        self.model.valid()
    }

    /// Writes everything that [`Trainer::resume`] needs to `dir`: weights, average, AdamW's
    /// moments, step, configurations.
    ///
    /// The tensors go to a new file, then `state.json` is replaced by one that names it, then
    /// older tensor files are removed: whenever the process ends, `dir` holds a state that loads,
    /// the previous one or this.
    ///
    /// # Errors
    /// [`Error::Blocks`] and [`Error::Io`] naming the file; [`Error::Device`].
    pub fn save_state(&self, dir: &Path) -> Result<(), Error> {
        let mut tensors = NamedTensors::new();
        let mut add = |name: &'static str, tensor: &Tensor<1>| {
            let data = read(name, tensor.clone())?;
            let shape = vec![data.len()];
            tensors.insert(name.to_owned(), HostTensor { shape, data });
            Ok::<(), Error>(())
        };
        add(WEIGHTS, &self.weights)?;
        add(AVERAGE, &self.average)?;
        if let Some(moments) = &self.moments {
            add(MOMENT_1, &moments.momentum.moment_1)?;
            add(MOMENT_2, &moments.momentum.moment_2)?;
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
            trainer.moments = Some(AdamWState::new(AdaptiveMomentumState::new(
                state.step as usize,
                take(MOMENT_1)?,
                take(MOMENT_2)?,
            )));
        }
        trainer.model = flat::with_parameters(trainer.model, &trainer.weights);
        trainer.step = state.step;
        Ok(trainer)
    }
}

fn check_data(expected: &DatasetSpec, found: &DatasetSpec) -> Result<(), Error> {
    if expected.layout_digest != found.layout_digest {
        return Err(Error::layout(
            (&expected.layout, &expected.layout_digest),
            (&found.layout, &found.layout_digest),
        ));
    }
    if expected.text_width != found.text_width {
        return Err(Error::shape(
            "text token width",
            expected.text_width,
            found.text_width,
        ));
    }
    Ok(())
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

fn scalar(what: &'static str, tensor: Tensor<1>) -> Result<f64, Error> {
    let values = read(what, tensor)?;
    Ok(f64::from(values.first().copied().unwrap_or(f32::NAN)))
}

/// The values of a tensor on the host.
pub(crate) fn read<const D: usize>(
    what: &'static str,
    tensor: Tensor<D>,
) -> Result<Vec<f32>, Error> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| Error::Device {
            what,
            why: error.to_string(),
        })
}
