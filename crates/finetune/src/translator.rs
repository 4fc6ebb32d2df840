//! What a GAN is made of, as the training loop and the measuring see it.

use burn::tensor::Tensor;
use gan_baselines::comod::latents;
use gan_baselines::{CoModDiscriminator, CoModGenerator, Critic, ResnetGenerator};
use lora_gan::{HybridGenerator, Pass, PatchGan};

use crate::Error;

/// Photo → edited photo, `[B, 3, S, S]` in −1..1 each.
pub trait ImageTranslator {
    /// Translates a batch. Whatever noise the network takes (dropout, a latent) follows from the seed
    /// of `pass`; in [`Pass::Eval`] it is the same for every call.
    ///
    /// # Errors
    /// Photos of a size that the network does not take.
    fn translate(&self, photo: Tensor<4>, pass: Pass) -> Result<Tensor<4>, Error>;
}

/// (photo, edited photo) → logits, large if it takes the pair for a real one.
pub trait PairDiscriminator: Critic {
    /// `[B, 3, S, S]` twice → `[B, 1, H, W]`.
    ///
    /// # Errors
    /// Images of a size that the network does not take.
    fn judge(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<4>, Error>;

    /// Logits of the real and of the generated pairs of the same photos. Judged in two calls unless
    /// the network knows that one gives the same.
    ///
    /// # Errors
    /// As [`PairDiscriminator::judge`].
    fn judge_both(
        &self,
        photo: Tensor<4>,
        real: Tensor<4>,
        fake: Tensor<4>,
    ) -> Result<(Tensor<4>, Tensor<4>), Error> {
        Ok((self.judge(photo.clone(), real)?, self.judge(photo, fake)?))
    }
}

impl ImageTranslator for HybridGenerator {
    fn translate(&self, photo: Tensor<4>, pass: Pass) -> Result<Tensor<4>, Error> {
        Ok(self.forward(photo, None, pass)?)
    }
}

impl ImageTranslator for ResnetGenerator {
    fn translate(&self, photo: Tensor<4>, pass: Pass) -> Result<Tensor<4>, Error> {
        Ok(self.forward(photo, pass)?)
    }
}

impl ImageTranslator for CoModGenerator {
    fn translate(&self, photo: Tensor<4>, pass: Pass) -> Result<Tensor<4>, Error> {
        let seed = match pass {
            Pass::Train { seed } => seed,
            Pass::Eval => 0,
        };
        let z = latents(photo.dims()[0], self.latent(), seed, &photo.device());
        Ok(self.forward(photo, z, pass)?)
    }
}

impl PairDiscriminator for PatchGan {
    fn judge(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<4>, Error> {
        Ok(self.forward(photo, edited)?)
    }

    fn judge_both(
        &self,
        photo: Tensor<4>,
        real: Tensor<4>,
        fake: Tensor<4>,
    ) -> Result<(Tensor<4>, Tensor<4>), Error> {
        Ok(self.forward_both(photo, real, fake)?)
    }
}

impl PairDiscriminator for CoModDiscriminator {
    fn judge(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<4>, Error> {
        let logits = self.forward(photo, edited)?;
        let [batch, one] = logits.dims();
        Ok(logits.reshape([batch, one, 1, 1]))
    }
}
