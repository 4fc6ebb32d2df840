//! How large a generator is, before anything is allocated for it.

use super::config::GeneratorConfig;

impl GeneratorConfig {
    /// The values of the kernels, and of the null tokens: nearly all of a base, and never more than it has. For a
    /// configuration that passed its check.
    pub(crate) fn kernel_values(&self) -> u64 {
        let big = |value: usize| value as u64;
        let [w0, w1, w2] = self.widths.map(big);
        let (edge, up) = (big(self.edge_kernel).pow(2), big(self.up_kernel).pow(2));
        let context = big(self.context_width);
        let down = 3 * w0 * edge + 9 * (w0 * w1 + w1 * w2 + w2 * w2);
        let blocks = 6 * 9 * w2 * w2;
        let attention = 4 * w2 * w2 + 2 * (w2 + context) * w2;
        let feed_forward = 12 * w2 * w2;
        let rise = up * (w2 * w2 + w2 * w1 + w1 * w0) + 3 * w0 * edge;
        down + blocks + attention + feed_forward + rise + big(self.null_tokens) * context
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use weight_blocks::module_to_named;

    use crate::{GeneratorConfig, HybridGenerator};

    #[test]
    fn kernels_are_nearly_all_of_a_base() {
        let wide = GeneratorConfig {
            widths: [5, 9, 12],
            context_width: 7,
            heads: 3,
            edge_kernel: 5,
            ..GeneratorConfig::compact()
        };
        for config in [GeneratorConfig::paper(), GeneratorConfig::compact(), wide] {
            let generator = HybridGenerator::new(&config, 0, &Device::flex()).unwrap();
            let named = module_to_named(&generator).unwrap();
            let own = named.iter().filter(|(name, _)| !name.contains(".lora_"));
            let values = own.map(|(_, tensor)| tensor.data.len() as u64).sum::<u64>();
            let kernels = config.kernel_values();
            assert!(kernels <= values, "{kernels} against {values}");
            assert!(10 * kernels > 9 * values, "{kernels} against {values}");
        }
    }
}
