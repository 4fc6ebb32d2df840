//! Adam on everything that trains in a network, as one vector.

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use fused_ops::adam_step;
use weight_blocks::{Error, HostTensor, NamedTensors, parameter_vector};

const MOMENTS: [&str; 2] = ["moment_1", "moment_2"];

/// Adam (Kingma and Ba 2015): the same values as Burn's, to the bit on the CPU, by a handful of operations
/// instead of a dozen for each tensor.
pub(crate) struct Adam {
    settings: fused_ops::Adam,
    steps: usize,
    /// What trains, and both moments of its gradient; none before the first step.
    vectors: Option<Vectors>,
}

struct Vectors {
    /// The network's tensors are parts of it. None after loading.
    weights: Option<Tensor<1>>,
    moments: [Tensor<1>; 2],
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
            vectors: None,
        }
    }

    /// `network` after one step at the rate `lr`. It is the network that the step before gave.
    pub(crate) fn step<M: Module>(&mut self, lr: f64, network: M, gradients: &mut Gradients) -> M {
        let (weights, moments) = match self.vectors.take() {
            Some(vectors) => (vectors.weights, Some(vectors.moments)),
            None => (None, None),
        };
        let Some(weights) = weights.or_else(|| parameter_vector::trained(&network)) else {
            return network;
        };
        let gradient = parameter_vector::gradients(&network, gradients);
        self.steps += 1;
        let (weights, moments) =
            adam_step(&self.settings, weights, gradient, moments, self.steps, lr);
        let network = parameter_vector::with_trained(network, &weights);
        self.vectors = Some(Vectors {
            weights: Some(weights),
            moments,
        });
        network
    }

    /// The moments by name, and the number of steps; no moments before the first step.
    ///
    /// # Errors
    /// Returns [`Error::Device`] if the values cannot be read back from the device.
    pub(crate) fn state(&self) -> Result<(NamedTensors, usize), Error> {
        let mut tensors = NamedTensors::new();
        for (name, moment) in MOMENTS
            .iter()
            .zip(self.vectors.iter().flat_map(|v| &v.moments))
        {
            let data = moment.clone().into_data().try_into_vec::<f32>();
            let data = data.map_err(|source| Error::Device {
                name: (*name).to_owned(),
                source,
            })?;
            let shape = vec![data.len()];
            tensors.insert((*name).to_owned(), HostTensor { shape, data });
        }
        Ok((tensors, self.steps))
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
        (self.steps, self.vectors) = (steps, None);
        let Some(weights) = parameter_vector::trained(network).filter(|_| steps > 0) else {
            return Ok(());
        };
        let device = weights.device();
        let [first, second] =
            MOMENTS.map(|name| moment(&mut tensors, name, weights.dims(), &device));
        self.vectors = Some(Vectors {
            weights: None,
            moments: [first?, second?],
        });
        Ok(())
    }
}

fn moment(
    tensors: &mut NamedTensors,
    name: &str,
    shape: [usize; 1],
    device: &Device,
) -> Result<Tensor<1>, Error> {
    let Some(found) = tensors.remove(name) else {
        return Err(Error::MissingTensor {
            name: name.to_owned(),
        });
    };
    if found.shape != shape {
        return Err(Error::ShapeMismatch {
            name: name.to_owned(),
            expected: shape.to_vec(),
            found: found.shape,
        });
    }
    Ok(Tensor::from_data(
        TensorData::new(found.data, shape),
        device,
    ))
}

#[cfg(test)]
mod tests {
    use burn::optim::{AdamConfig, GradientsParams};
    use burn::tensor::Distribution;
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
        let state = || adam.state().unwrap();
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
