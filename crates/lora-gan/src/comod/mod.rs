//! Co-Mod-GAN (Zhao et al., "Large Scale Image Completion via Co-Modulated Generative Adversarial
//! Networks", ICLR 2021) for image-to-image translation.
//!
//! The wiring is that of `zsyzzsoft/co-mod-gan` (`training/co_mod_gan.py`) with `pix2pix=True`: the
//! encoder and the discriminator see the photo and no mask, and nothing is pasted over the output.
//! The parts are StyleGAN2's (Karras et al., 2020), each equal to
//! `NVlabs/stylegan2-ada-pytorch`. What differs from the TensorFlow source, and why:
//!
//! - kernels of modulated convolutions are not multiplied by their equalised-learning-rate gain
//!   before demodulation, which cancels it (as stylegan2-ada does);
//! - kernels of upsampling convolutions are stored as transposed convolutions take them (likewise);
//! - dropout on the encoder's vector is off in [`Pass::Eval`](crate::Pass::Eval); the source never
//!   turns it off. Noise is then the stored one, as with the source's `randomize_noise=False`;
//! - no style mixing, no moving average of w and so no truncation: these shape samples of a prior,
//!   while an edit of a photo has one target.

mod config;
mod conv;
mod dense;
mod discriminator;
mod encoder;
mod generator;
mod mapping;
mod minibatch_std;
mod modulated;
mod resample;
mod synthesis;

pub use config::CoModConfig;
pub use conv::EqualConv;
pub use dense::EqualLinear;
pub use discriminator::{CoModDiscriminator, ResidualDown};
pub use encoder::{Encoder, EncoderBlock};
pub use generator::{CoModGenerator, latents};
pub use mapping::Mapping;
pub use minibatch_std::minibatch_std;
pub use modulated::ModulatedConv;
pub use resample::{downsample2, upsample2};
pub use synthesis::{Synthesis, SynthesisBlock, SynthesisLayer, ToRgb};
