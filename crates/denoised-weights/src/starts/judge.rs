//! How well adapters edit some of the training pairs, by forward passes alone.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, interpolate};
use burn::tensor::ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions};
use finetune::{PairSet, Start, translate};
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;

use crate::error::Result;
use crate::weights::adapt;

/// Octaves of the images in which texture is compared, from the finest on.
const OCTAVES: usize = 3;
/// What a difference of texture counts beside L1. Weights from 2 to 8 choose about equally good starts (docs/results.md,
/// "How a start is chosen").
const TEXTURE: f64 = 4.0;

/// Pairs of the first round.
const FIRST_PAIRS: usize = 4;
/// Pairs of the second round.
pub(super) const SECOND_PAIRS: usize = 16;
/// Adapters of the second round.
const FINALISTS: usize = 4;

/// The pairs on which adapters of one prompt are judged.
pub(super) struct Judge {
    base: BaseGenerator,
    pairs: PairSet,
    texture: Vec<Tensor<2>>,
}

impl Judge {
    /// Takes `count` of the pairs, spread evenly, or all if there are fewer. `base` is the one for the prompt.
    pub(super) fn new(base: &BaseGenerator, pairs: &PairSet, count: usize) -> Result<Self> {
        if pairs.is_empty() {
            return Err(finetune::Error::NoPairs {
                what: "training",
                needed: 1,
            }
            .into());
        }
        let count = count.min(pairs.len());
        let picked: Vec<usize> = (0..count).map(|i| i * pairs.len() / count).collect();
        let pairs = pairs.select(&picked);
        Ok(Self {
            base: base.clone(),
            texture: texture(pairs.targets.clone()),
            pairs,
        })
    }

    /// How far the edits are from the targets: their mean absolute difference, and [`TEXTURE`] times that of their
    /// texture, in units of the −1..1 range. By L1 alone, an edit without texture beats one whose strokes lie elsewhere.
    fn distance(&self, adapter: &NamedTensors) -> Result<f64> {
        let network = adapt(&self.base, adapter)?.merge_adapter();
        let edited: Tensor<4> = translate(&network, &self.pairs.photos)?;
        Ok(distance(edited, self.pairs.targets.clone(), &self.texture))
    }

    /// Measures the adapters; the best first.
    pub(super) fn rank(
        &self,
        adapters: impl IntoIterator<Item = (String, NamedTensors)>,
    ) -> Result<Vec<Judged>> {
        let judge = |(name, weights)| {
            Ok(Judged {
                distance: self.distance(&weights)?,
                pairs: self.pairs.len(),
                name,
                weights,
            })
        };
        let mut judged = adapters
            .into_iter()
            .map(judge)
            .collect::<Result<Vec<_>>>()?;
        sort(&mut judged);
        Ok(judged)
    }
}

/// An adapter, and how far its edits are from the targets.
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) weights: NamedTensors,
    pub(super) distance: f64,
    /// The number of pairs that it was measured on.
    pub(super) pairs: usize,
}

/// The best first.
pub(super) fn sort(judged: &mut [Judged]) {
    judged.sort_by(|a, b| a.distance.total_cmp(&b.distance));
}

/// The first of the ranked adapters.
pub(super) fn best(ranked: Vec<Judged>) -> Result<Start> {
    let best = ranked.into_iter().next();
    let best = best.ok_or(finetune::Error::EmptyZoo)?;
    Ok(Start {
        weights: best.weights,
        origin: Some(best.name),
    })
}

/// Two rounds of measuring: every adapter on a few pairs, and the best of them on more.
pub(super) struct Rounds {
    pub(super) first: Judge,
    second: Judge,
}

impl Rounds {
    pub(super) fn new(base: &BaseGenerator, pairs: &PairSet) -> Result<Self> {
        Ok(Self {
            first: Judge::new(base, pairs, FIRST_PAIRS)?,
            second: Judge::new(base, pairs, SECOND_PAIRS)?,
        })
    }

    /// The second round, for what the first one ranked: its best, newly ranked, and then the rest of the first round.
    pub(super) fn finish(&self, mut ranked: Vec<Judged>) -> Result<Vec<Judged>> {
        let rest = ranked.split_off(FINALISTS.min(ranked.len()));
        let finalists = ranked.into_iter().map(|one| (one.name, one.weights));
        let mut ranked = self.second.rank(finalists)?;
        ranked.extend(rest);
        Ok(ranked)
    }
}

fn distance(edited: Tensor<4>, targets: Tensor<4>, target_texture: &[Tensor<2>]) -> f64 {
    let l1 = (edited.clone() - targets).abs().mean();
    let textures = texture(edited).into_iter().zip(target_texture);
    let apart = textures.map(|(edited, target)| (edited - target.clone()).abs().mean());
    let all = apart.fold(l1, |sum, apart| sum + apart * TEXTURE);
    f64::from(all.into_scalar::<f32>())
}

/// The mean absolute value of each channel [images, channels] of the finest bands of the images' Laplacian pyramid (Burt and
/// Adelson 1983, with a box filter): as many as the size can be halved, at most [`OCTAVES`].
fn texture(mut images: Tensor<4>) -> Vec<Tensor<2>> {
    let mut bands = Vec::new();
    for _ in 0..OCTAVES {
        let [_, _, height, width] = images.dims();
        if height % 2 + width % 2 > 0 {
            break;
        }
        let coarse = avg_pool2d(
            images.clone(),
            AvgPoolOptions::new([2, 2]).with_stride([2, 2]),
        );
        let nearest = InterpolateOptions::new(InterpolateMode::Nearest);
        let smooth = interpolate(coarse.clone(), nearest.with_output_size([height, width]));
        let band = (images - smooth).abs().mean_dim(3).mean_dim(2);
        bands.push(band.squeeze_dims(&[2, 3]));
        images = coarse;
    }
    bands
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// Dots of `value` in every fourth column and row from `first` on, on −1.
    fn dots(value: f32, first: usize) -> Tensor<4> {
        let on = |i: usize| i % 4 == first;
        let pixels = (0..256).map(|i| {
            if on(i / 16) && on(i % 16) {
                value
            } else {
                -1.0
            }
        });
        let data = TensorData::new(pixels.collect::<Vec<f32>>(), [1, 1, 16, 16]);
        Tensor::from_data(data, &Device::flex())
    }

    #[test]
    fn displaced_texture_is_better_than_none_although_its_l1_is_larger() {
        let target = dots(1.0, 0);
        let l1 = |edited: Tensor<4>| {
            let apart = (edited - target.clone()).abs().mean();
            apart.into_scalar::<f32>()
        };
        let own = texture(target.clone());
        assert_eq!(own.len(), OCTAVES);
        // A sixteenth of the pixels is 2 above the rest: of each 2 × 2 block with a dot the mean is 0.5 above, so the dot
        // is 1.5 from it and the others 0.5; such are a quarter of the blocks.
        assert_eq!(own[0].clone().into_scalar::<f32>(), 0.1875);
        let (displaced, flat) = (dots(1.0, 1), dots(-1.0, 0));
        assert!(l1(flat.clone()) < l1(displaced.clone()));
        let distance = |edited| distance(edited, target.clone(), &own);
        assert_eq!(distance(target.clone()), 0.0);
        assert!(distance(displaced) < distance(flat));
    }

    #[test]
    fn sizes_that_cannot_be_halved_have_fewer_bands() {
        let images = Tensor::<4>::zeros([2, 3, 6, 4], &Device::flex());
        assert_eq!(texture(images.clone()).len(), 1);
        assert_eq!(texture(images)[0].dims(), [2, 3]);
        let images = Tensor::<4>::zeros([1, 3, 5, 4], &Device::flex());
        assert!(texture(images).is_empty());
    }
}
