//! All blocks of one network in one step.

use std::hint::black_box;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor};
use weight_blocks::{HostTensor, NamedTensors, load_named, module_to_named};
use weight_diffusion::encoded_text::{EncodedPrompt, TextCondition};
use weight_diffusion::{Denoiser, NoiseSchedule, SampleOptions, UNet1d, UNet1dConfig, one_step};

use super::{Task, files};
use crate::{Result, random};

/// Tokens of the prompt.
const TOKENS: usize = 8;

/// Gives back the noise it is given.
struct Noise<'a>(&'a UNet1dConfig);

impl Denoiser for Noise<'_> {
    fn predict_noise(
        &self,
        noisy: Tensor<2>,
        _t: Tensor<1, Int>,
        _n: Tensor<1, Int>,
        _text: &TextCondition,
    ) -> Tensor<2> {
        noisy
    }

    fn recover(
        &self,
        noisy: Tensor<2>,
        _t: usize,
        _n: Tensor<1, Int>,
        _text: &TextCondition,
        _schedule: &NoiseSchedule,
    ) -> Tensor<2> {
        noisy
    }

    fn block_size(&self) -> usize {
        self.0.block_size
    }

    fn context_width(&self) -> usize {
        self.0.context_width
    }
}

pub(super) fn prepare(
    config: &UNet1dConfig,
    blocks: usize,
    options: &SampleOptions,
    dir: &Path,
    device: &Device,
) -> Result<()> {
    let unet = random::unet(config, device)?;
    files::save(&dir.join("weights.safetensors"), &module_to_named(&unet)?)?;
    let width = config.context_width;
    let prompt = random::text(width, TOKENS, 7);
    let text = TextCondition::from_host(&[&prompt], width, device)?;
    let noise = one_step(&Noise(config), &text, blocks, &config.schedule, options)?;
    let noise = HostTensor::new(vec![blocks, config.block_size], noise)?;
    let tokens = HostTensor::new(vec![1, TOKENS, width], prompt.tokens)?;
    let inputs = [("noise".to_owned(), noise), ("tokens".to_owned(), tokens)];
    files::save(&dir.join("inputs.safetensors"), &inputs.into())
}

pub(super) struct Predict {
    unet: UNet1d,
    text: TextCondition,
    blocks: usize,
    options: SampleOptions,
}

impl Predict {
    pub(super) fn open(
        config: &UNet1dConfig,
        blocks: usize,
        options: SampleOptions,
        dir: &Path,
        device: &Device,
    ) -> Result<Self> {
        let weights = files::read(&dir.join("weights.safetensors"))?;
        let mut inputs = files::read(&dir.join("inputs.safetensors"))?;
        let tokens = inputs.remove("tokens").ok_or("no input \"tokens\"")?.data;
        let width = config.context_width;
        let len = tokens.len() / width;
        let prompt = EncodedPrompt::new(tokens, len);
        Ok(Self {
            unet: load_named(UNet1d::new(config, 0, device)?, &weights)?,
            text: TextCondition::from_host(&[&prompt], width, device)?,
            blocks,
            options,
        })
    }

    fn predict(&self) -> Result<Vec<f32>> {
        let schedule = &self.unet.config().schedule;
        Ok(one_step(
            &self.unet,
            &self.text,
            self.blocks,
            schedule,
            &self.options,
        )?)
    }
}

impl Task for Predict {
    fn run(&mut self) -> Result<()> {
        black_box(self.predict()?);
        Ok(())
    }

    fn output(&mut self) -> Result<NamedTensors> {
        let shape = vec![self.blocks, self.unet.config().block_size];
        let blocks = HostTensor::new(shape, self.predict()?)?;
        Ok([("blocks".to_owned(), blocks)].into())
    }
}
