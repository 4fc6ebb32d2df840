//! A history of generated images (Shrivastava et al., 2017), as pix2pix's and CycleGAN's code keeps.

use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A buffer that shows the discriminator older images as well as the latest.
///
/// Until it is full, images go in and come straight back. From then on each image has an even
/// chance to come straight back, or to replace a random one of the buffer, which comes back in its
/// place: `util/image_pool.py` of `junyanz/pytorch-CycleGAN-and-pix2pix`. That code keeps 50 for
/// CycleGAN and none for pix2pix.
///
/// What happens to the nth image depends on the seed and n only, so a run that saves
/// [`ImagePool::images`] and [`ImagePool::seen`] goes on with [`ImagePool::restore`] as if it had
/// never stopped.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use gan_baselines::ImagePool;
///
/// let mut pool = ImagePool::new(50, 0);
/// let images = Tensor::<4>::ones([4, 3, 8, 8], &Device::flex());
/// assert_eq!(pool.query(images).dims(), [4, 3, 8, 8]);
/// assert_eq!(pool.images().len(), 4);
/// ```
#[derive(Debug, Clone)]
pub struct ImagePool {
    capacity: usize,
    seed: u64,
    seen: u64,
    images: Vec<Tensor<4>>,
}

impl ImagePool {
    /// An empty buffer for `capacity` images; 0 gives every image back.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self::restore(capacity, seed, 0, Vec::new())
    }

    /// A buffer in the state that `seen` images left it in. Images beyond `capacity` are dropped.
    pub fn restore(capacity: usize, seed: u64, seen: u64, mut images: Vec<Tensor<4>>) -> Self {
        images.truncate(capacity);
        Self {
            capacity,
            seed,
            seen,
            images,
        }
    }

    /// The buffer, each image `[1, C, H, W]`.
    pub fn images(&self) -> &[Tensor<4>] {
        &self.images
    }

    /// Images that went through so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The latest images `[B, C, H, W]` → as many for the discriminator, detached from their graph.
    pub fn query(&mut self, images: Tensor<4>) -> Tensor<4> {
        let (seed, capacity) = (self.seed, self.capacity);
        self.query_with(images, |n| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(n);
            (rng.random::<f64>() > 0.5).then(|| rng.random_range(0..capacity))
        })
    }

    /// `choose` says for the nth image which one of a full buffer it replaces, if any.
    fn query_with(
        &mut self,
        images: Tensor<4>,
        mut choose: impl FnMut(u64) -> Option<usize>,
    ) -> Tensor<4> {
        let images = images.detach();
        if self.capacity == 0 || images.dims()[0] == 0 {
            return images;
        }
        let shown = images
            .split(1, 0)
            .into_iter()
            .map(|image| {
                let n = self.seen;
                self.seen += 1;
                if self.images.len() < self.capacity {
                    self.images.push(image.clone());
                    return image;
                }
                match choose(n) {
                    None => image,
                    Some(at) => std::mem::replace(&mut self.images[at], image),
                }
            })
            .collect();
        Tensor::cat(shown, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn batch(first: usize, n: usize) -> Tensor<4> {
        let values: Vec<f32> = (first..first + n).map(|v| v as f32).collect();
        Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([n, 1, 1, 1])
    }

    fn labels(x: Tensor<4>) -> Vec<usize> {
        let values = x.into_data().try_into_vec::<f32>().unwrap();
        values.iter().map(|v| *v as usize).collect()
    }

    /// The original's pool on numbered images, with the random numbers that it drew
    /// (tools/gan_fixtures.py).
    #[test]
    fn equals_the_originals_given_its_draws() {
        #[derive(serde::Deserialize)]
        struct Fixture {
            capacity: usize,
            batch: usize,
            choices: Vec<Option<usize>>,
            shown: Vec<usize>,
            left: Vec<usize>,
        }
        let text = include_str!("../tests/fixtures/image_pool.json");
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        let mut pool = ImagePool::new(fixture.capacity, 0);
        let mut shown = Vec::new();
        for first in (0..fixture.shown.len()).step_by(fixture.batch) {
            let images = batch(first, fixture.batch);
            let choose = |n: u64| fixture.choices[n as usize - fixture.capacity];
            shown.extend(labels(pool.query_with(images, choose)));
        }
        assert_eq!(shown, fixture.shown);
        let left: Vec<usize> = pool.images().iter().cloned().flat_map(labels).collect();
        assert_eq!(left, fixture.left);
    }

    #[test]
    fn seeded_even_chance_and_resumable() {
        let run = |seed| {
            let mut pool = ImagePool::new(50, seed);
            labels(pool.query(batch(0, 2050)))
        };
        let shown = run(3);
        assert_eq!(shown, run(3));
        assert_ne!(shown, run(4));
        assert_eq!(shown[..50], (0..50).collect::<Vec<_>>());
        let own = (50..2050).filter(|i| shown[*i] == *i).count();
        // 2,000 draws at 0.5: four deviations are 89.
        assert!((911..=1089).contains(&own), "{own}");

        let mut first = ImagePool::new(50, 3);
        first.query(batch(0, 1000));
        let mut second = ImagePool::restore(50, 3, first.seen(), first.images().to_vec());
        assert_eq!(labels(second.query(batch(1000, 1050))), shown[1000..]);
        assert_eq!(labels(ImagePool::new(0, 0).query(batch(7, 3))), [7, 8, 9]);
    }
}
