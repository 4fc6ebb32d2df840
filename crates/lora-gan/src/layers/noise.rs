//! The randomness of one forward pass of the hybrid generator.

use burn::tensor::{Device, Tensor};

use crate::pass::Pass;

/// Hands each layer that draws something a stream of its own.
pub(crate) struct Noise {
    pass: Pass,
    stream: u64,
}

impl Noise {
    pub(crate) fn new(pass: Pass) -> Self {
        Self { pass, stream: 0 }
    }

    fn next(&mut self) -> u64 {
        self.stream += 1;
        self.stream
    }

    /// `x` with a share of `p` of its values dropped; none where nothing is.
    pub(crate) fn drop<const D: usize>(&mut self, x: &Tensor<D>, p: f64) -> Option<Tensor<D>> {
        if p > 0.0 && self.pass.is_train() {
            let stream = self.next();
            Some(self.pass.dropout(x.clone(), p, stream))
        } else {
            None
        }
    }

    /// The input of LoRA's `down` with dropout; none where the layer may be computed merged. As in
    /// PyTorch, dropout rests unless the network trains.
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

    /// One channel of N(0, 1), zero in a deterministic pass.
    pub(crate) fn channel(&mut self, shape: [usize; 4], device: &Device) -> Tensor<4> {
        let stream = self.next();
        match self.pass.noise(shape, stream) {
            None => Tensor::zeros(shape, device),
            Some(data) => Tensor::from_data(data, device),
        }
    }
}
