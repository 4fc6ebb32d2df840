//! Training the denoiser.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fused_ops::{AdamW, adamw_step, moving_average, squared_norm};
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::early_stop::{Watch, held_out_loss};
use super::network_loss::{resting_predictions, through_dictionary, through_network};
use super::{parallel, parameter_vector};
use crate::readback::{read, scalar};
use crate::{
    BlockDataset, BlockSource, DatasetSpec, Error, NetworkLoss, TrainConfig, UNet1d, UNet1dConfig,
    Validation,
};

/// Trains a [`UNet1d`] on a [`BlockSource`] (paper, Eq. 1): AdamW on the mean squared error of
/// the predicted noise, with warm-up, gradient clipping and a moving average of the weights.
///
/// With [`Parameterization::Epsilon`](crate::Parameterization::Epsilon) the loss is the paper's,
/// mean (ε̂ − ε)². With [`Parameterization::Skip`](crate::Parameterization::Skip) the network
/// predicts v = α ε − σ w⁰ and the loss is mean (F − v)²; since ε̂ − ε = α (F − v), that is the
/// paper's loss weighted by 1/α_t², which keeps the noise end from vanishing. In the same way it is
/// the mean squared error of what each [`Parameterization`](crate::Parameterization) predicts,
/// weighted by [`TrainConfig::min_snr_gamma`] where that is given.
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
    moments: Option<[Tensor<1>; 2]>,
    step: u64,
    device: Device,
    /// What computes parts of each batch beside it.
    others: Vec<Device>,
    /// What the network predicts per text without its dictionary, once that trains alone.
    resting: Option<Vec<Vec<f32>>>,
    watch: Option<Watch>,
    /// Which steps it takes; none before the first one.
    kind: Option<StepKind>,
}

/// Which of the steps a trainer takes. They do not mix: AdamW's moments of one kind would go on moving
/// what another lets rest, and predictions of a network at rest would be those of an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StepKind {
    Blocks,
    Combined,
    Dictionary,
}

impl StepKind {
    fn method(self) -> &'static str {
        match self {
            Self::Blocks => "step",
            Self::Combined => "step_combined",
            Self::Dictionary => "step_dictionary",
        }
    }
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
        trainer.weights = parameter_vector::parameters(&model.valid()).to_device(&plain);
        trainer.average = trainer.weights.clone();
        trainer.model = parameter_vector::with_parameters(trainer.model, &trainer.weights);
        Ok(trainer)
    }

    fn of(config: TrainConfig, model: UNet1d, data: DatasetSpec, device: Device) -> Self {
        let weights = parameter_vector::parameters(&model);
        Self {
            optimizer: AdamW {
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                weight_decay: config.weight_decay,
            },
            average: weights.clone(),
            moments: None,
            step: 0,
            config,
            data,
            model,
            weights,
            device,
            others: Vec::new(),
            resting: None,
            watch: None,
            kind: None,
        }
    }

    /// Shares each batch of [`Trainer::step`] and [`Trainer::step_combined`] with `others`, as
    /// data-parallel training does: every device computes the gradient of its rows with a copy of the
    /// weights, all at the same time, and the trainer's own device takes the step with the gradient of
    /// the whole batch. Steps are those of one device but for rounding; the number of devices may change
    /// when a run is resumed. A device may be listed more than once.
    ///
    /// Burn's own `all_reduce` is not used: its CPU backend has none (0.22).
    pub fn with_devices(mut self, others: &[Device]) -> Self {
        self.others = others
            .iter()
            .map(|device| device.clone().autodiff())
            .collect();
        self
    }

    /// One optimizer step on a batch of `dataset`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the loss or its gradient diverged; the weights are then those of
    /// the step before. [`Error::Layout`] and [`Error::Shape`] for another data set than the one
    /// the trainer was made for; [`Error::Config`] where steps of another kind were taken before, by
    /// this trainer or by the one that left the state (make a new one of its model with
    /// [`Trainer::from_model`]); [`Error::Device`]; [`Error::DeviceFailed`] for one of
    /// [`Trainer::with_devices`], the weights being those of the step before; what the data set cannot
    /// read.
    pub fn step(&mut self, dataset: &dyn BlockSource) -> Result<StepStats, Error> {
        self.check(&dataset.spec())?;
        self.check_kind(StepKind::Blocks)?;
        let unet = self.model.config();
        let batch = Batch::draw(
            dataset,
            &self.config,
            &unet.schedule,
            unet.parameterization,
            self.step + 1,
        )?;
        let (loss, gradient) = self.loss_and_gradient(dataset, &batch)?;
        let loss = scalar("the loss", loss)?;
        self.descend(StepKind::Blocks, loss, gradient)
    }

    /// One optimizer step of the block dictionary alone on `loss` of the one-step predictions for
    /// [`TrainConfig::batch_size`] of the data set's texts; the rest of the network rests.
    ///
    /// Afterwards the network's predictions hold at the noise end, the start of one-step recovery,
    /// and no longer at other timesteps.
    ///
    /// # Errors
    /// As [`Trainer::step`]; [`Error::Config`] for a network without a dictionary, or a weight decay
    /// (it would act on the whole network); [`Error::Shape`] for a data set of another number of texts
    /// than the steps before had; [`Error::NetworkLoss`] where `loss` fails.
    pub fn step_dictionary(
        &mut self,
        dataset: &BlockDataset,
        loss: &mut dyn NetworkLoss,
    ) -> Result<StepStats, Error> {
        self.check(&dataset.spec())?;
        self.check_kind(StepKind::Dictionary)?;
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
        let (known, texts) = (resting.len(), dataset.texts().len());
        if known != texts {
            self.resting = Some(resting);
            return Err(Error::shape("texts of the data set", known, texts));
        }
        let step = self.step + 1;
        let draw = (self.config.seed, step, self.config.batch_size);
        let (loss, gradient) =
            through_dictionary(&self.model, &resting, dataset, loss, draw, &self.device)?;
        self.resting = Some(resting);
        self.descend(StepKind::Dictionary, loss, gradient)
    }

    /// One optimizer step on the sum of the paper's loss on a batch (Eq. 1) and `weight` times `loss` of
    /// the one-step predictions for `networks` of the data set's texts: the combination that the paper
    /// tried and dropped. The reported loss is the sum.
    ///
    /// # Errors
    /// As [`Trainer::step`]; [`Error::Config`] for a weight that is no finite number or negative, or no
    /// networks; [`Error::NetworkLoss`] where `loss` fails.
    pub fn step_combined(
        &mut self,
        dataset: &BlockDataset,
        loss: &mut dyn NetworkLoss,
        weight: f64,
        networks: usize,
    ) -> Result<StepStats, Error> {
        self.check(&dataset.spec())?;
        self.check_kind(StepKind::Combined)?;
        if !(weight.is_finite() && weight >= 0.0) || networks == 0 {
            return Err(Error::config(
                "combined loss",
                format!(
                    "a weight of {weight} on {networks} networks; give a weight of at least 0 and a network"
                ),
            ));
        }
        let (unet, step) = (self.model.config(), self.step + 1);
        let batch = Batch::draw(
            dataset,
            &self.config,
            &unet.schedule,
            unet.parameterization,
            step,
        )?;
        let (on_blocks, gradient) = self.loss_and_gradient(dataset, &batch)?;
        let draw = (self.config.seed, step, networks);
        let micro_batch = self.config.micro_batch;
        let (on_networks, through) =
            through_network(&self.model, dataset, loss, draw, micro_batch, &self.device)?;
        let loss = scalar("the loss", on_blocks)? + weight * on_networks;
        let gradient = gradient + through.mul_scalar(weight);
        self.descend(StepKind::Combined, loss, gradient)
    }

    /// Checks, clips and takes the step.
    fn descend(
        &mut self,
        kind: StepKind,
        loss: f64,
        gradient: Tensor<1>,
    ) -> Result<StepStats, Error> {
        let step = self.step + 1;
        let grad_norm = scalar("the gradient norm", squared_norm(&gradient))?.sqrt();
        let learning_rate = self.config.learning_rate_at(step);
        for (what, value) in [("loss", loss), ("gradient norm", grad_norm)] {
            if !value.is_finite() {
                let (layer, found) = self.culprit(&[&self.weights, &gradient])?;
                return Err(Error::NotFinite {
                    what,
                    value,
                    step,
                    layer,
                    found,
                    learning_rate,
                });
            }
        }
        let scale = match self.config.clip_norm {
            Some(limit) if grad_norm > limit => limit / grad_norm,
            _ => 1.0,
        };
        self.update(step, learning_rate, (gradient, scale));
        self.kind = Some(kind);
        Ok(StepStats {
            step,
            loss,
            learning_rate,
            grad_norm,
        })
    }

    /// Loss and gradient of the whole batch.
    fn loss_and_gradient(
        &self,
        dataset: &dyn BlockSource,
        batch: &Batch,
    ) -> Result<(Tensor<1>, Tensor<1>), Error> {
        let devices: Vec<&Device> = std::iter::once(&self.device).chain(&self.others).collect();
        let work = parallel::shares(batch.rows(), devices.len())
            .zip(&devices)
            .map(|(rows, device)| {
                parallel::Work::new(batch, rows, self.config.micro_batch, dataset, device)
            })
            .collect::<Result<_, Error>>()?;
        parallel::loss_and_gradient(&self.model, work)
    }

    fn update(&mut self, step: u64, learning_rate: f64, gradient: (Tensor<1>, f64)) {
        let (weights, moments) = adamw_step(
            &self.optimizer,
            self.weights.clone(),
            gradient,
            self.moments.take(),
            step as usize,
            learning_rate,
        );
        let decay = self.config.ema_decay_at(step);
        // Taken out, so that it may be changed in place.
        let average = std::mem::replace(&mut self.average, weights.clone());
        self.average = moving_average(average, &weights, decay);
        self.model = parameter_vector::with_parameters(self.model.clone(), &weights);
        self.weights = weights;
        self.moments = Some(moments);
        self.step = step;
    }

    fn check(&self, data: &DatasetSpec) -> Result<(), Error> {
        check_data(&self.data, data)
    }

    fn check_kind(&self, kind: StepKind) -> Result<(), Error> {
        match self.kind {
            Some(before) if before != kind => Err(Error::config(
                "step",
                format!(
                    "`{}` after steps of `{}`; give the model to a new trainer (`Trainer::from_model`)",
                    kind.method(),
                    before.method()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Steps taken so far.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Whether [`TrainConfig::steps`] are done, or [`Trainer::watch`] said to stop.
    pub fn is_finished(&self) -> bool {
        let stops = self.watch.as_ref().zip(self.config.early_stop);
        self.step >= self.config.steps || stops.is_some_and(|(watch, stop)| watch.state.stops(stop))
    }

    /// Evaluates the averaged weights on `held_out`, concepts that are not trained on, where
    /// [`TrainConfig::early_stop`] says that it is time: each `every` steps, and after the last one.
    /// Rows, noise and timesteps are the same each time; timesteps are drawn and errors weighted as in
    /// training, and no text is dropped.
    ///
    /// Call it after each [`Trainer::step`] and before [`Trainer::save_state`]: the state then holds the
    /// best weights so far, and a resumed run stops where an uninterrupted one does.
    ///
    /// # Errors
    /// [`Error::Layout`] and [`Error::Shape`] for another kind of data set; [`Error::NotFinite`];
    /// [`Error::Device`]; what the data set cannot read.
    pub fn watch(&mut self, held_out: &dyn BlockSource) -> Result<Option<Validation>, Error> {
        let Some(stop) = self.config.early_stop else {
            return Ok(None);
        };
        let seen = (self.watch.as_ref()).is_some_and(|watch| watch.state.last_step == self.step);
        let due = self.step.is_multiple_of(stop.every) || self.step >= self.config.steps;
        if seen || !due {
            return Ok(None);
        }
        let loss = self.held_out_loss(held_out, stop.rows)?;
        let watch = Watch::take(self.watch.take(), loss, self.step, &self.average);
        let validation = watch.validation(loss, stop);
        self.watch = Some(watch);
        Ok(Some(validation))
    }

    /// The parameter of the first value in one of the vectors that is no number, or else of the first's largest.
    fn culprit(&self, vectors: &[&Tensor<1>]) -> Result<(String, f64), Error> {
        let mut largest = None;
        for vector in vectors {
            let values = read("weights", (*vector).clone())?;
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Ok((
                    parameter_vector::name_at(&self.model, at),
                    f64::from(values[at]),
                ));
            }
            let places = values.iter().enumerate();
            let top = places.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            largest = largest.or(top.map(|(at, value)| (at, f64::from(*value))));
        }
        let (at, value) = largest.unwrap_or((0, 0.0));
        Ok((parameter_vector::name_at(&self.model, at), value))
    }

    /// [`Error::NotFinite`] where a vector of a state to be saved holds a value that is no number.
    fn check_finite(&self, values: &[f32]) -> Result<(), Error> {
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::NotFinite {
                what: "weights",
                value: f64::from(values[at]),
                step: self.step,
                layer: parameter_vector::name_at(&self.model, at),
                found: f64::from(values[at]),
                learning_rate: self.config.learning_rate_at(self.step),
            }),
        }
    }

    fn held_out_loss(&self, held_out: &dyn BlockSource, rows: usize) -> Result<f32, Error> {
        self.check(&held_out.spec())?;
        let device = self.device.clone().without_autodiff();
        let loss = held_out_loss(&self.ema_model(), held_out, &self.config, rows, &device)?;
        if loss.is_finite() {
            return Ok(loss);
        }
        let (layer, found) = self.culprit(&[&self.average])?;
        Err(Error::NotFinite {
            what: "held-out loss",
            value: f64::from(loss),
            step: self.step,
            layer,
            found,
            learning_rate: self.config.learning_rate_at(self.step),
        })
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
        parameter_vector::with_parameters(self.model.valid(), &self.average)
    }

    /// A network of the averaged weights at the step where [`Trainer::watch`] found the lowest loss,
    /// without autodiff; of those now where it was never called.
    pub fn best_model(&self) -> UNet1d {
        match &self.watch {
            Some(watch) => parameter_vector::with_parameters(self.model.valid(), &watch.best),
            None => self.ema_model(),
        }
    }

    /// A network of the current weights, without autodiff.
    pub fn model(&self) -> UNet1d {
        self.model.valid()
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
