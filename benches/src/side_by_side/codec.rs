//! An adapter into blocks and back.

use std::hint::black_box;
use std::path::Path;

use burn::tensor::Device;
use lora_gan::{GeneratorConfig, HybridGenerator};
use weight_blocks::{HostTensor, Layout, NamedTensors};

use super::{Task, files};
use crate::{Result, layout_of};

pub(super) struct Codec {
    layout: Layout,
    adapter: NamedTensors,
}

impl Codec {
    pub(super) fn open(config: &GeneratorConfig, dir: &Path, device: &Device) -> Result<Self> {
        Ok(Self {
            layout: layout_of(&HybridGenerator::new(config, 0, device)?)?,
            adapter: files::read(&dir.join("adapter.safetensors"))?,
        })
    }
}

impl Task for Codec {
    fn run(&mut self) -> Result<()> {
        let blocks = self.layout.encode(black_box(&self.adapter))?;
        black_box(self.layout.decode(black_box(&blocks))?);
        Ok(())
    }

    fn output(&mut self) -> Result<NamedTensors> {
        let blocks = self.layout.encode(&self.adapter)?;
        let mut found = self.layout.decode(&blocks)?;
        let shape = vec![self.layout.blocks(), self.layout.block_size()];
        found.insert("blocks".into(), HostTensor::new(shape, blocks)?);
        Ok(found)
    }
}
