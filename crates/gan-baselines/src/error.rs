//! What can go wrong when a network is built, run, or loaded.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration field holds a value that no network can be built from.
    #[error("configuration field `{field}` is {value}; expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The values that are accepted.
        expected: &'static str,
    },
    /// A tensor has a shape that the network does not accept.
    #[error("the {what} has shape {found:?}; expected {expected}")]
    Input {
        /// The tensor.
        what: &'static str,
        /// The shape that is accepted.
        expected: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A penalty was asked for on a device that cannot differentiate.
    #[error(
        "a gradient penalty needs the discriminator and its images on an autodiff device; call `Device::autodiff` first"
    )]
    NoAutodiff,
    /// A penalty was asked for on a discriminator whose logits ignore the images.
    #[error(
        "the discriminator's logits do not depend on the edited images, so they have no gradient to penalize"
    )]
    NoGradient,
    /// A file of weights cannot be read or written, or PatchGAN refuses its input.
    #[error(transparent)]
    Network(#[from] lora_gan::Error),
}

/// Checks that `value` lies in `range`, which `expected` describes.
pub(crate) fn check_field<T: PartialOrd + ToString>(
    field: &'static str,
    value: T,
    range: impl std::ops::RangeBounds<T>,
    expected: &'static str,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Config {
        field,
        value: value.to_string(),
        expected,
    })
}
