//! One step of the weight generator's training.

use std::path::Path;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use weight_blocks::module::gradients_to_named;
use weight_blocks::{HostTensor, NamedTensors, load_named, module_to_named};
use weight_diffusion::encoded_text::TextCondition;
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, TrainConfig, UNet1d, UNet1dConfig,
};

use super::{Task, files};
use crate::{BLOCK_SIZE, Result, random};

/// Rows of the batch whose gradients are compared.
const ROWS: usize = 4;
/// Tokens of its prompts, padding included.
const TOKENS: usize = 6;

/// The preset with a batch of which a step takes a second or so.
pub(super) fn config(paper: bool, batch: Option<usize>) -> TrainConfig {
    let preset = if paper {
        TrainConfig::paper()
    } else {
        TrainConfig::compact()
    };
    let batch_size = batch.unwrap_or(if paper { 8 } else { preset.batch_size });
    TrainConfig {
        batch_size,
        micro_batch: preset.micro_batch.min(batch_size),
        ..preset
    }
}

pub(super) fn prepare(
    unet: &UNet1dConfig,
    train: &TrainConfig,
    (blocks, networks): (usize, usize),
    dir: &Path,
    device: &Device,
) -> Result<()> {
    let weights = module_to_named(&random::unet(unet, device)?)?;
    files::save(&dir.join("weights.safetensors"), &weights)?;
    let data = random::dataset(blocks, networks, unet.context_width)?;
    let width = unet.context_width;
    let longest = data.texts().iter().map(|text| text.len).max().unwrap_or(0);
    let mut records = vec![0.0; data.records() * BLOCK_SIZE];
    for (i, block) in records.chunks_mut(BLOCK_SIZE).enumerate() {
        data.read_record(i, block)?;
    }
    // The prompts padded, and none behind them for those that are dropped.
    let mut tokens = vec![0.0; (networks + 1) * longest * width];
    for (text, row) in data.texts().iter().zip(tokens.chunks_mut(longest * width)) {
        row[..text.tokens.len()].copy_from_slice(&text.tokens);
    }
    let lens = data.texts().iter().map(|text| text.len as f32).chain([0.0]);
    let rows: Vec<f32> = (0..ROWS).map(|row| row as f32).collect();
    let last = (unet.schedule.steps() - 1) as f32;
    let scaled = |by: f32| {
        rows.iter()
            .map(|row| (row * by).floor())
            .collect::<Vec<_>>()
    };
    let mut inputs = NamedTensors::new();
    let mut insert = |name: &str, shape: &[usize], data: Vec<f32>| -> Result<()> {
        inputs.insert(name.to_owned(), HostTensor::new(shape.to_vec(), data)?);
        Ok(())
    };
    insert("records", &[networks, blocks, BLOCK_SIZE], records)?;
    insert("texts", &[networks + 1, longest, width], tokens)?;
    insert("text_lens", &[networks + 1], lens.collect())?;
    insert(
        "noisy",
        &[ROWS, BLOCK_SIZE],
        random::uniform(ROWS * BLOCK_SIZE, 1.7, 11),
    )?;
    insert(
        "target",
        &[ROWS, BLOCK_SIZE],
        random::uniform(ROWS * BLOCK_SIZE, 1.7, 12),
    )?;
    insert(
        "tokens",
        &[ROWS, TOKENS, width],
        random::uniform(ROWS * TOKENS * width, 1.7, 13),
    )?;
    insert("lens", &[ROWS], rows.iter().map(|row| row + 2.0).collect())?;
    insert("t", &[ROWS], scaled(last / (ROWS - 1) as f32))?;
    insert(
        "n",
        &[ROWS],
        scaled((blocks - 1) as f32 / (ROWS - 1) as f32),
    )?;
    // Both sides read the same numbers; nothing is trained on them here.
    train.validate()?;
    files::save(&dir.join("inputs.safetensors"), &inputs)
}

pub(super) struct UnetStep {
    trainer: BlockTrainer,
    data: BlockDataset,
    start: UNet1d,
    inputs: NamedTensors,
    device: Device,
}

impl UnetStep {
    pub(super) fn open(
        unet: &UNet1dConfig,
        train: TrainConfig,
        (blocks, networks): (usize, usize),
        dir: &Path,
        device: &Device,
    ) -> Result<Self> {
        let weights = files::read(&dir.join("weights.safetensors"))?;
        let mut inputs = files::read(&dir.join("inputs.safetensors"))?;
        inputs.retain(|name, _| !["records", "texts", "text_lens"].contains(&name.as_str()));
        let start = load_named(UNet1d::new(unet, 0, device)?, &weights)?;
        let data = random::dataset(blocks, networks, unet.context_width)?;
        Ok(Self {
            trainer: BlockTrainer::from_model(train, &start, data.spec(), device)?,
            data,
            start,
            inputs,
            device: device.clone(),
        })
    }
}

impl Task for UnetStep {
    fn run(&mut self) -> Result<()> {
        self.trainer.step(&self.data)?;
        Ok(())
    }

    fn output(&mut self) -> Result<NamedTensors> {
        use burn::module::Module;

        let device = self.device.clone().autodiff();
        let unet = self.start.clone().train();
        let inputs = &self.inputs;
        let ints = |name: &str| -> Result<Tensor<1, Int>> {
            Ok(files::tensor::<1>(inputs, name, &device)?.int())
        };
        let lens = inputs.get("lens").ok_or("no input \"lens\"")?;
        let mask: Vec<bool> = (lens.data.iter())
            .flat_map(|len| (0..TOKENS).map(move |at| (at as f32) < *len))
            .collect();
        let text = TextCondition {
            tokens: files::tensor(inputs, "tokens", &device)?,
            mask: Tensor::<2, Bool>::from_data(TensorData::new(mask, [ROWS, TOKENS]), &device),
        };
        let noisy = files::tensor(inputs, "noisy", &device)?;
        let output = unet.forward(noisy, ints("t")?, ints("n")?, &text);
        let target = files::tensor(inputs, "target", &device)?;
        let loss = (output.clone() - target).square().mean();
        let mut gradients = loss.backward();
        let mut found = NamedTensors::new();
        for (name, gradient) in gradients_to_named(&unet, &mut gradients)? {
            found.insert(format!("gradient.{name}"), gradient);
        }
        found.insert("output".into(), files::host(output)?);
        found.insert("loss".into(), files::host(loss)?);
        Ok(found)
    }
}
