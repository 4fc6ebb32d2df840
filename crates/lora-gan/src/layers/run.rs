//! One forward pass under way.

use burn::tensor::{Device, Tensor};

use crate::pass::Pass;

/// The weights that a forward pass uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weights {
    /// The base alone.
    Base,
    /// The base with its adapter.
    Adapted,
}

/// What the layers of a forward pass have in common; it hands each one that draws something a random stream of its own.
pub(crate) struct Run {
    weights: Weights,
    pass: Pass,
    stream: u64,
}

impl Run {
    pub(crate) fn new(weights: Weights, pass: Pass) -> Self {
        Self {
            weights,
            pass,
            stream: 0,
        }
    }

    pub(crate) fn is_adapted(&self) -> bool {
        self.weights == Weights::Adapted
    }

    pub(crate) fn is_train(&self) -> bool {
        self.pass.is_train()
    }

    fn next_stream(&mut self) -> u64 {
        self.stream += 1;
        self.stream
    }

    /// `x` with a share `p` of its values dropped; `None` if nothing is dropped.
    pub(crate) fn drop<const D: usize>(&mut self, x: &Tensor<D>, p: f64) -> Option<Tensor<D>> {
        if p > 0.0 && self.is_train() {
            let stream = self.next_stream();
            Some(self.pass.dropout(x.clone(), p, stream))
        } else {
            None
        }
    }

    /// The input of LoRA's `down` with dropout; `None` if the layer may be computed merged. As in PyTorch, dropout
    /// is off unless the network trains.
    pub(crate) fn drop_lora_input<const D: usize>(
        &mut self,
        x: &Tensor<D>,
        p: f64,
    ) -> Option<Tensor<D>> {
        if x.device().is_autodiff() {
            self.drop(x, p)
        } else {
            None
        }
    }

    /// One channel of N(0, 1) in training, of zeros otherwise.
    pub(crate) fn noise_channel(&mut self, shape: [usize; 4], device: &Device) -> Tensor<4> {
        let stream = self.next_stream();
        match self.pass.noise(shape, stream) {
            None => Tensor::zeros(shape, device),
            Some(data) => Tensor::from_data(data, device),
        }
    }
}
