//! How large a network is, before anything is allocated for it.

use std::path::Path;

use weight_blocks::Layout;

use crate::{Error, UNet1dConfig};

/// Bytes that a file may lack: its header has them many times over.
const SLACK: u128 = 1 << 16;

/// Refuses a configuration whose network has more values than the file beside it can hold, at `width` bytes
/// a value and `copies` of each.
pub(crate) fn check_file(
    path: &Path,
    config: &UNet1dConfig,
    width: u128,
    copies: u128,
) -> Result<(), Error> {
    config.validate()?;
    let found = std::fs::metadata(path)
        .map_err(|source| Error::io(path, source))?
        .len();
    let values = parameters(config);
    if values * width * copies > u128::from(found) + SLACK {
        return Err(Error::checkpoint(
            path,
            format!("{found} bytes for a network of {values} values"),
        ));
    }
    Ok(())
}

/// Refuses a layout that is out of proportion to the file of the network that makes its weights: its numbers
/// cost nothing to write down, and what they ask for is allocated at the first prediction.
pub(crate) fn check_layout(path: &Path, layout: &Layout) -> Result<(), Error> {
    const ALWAYS: u64 = 1 << 21;
    let found = std::fs::metadata(path)
        .map_err(|source| Error::io(path, source))?
        .len();
    let encoded = layout.encoded_len();
    if encoded as u64 > ALWAYS + found / 2 {
        return Err(Error::checkpoint(
            path,
            format!("{found} bytes for a network that makes {encoded} weights"),
        ));
    }
    Ok(())
}

/// The number of the network's values, as [`UNet1d::new`](crate::UNet1d::new) makes it.
fn parameters(config: &UNet1dConfig) -> u128 {
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
    let dictionary = config.dictionary.map_or(0, |size| {
        linear(context, embedding)
            + linear(context + embedding, big(size.entries))
            + big(size.blocks) * big(size.entries) * big(config.block_size)
    });
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
        + dictionary
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;

    use super::*;
    use crate::UNet1d;
    use crate::unet::DictionarySize;

    #[test]
    fn the_count_is_the_networks() {
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
        let dictionary = Some(DictionarySize {
            blocks: 5,
            entries: 3,
        });
        for config in [
            UNet1dConfig {
                downsample: false,
                ..small.clone()
            },
            UNet1dConfig {
                dictionary,
                multipliers: [2, 1, 1],
                ..small.clone()
            },
            small,
            UNet1dConfig::compact(),
        ] {
            let unet = UNet1d::new(&config, 0, &Device::flex()).unwrap();
            assert_eq!(parameters(&config), unet.num_params() as u128, "{config:?}");
        }
    }

    #[test]
    fn the_largest_configuration_does_not_overflow() {
        let config = UNet1dConfig {
            multipliers: [usize::MAX; 3],
            base_channels: usize::MAX,
            ..UNet1dConfig::compact()
        };
        // It would not pass its own check.
        assert!(config.validate().is_err());
    }
}
