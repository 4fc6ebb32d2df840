//! How a network is run, and the seeded randomness of a training pass.

use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::init::normal;

/// Values of a mask that a thread draws at a time.
const PART: usize = 1 << 16;

/// How a network is run.
///
/// PyTorch's pix2pix keeps dropout and batch statistics on at test time unless `--eval` is given;
/// [`Pass::Train`] on a device without autodiff does the same for pix2pix's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Dropout, fresh noise, and batch norms by the batch's statistics, which update the running ones
    /// (but the batch norms of an adapted [`HybridGenerator`](crate::HybridGenerator) are constants).
    /// Everything random is drawn on the host from `seed`, each layer from its own stream, so the same
    /// seed gives the same masks on any device. Use another seed at every step.
    Train {
        /// The seed of this pass.
        seed: u64,
    },
    /// Running statistics, no dropout, and the noise that is stored with the network, if any.
    Eval,
}

impl Pass {
    /// Whether it is a training pass.
    pub fn is_train(self) -> bool {
        matches!(self, Self::Train { .. })
    }

    /// The random stream `layer`; `None` outside training.
    fn rng(self, layer: u64) -> Option<ChaCha8Rng> {
        match self {
            Self::Eval => None,
            Self::Train { seed } => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(layer);
                Some(rng)
            }
        }
    }

    /// Inverted dropout (PyTorch's `nn.Dropout`) with the random stream `layer`: in training, values are zeroed with
    /// probability `rate` and the others divided by `1 - rate`.
    pub fn dropout<const D: usize>(self, x: Tensor<D>, rate: f64, layer: u64) -> Tensor<D> {
        match self.rng(layer) {
            Some(rng) if rate > 0.0 => {
                let keep = (1.0 / (1.0 - rate)) as f32;
                let shape = x.dims();
                let mut mask = vec![0.0; shape.iter().product()];
                // Each part reads its own place of the one stream: a value takes two words.
                mask.par_chunks_mut(PART).enumerate().for_each(|(i, part)| {
                    let mut rng = rng.clone();
                    rng.set_word_pos((2 * i * PART) as u128);
                    for value in part {
                        if rng.random::<f64>() >= rate {
                            *value = keep;
                        }
                    }
                });
                let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device());
                x * mask
            }
            _ => x,
        }
    }

    /// Noise from N(0, 1) with the random stream `layer`; `None` outside training.
    pub fn noise<const D: usize>(self, shape: [usize; D], layer: u64) -> Option<TensorData> {
        self.rng(layer)
            .map(|mut rng| TensorData::new(normal(shape.iter().product(), 1.0, &mut rng), shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().try_into_vec::<f32>().unwrap()
    }

    #[test]
    fn dropout_keeps_the_mean_and_follows_seed_and_layer() {
        let ones = || Tensor::<2>::ones([100, 100], &Device::flex());
        let drop = |seed, layer, rate| values(Pass::Train { seed }.dropout(ones(), rate, layer));
        let half = drop(1, 0, 0.5);
        assert!(half.iter().all(|v| *v == 0.0 || *v == 2.0));
        // 10,000 draws: three deviations of the mean of 0 or 2 are 0.03.
        let mean = half.iter().sum::<f32>() / 1e4;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        let kept = drop(1, 0, 0.2).iter().filter(|v| **v == 1.25).count();
        assert!((7_880..=8_120).contains(&kept), "{kept}");
        assert_eq!(half, drop(1, 0, 0.5));
        // More values than a part has: the stream goes on from one to the next.
        let long = Tensor::<1>::ones([PART + 9], &Device::flex());
        let found =
            (Pass::Train { seed: 1 }.dropout(long, 0.5, 0).into_data()).try_into_vec::<f32>();
        let mut rng = Pass::Train { seed: 1 }.rng(0).unwrap();
        let expected: Vec<f32> = (0..PART + 9)
            .map(|_| if rng.random::<f64>() < 0.5 { 0.0 } else { 2.0 })
            .collect();
        assert_eq!(found.unwrap(), expected);
        assert_ne!(half, drop(2, 0, 0.5));
        assert_ne!(half, drop(1, 1, 0.5));
        assert_eq!(values(Pass::Eval.dropout(ones(), 0.5, 0)), values(ones()));
        assert!(Pass::Eval.noise([2, 2], 0).is_none());
    }
}
