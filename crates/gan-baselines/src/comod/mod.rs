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
//! - dropout on the encoder's vector is off in [`Pass::Eval`](lora_gan::Pass::Eval); the source never
//!   turns it off. Noise is then the stored one, as with the source's `randomize_noise=False`;
//! - no style mixing, no moving average of w and so no truncation: these shape samples of a prior,
//!   while an edit of a photo has one target.
//!
//! `finetune` trains it as pix2pix: Adam with β 0.5 and 0.999 instead of StyleGAN2's 0 and 0.99, without its correction
//! for lazy regularisation, and the generator is measured as it is and not as its moving average.

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
pub use discriminator::CoModDiscriminator;
pub use generator::{CoModGenerator, latents};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use test_parity::{Fixture, close, host};

    use super::minibatch_std::minibatch_std;
    use super::resample::{downsample2, upsample2};

    #[test]
    fn resampling_and_minibatch_deviation_equal_stylegan2() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let fixture = Fixture::load(&root.join("stylegan_parts.safetensors"));
        let x = || fixture.tensor::<4>("x", &test_device::device());
        close("up", &host(upsample2(x())), fixture.host("upsample"), 1e-6);
        close(
            "down",
            &host(downsample2(x())),
            fixture.host("downsample"),
            1e-6,
        );
        for group in [2, 4, 8] {
            let y = host(minibatch_std(x(), group).unwrap());
            let name = format!("minibatch_std_{group}");
            close(&name, &y, fixture.host(&name), 1e-6);
        }
        assert!(minibatch_std(x(), 3).is_none());
    }
}
