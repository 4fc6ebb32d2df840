//! Number of weights of a network, before anything is allocated for it.

use crate::UNet1dConfig;

/// Number of weights of the network that [`UNet1d::new`](crate::UNet1d::new) makes of a valid `config`.
pub(crate) fn parameter_count(config: &UNet1dConfig) -> u128 {
    let big = |value: usize| value as u128;
    let [a, b, c] = config
        .multipliers
        .map(|m| big(m) * big(config.base_channels));
    let (embedding, context) = (big(config.embedding_size), big(config.context_width));
    let linear = |inputs: u128, outputs: u128| inputs * outputs + outputs;
    let res = |inputs: u128, outputs: u128| {
        let skip = if inputs == outputs {
            0
        } else {
            linear(inputs, outputs)
        };
        2 * inputs
            + linear(3 * inputs, outputs)
            + linear(embedding, 2 * outputs)
            + 2 * outputs
            + linear(3 * outputs, outputs)
            + skip
    };
    let attention =
        |width: u128, keys: u128| width * width + 2 * keys * width + linear(width, width);
    let text = |width: u128| {
        let inner = big(config.ff_multiplier) * width;
        6 * width
            + attention(width, width)
            + attention(width, context)
            + linear(width, 2 * inner)
            + linear(inner, width)
    };
    let resampling = if config.downsample {
        linear(2 * a, a) + linear(2 * b, b) + linear(c, 2 * c) + linear(b, 2 * b)
    } else {
        0
    };
    let heads =
        (config.block_heads).map_or(0, |blocks| 2 * a + big(blocks) * a * big(config.block_size));
    let patch = big(config.patch_size);
    linear(patch, a)
        + big(config.positions()) * a
        + 2 * (linear(big(config.encoding_size), embedding) + linear(embedding, embedding))
        + 3 * context
        + res(a, a)
        + text(a)
        + res(a, b)
        + text(b)
        + res(b, c)
        + text(c)
        + res(2 * c, c)
        + res(c + b, b)
        + text(b)
        + res(b + a, a)
        + text(a)
        + resampling
        + 2 * a
        + linear(a, patch)
        + heads
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;

    use super::*;
    use crate::UNet1d;

    #[test]
    fn it_is_the_number_of_weights_of_the_network() {
        let small = UNet1dConfig {
            block_size: 16,
            patch_size: 2,
            base_channels: 8,
            multipliers: [1, 2, 3],
            norm_groups: 4,
            heads: 2,
            encoding_size: 6,
            embedding_size: 10,
            context_width: 7,
            ..UNet1dConfig::compact()
        };
        for config in [
            UNet1dConfig {
                downsample: false,
                ..small.clone()
            },
            UNet1dConfig {
                block_heads: Some(7),
                multipliers: [2, 1, 1],
                ..small.clone()
            },
            small,
            UNet1dConfig::compact(),
        ] {
            let unet = UNet1d::new(&config, 0, &Device::flex()).unwrap();
            assert_eq!(
                parameter_count(&config),
                unet.num_params() as u128,
                "{config:?}"
            );
        }
    }
}
