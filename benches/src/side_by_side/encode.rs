//! Prompts into tokens and vectors.

use std::hint::black_box;
use std::path::Path;

use burn::tensor::Device;
use text_encoder::{StaticEncoder, TextEncoder, open_encoder};
use weight_blocks::{HostTensor, NamedTensors};

use super::Task;
use crate::Result;

/// 256 prompts of three to seven words.
pub fn prompts() -> Vec<String> {
    let colours = [
        "red",
        "teal",
        "golden",
        "pale",
        "deep blue",
        "violet",
        "grey",
        "warm",
    ];
    let styles = ["oil painting", "charcoal sketch", "neon glow", "mosaic"];
    let scenes = [
        "",
        " at night",
        " in fog",
        " on old paper",
        " with long shadows",
        " by candle light",
        " of a child",
        " in the rain",
    ];
    let mut prompts = Vec::new();
    for colour in colours {
        for style in styles {
            prompts.extend(scenes.map(|scene| format!("a {colour} {style}{scene}")));
        }
    }
    prompts
}

pub(super) struct Encode {
    encoder: Box<dyn TextEncoder>,
    prompts: Vec<String>,
    batch_size: usize,
}

impl Encode {
    pub(super) fn open(
        model: Option<&Path>,
        prompts: Vec<String>,
        batch_size: usize,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self {
            encoder: match model {
                Some(model) => open_encoder(model, device)?,
                None => Box::new(StaticEncoder::embedded()?),
            },
            prompts,
            batch_size: batch_size.max(1),
        })
    }

    fn pooled(&self) -> Result<Vec<f32>> {
        let prompts: Vec<&str> = self.prompts.iter().map(String::as_str).collect();
        let mut pooled = Vec::new();
        for batch in prompts.chunks(self.batch_size) {
            let encoded = self.encoder.encode(batch)?;
            pooled.extend(encoded.into_iter().flat_map(|prompt| prompt.pooled));
        }
        Ok(pooled)
    }
}

impl Task for Encode {
    fn run(&mut self) -> Result<()> {
        black_box(self.pooled()?);
        Ok(())
    }

    fn output(&mut self) -> Result<NamedTensors> {
        let shape = vec![self.prompts.len(), self.encoder.pooled_width()];
        let pooled = HostTensor::new(shape, self.pooled()?)?;
        Ok([("pooled".to_owned(), pooled)].into())
    }
}
