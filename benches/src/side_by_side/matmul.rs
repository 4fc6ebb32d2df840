//! The machine's matmul rate.

use std::hint::black_box;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use weight_blocks::{HostTensor, NamedTensors};

use super::{Task, files};
use crate::{Result, random};

pub(super) fn prepare(size: usize, dir: &Path) -> Result<()> {
    let mut inputs = NamedTensors::new();
    for (seed, name) in [(1, "a"), (2, "b")] {
        let values = random::uniform(size * size, 1.0, seed);
        inputs.insert(name.into(), HostTensor::new(vec![size, size], values)?);
    }
    files::save(&dir.join("inputs.safetensors"), &inputs)
}

pub(super) struct Matmul {
    a: Tensor<2>,
    b: Tensor<2>,
}

impl Matmul {
    pub(super) fn open(dir: &Path, device: &Device) -> Result<Self> {
        let inputs = files::read(&dir.join("inputs.safetensors"))?;
        Ok(Self {
            a: files::tensor(&inputs, "a", device)?,
            b: files::tensor(&inputs, "b", device)?,
        })
    }
}

impl Task for Matmul {
    fn run(&mut self) -> Result<()> {
        black_box(self.a.clone().matmul(self.b.clone()));
        Ok(())
    }

    fn output(&mut self) -> Result<NamedTensors> {
        let product = files::host(self.a.clone().matmul(self.b.clone()))?;
        Ok([("product".to_owned(), product)].into())
    }
}
