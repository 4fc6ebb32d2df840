//! How much memory a training needs, before it begins.

use lora_gan::HybridGenerator;

use crate::Error;
use crate::error::Result;

/// The process, the weights, and the networks that measure.
const FIXED: u64 = 200 << 20;
/// For each value of a layer's output: the value, its gradient, and a part of the discriminator's.
const BYTES_PER_VALUE: u64 = 10;
/// For each value of the images of a pair: the image, its tensor, and what is computed to measure it.
const BYTES_PER_PIXEL: u64 = 10;

/// MiB that training `network` takes at the peak on a CPU, with `batch` images of `side`×`side` pixels in a step and `pairs`
/// pairs in memory (`side` is the network's image size unless it learns from smaller squares).
///
/// An estimate, above what the programs were measured to take and below twice that.
pub fn training_mib(network: &HybridGenerator, batch: usize, side: usize, pairs: usize) -> u64 {
    let size = network.config().image_size as u64;
    let side = side as u64;
    let values = network.summary().values() as u64 * side * side / (size * size);
    let step = (batch as u64).saturating_mul(values * BYTES_PER_VALUE);
    let images = (pairs as u64).saturating_mul(6 * size * size * BYTES_PER_PIXEL);
    FIXED.saturating_add(step).saturating_add(images) >> 20
}

/// Refuses a training that needs more than `limit` MiB.
///
/// # Errors
/// Returns [`Error::NotEnoughMemory`].
pub fn check(needed: u64, limit: u64) -> Result<()> {
    if needed <= limit {
        return Ok(());
    }
    Err(Error::NotEnoughMemory { needed, limit })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use lora_gan::GeneratorConfig;

    use super::*;

    fn network(config: &GeneratorConfig) -> HybridGenerator {
        HybridGenerator::new(config, 0, &Device::flex()).unwrap()
    }

    /// Peaks in MiB (`ru_maxrss`) of `your_style` on 64 + 60 pairs, with `--preset photo` on 16 + 12 and on 64 + 60, and of
    /// `paper_step --batch 1` and `--batch 4`.
    #[test]
    fn estimates_are_above_what_was_measured_and_below_its_double() {
        let compact = network(&GeneratorConfig::compact());
        let photo = network(&GeneratorConfig::photo());
        let paper = network(&GeneratorConfig::paper());
        for (measured, estimate) in [
            (258, training_mib(&compact, 8, 64, 124)),
            (405, training_mib(&photo, 4, 256, 28)),
            (775, training_mib(&photo, 4, 256, 124)),
            (365, training_mib(&paper, 1, 256, 1)),
            (978, training_mib(&paper, 4, 256, 8)),
        ] {
            assert!(
                (measured..2 * measured).contains(&estimate),
                "{estimate} estimated, {measured} measured"
            );
        }
    }

    #[test]
    fn what_needs_more_than_the_limit_is_refused_with_both_figures() {
        let photo = network(&GeneratorConfig::photo());
        let needed = training_mib(&photo, 4, 256, 64);
        check(needed, needed).unwrap();
        let error = check(needed, 100).unwrap_err().to_string();
        assert!(
            error.contains(&needed.to_string()) && error.contains("100"),
            "{error}"
        );
        let squares = training_mib(&photo, 4, 128, 64);
        assert!(squares < needed);
        assert!(check(training_mib(&photo, usize::MAX, 256, 1), 1 << 30).is_err());
    }
}
