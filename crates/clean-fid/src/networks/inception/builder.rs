//! Units from their names and sizes.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Device;

use super::mixed::Branch;
use super::unit::Unit;
use crate::Error;

/// Called with each new convolution and the name of its unit.
pub(super) type Fill<'a> = dyn FnMut(&str, &mut Conv2d) -> Result<(), Error> + 'a;

/// A unit to build.
#[derive(Clone, Copy)]
pub(super) struct Step {
    name: &'static str,
    output: usize,
    kernel: [usize; 2],
    stride: usize,
    padded: bool,
}

impl Step {
    /// Keeps height and width.
    pub(super) const fn same(name: &'static str, output: usize, kernel: [usize; 2]) -> Self {
        Self {
            name,
            output,
            kernel,
            stride: 1,
            padded: true,
        }
    }

    /// 3 × 3 without padding.
    pub(super) const fn valid(name: &'static str, output: usize, stride: usize) -> Self {
        Self {
            name,
            output,
            kernel: [3, 3],
            stride,
            padded: false,
        }
    }
}

pub(super) struct Builder<'a> {
    pub(super) device: &'a Device,
    pub(super) fill: &'a mut Fill<'a>,
}

impl Builder<'_> {
    /// `prefix` ends with a dot, or is empty.
    pub(super) fn unit(&mut self, prefix: &str, input: usize, step: Step) -> Result<Unit, Error> {
        let [y, x] = match step.padded {
            true => step.kernel.map(|side| side / 2),
            false => [0, 0],
        };
        let mut conv = Conv2dConfig::new([input, step.output], step.kernel)
            .with_stride([step.stride; 2])
            .with_padding(PaddingConfig2d::Explicit(y, x, y, x))
            .init(self.device);
        (self.fill)(&format!("{prefix}{}", step.name), &mut conv)?;
        Ok(Unit { conv })
    }

    /// A chain of units, the first of which takes `input` channels.
    pub(super) fn chain(
        &mut self,
        prefix: &str,
        input: usize,
        steps: &[Step],
    ) -> Result<Vec<Unit>, Error> {
        let mut channels = input;
        let mut units = Vec::with_capacity(steps.len());
        for step in steps {
            units.push(self.unit(prefix, channels, *step)?);
            channels = step.output;
        }
        Ok(units)
    }

    /// A chain, and parallel units that take its result.
    pub(super) fn branch(
        &mut self,
        prefix: &str,
        input: usize,
        steps: &[Step],
        fork: &[Step],
    ) -> Result<Branch, Error> {
        let chain = self.chain(prefix, input, steps)?;
        let channels = steps.last().map_or(input, |step| step.output);
        let fork = fork
            .iter()
            .map(|step| self.unit(prefix, channels, *step))
            .collect::<Result<_, Error>>()?;
        Ok(Branch { chain, fork })
    }
}
