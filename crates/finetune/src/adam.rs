//! Adam on everything that trains in a network.

use std::any::Any;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use fused_ops::adam_step;
use weight_blocks::{Error, HostTensor, NamedTensors};

const MOMENTS: [&str; 2] = ["moment_1", "moment_2"];

/// Both moments of a tensor's gradient, `[Tensor<D>; 2]`; none before its first.
type Moments = Option<Box<dyn Any + Send>>;

/// Adam (Kingma and Ba 2015): the same values as Burn's, to the bit on the CPU, where each tensor is updated in one pass, if
/// every tensor that trains has a gradient in every step. Here one count of steps corrects the bias of all moments, while
/// Burn counts each tensor's own: they differ for a tensor that is without a gradient in some step.
///
/// Not on one vector of all tensors, as the weight generator's AdamW: Burn's fusion makes one launch of each tensor's update,
/// and cutting a vector into a hundred tensors takes more than that.
pub(crate) struct Adam {
    settings: fused_ops::Adam,
    steps: usize,
    /// Of the tensors that train, in the order in which the network lists them.
    moments: Vec<Moments>,
}

impl Adam {
    /// Adam with the decay `beta_1` of the first moment.
    pub(crate) fn new(beta_1: f32) -> Self {
        Self {
            settings: fused_ops::Adam {
                beta_1,
                beta_2: 0.999,
                epsilon: 1e-8,
            },
            steps: 0,
            moments: Vec::new(),
        }
    }

    /// `network` after one step at the rate `lr`. Tensors without a gradient stay as they are.
    pub(crate) fn step<M: Module>(&mut self, lr: f64, network: M, gradients: &mut Gradients) -> M {
        self.steps += 1;
        let mut step = Step {
            settings: self.settings,
            time: self.steps,
            lr,
            gradients,
            before: std::mem::take(&mut self.moments).into_iter(),
            after: Vec::new(),
        };
        let network = network.map(&mut step);
        self.moments = step.after;
        network
    }

    /// The moments of what trains in `network`, as two vectors by name, and the number of steps.
    ///
    /// # Errors
    /// Returns [`Error::Device`] if the values cannot be read back from the device.
    pub(crate) fn state<M: Module>(&self, network: &M) -> Result<(NamedTensors, usize), Error> {
        let mut reader = Reader {
            moments: self.moments.iter(),
            values: Ok([Vec::new(), Vec::new()]),
        };
        network.visit(&mut reader);
        let tensors = (MOMENTS.into_iter())
            .zip(reader.values?)
            .map(|(name, data)| {
                let shape = vec![data.len()];
                (name.to_owned(), HostTensor { shape, data })
            });
        Ok((tensors.collect(), self.steps))
    }

    /// Continues from `state` with `network`.
    ///
    /// # Errors
    /// Returns [`Error::MissingTensor`] or [`Error::ShapeMismatch`] if the moments are not those of what trains in
    /// `network`.
    pub(crate) fn load<M: Module>(
        &mut self,
        (mut tensors, steps): (NamedTensors, usize),
        network: &M,
    ) -> Result<(), Error> {
        let mut count = Count(0);
        network.visit(&mut count);
        let mut take = |name: &str| {
            let name = name.to_owned();
            match tensors.remove(&name) {
                None => Err(Error::MissingTensor { name }),
                Some(found) if found.data.len() != count.0 => Err(Error::ShapeMismatch {
                    name,
                    expected: vec![count.0],
                    found: found.shape,
                }),
                Some(found) => Ok(found.data),
            }
        };
        let mut writer = Writer {
            values: [take(MOMENTS[0])?, take(MOMENTS[1])?],
            at: 0,
            moments: Vec::new(),
        };
        network.visit(&mut writer);
        (self.steps, self.moments) = (steps, writer.moments);
        Ok(())
    }
}

struct Step<'a> {
    settings: fused_ops::Adam,
    time: usize,
    lr: f64,
    gradients: &'a mut Gradients,
    before: std::vec::IntoIter<Moments>,
    after: Vec<Moments>,
}

impl ModuleMapper for Step<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.val().is_require_grad() {
            return param;
        }
        let before = self.before.next().flatten();
        param.map(|old| {
            let Some(gradient) = old.grad_remove(self.gradients) else {
                self.after.push(before);
                return old;
            };
            let before = before.and_then(|moments| moments.downcast::<[Tensor<D>; 2]>().ok());
            let (weights, moments) = adam_step(
                &self.settings,
                old.clone().without_autodiff(),
                gradient,
                before.map(|moments| *moments),
                self.time,
                self.lr,
            );
            self.after.push(Some(Box::new(moments)));
            let weights = match old.gradient_checkpointing_strategy() {
                Some(strategy) => {
                    (weights.autodiff()).with_gradient_checkpointing_strategy(strategy)
                }
                None => weights,
            };
            weights.set_require_grad(true)
        })
    }
}

struct Reader<'a> {
    moments: std::slice::Iter<'a, Moments>,
    values: Result<[Vec<f32>; 2], Error>,
}

impl ModuleVisitor for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(values) = &mut self.values else { return };
        if !param.val().is_require_grad() {
            return;
        }
        let moments = self.moments.next().and_then(Option::as_ref);
        let Some(moments) = moments.and_then(|both| both.downcast_ref::<[Tensor<D>; 2]>()) else {
            let zeros = param.shape().num_elements();
            for values in values {
                values.resize(values.len() + zeros, 0.0);
            }
            return;
        };
        for ((values, moment), name) in values.iter_mut().zip(moments).zip(MOMENTS) {
            match moment.clone().into_data().try_into_vec::<f32>() {
                Ok(data) => values.extend(data),
                Err(source) => {
                    let name = name.to_owned();
                    self.values = Err(Error::Device { name, source });
                    return;
                }
            }
        }
    }
}

/// Counts the values that train.
struct Count(usize);

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.val().is_require_grad() {
            self.0 += param.shape().num_elements();
        }
    }
}

/// Cuts two vectors of the counted length into moments.
struct Writer {
    values: [Vec<f32>; 2],
    at: usize,
    moments: Vec<Moments>,
}

impl ModuleVisitor for Writer {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        let (shape, device) = (value.dims(), value.without_autodiff().device());
        let end = self.at + shape.iter().product::<usize>();
        let moments: [Tensor<D>; 2] = [0, 1].map(|which| {
            let part = self.values[which][self.at..end].to_vec();
            Tensor::from_data(TensorData::new(part, shape), &device)
        });
        self.at = end;
        self.moments.push(Some(Box::new(moments)));
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::{AdamConfig, GradientsParams};
    use burn::tensor::{Device, Distribution};
    use lora_gan::{PatchGan, PatchGanConfig};
    use weight_blocks::module_to_named;

    use super::*;

    fn network(width: usize, device: &Device) -> PatchGan {
        let config = PatchGanConfig {
            width,
            layers: 1,
            ..PatchGanConfig::compact()
        };
        PatchGan::new(&config, 3, device).unwrap()
    }

    fn slope(network: &PatchGan, step: u64, device: &Device) -> Gradients {
        device.seed(step);
        let images = || Tensor::<4>::random([2, 3, 16, 16], Distribution::Default, device);
        let logits = network.forward(images(), images()).unwrap();
        logits.powi_scalar(2).mean().backward()
    }

    #[test]
    fn moments_of_another_network_are_refused() {
        let device = test_device::device().autodiff();
        let (small, large) = (network(4, &device), network(8, &device));
        let mut adam = Adam::new(0.5);
        adam.step(1e-2, small.clone(), &mut slope(&small, 0, &device));
        let state = || adam.state(&small).unwrap();
        Adam::new(0.5).load(state(), &small).unwrap();
        match Adam::new(0.5).load(state(), &large) {
            Err(Error::ShapeMismatch { name, .. }) => assert_eq!(name, "moment_1"),
            other => panic!("{other:?}"),
        }
        let (mut moments, steps) = state();
        moments.remove("moment_2");
        match Adam::new(0.5).load((moments, steps), &small) {
            Err(Error::MissingTensor { name }) => assert_eq!(name, "moment_2"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frozen_network_stays_as_it_is() {
        let device = test_device::device().autodiff();
        let (trains, frozen) = (network(4, &device), network(4, &device).no_grad());
        let mut adam = Adam::new(0.5);
        let after = adam.step(1e-2, frozen.clone(), &mut slope(&trains, 0, &device));
        let [before, after] = [&frozen, &after].map(|n| module_to_named(n).unwrap());
        assert_eq!(after, before);
    }

    #[test]
    fn steps_are_those_of_burn() {
        let device = test_device::device();
        let exact = device == Device::flex();
        let device = device.autodiff();
        let start = network(4, &device);
        let (mut ours, mut burns) = (start.clone(), start.clone());
        let mut adam = Adam::new(0.5);
        let mut reference = AdamConfig::new()
            .with_beta_1(0.5)
            .with_beta_2(0.999)
            .with_epsilon(1e-8)
            .init();
        for step in 0..3 {
            ours = adam.step(1e-2, ours.clone(), &mut slope(&ours, step, &device));
            let gradients = GradientsParams::from_grads(slope(&burns, step, &device), &burns);
            burns = reference.step(1e-2, burns.clone(), gradients);
        }
        let [start, ours, burns] = [&start, &ours, &burns].map(|n| module_to_named(n).unwrap());
        assert_ne!(ours, start);
        for (name, expected) in &burns {
            for (found, expected) in ours[name].data.iter().zip(&expected.data) {
                let same = if exact {
                    found == expected
                } else {
                    (found - expected).abs() < 1e-5
                };
                assert!(same, "{name}: {found} instead of {expected}");
            }
        }
    }
}
