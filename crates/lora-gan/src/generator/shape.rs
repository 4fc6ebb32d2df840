//! What a configuration makes of a layer of the table.

use super::config::GeneratorConfig;

/// A number of channels or features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// The photo's channels, with that of the noise if there is one.
    Photo,
    /// The edited photo's channels.
    Rgb,
    /// The text tokens' width.
    Text,
    /// `widths[i]`.
    Stage(usize),
    /// GEGLU's values and gates.
    Gated,
    /// The gated values.
    Hidden,
}

impl Width {
    pub(crate) fn channels(self, config: &GeneratorConfig) -> usize {
        match self {
            Self::Photo => config.photo_channels(),
            Self::Rgb => 3,
            Self::Text => config.context_width,
            Self::Stage(stage) => config.widths[stage],
            Self::Gated => 8 * config.widths[2],
            Self::Hidden => 4 * config.widths[2],
        }
    }
}

/// A convolution's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// `edge_kernel`, with the configuration's padding.
    Edge,
    Three,
    /// `up_kernel`.
    Up,
}

impl Kernel {
    pub(crate) fn edge(self, config: &GeneratorConfig) -> usize {
        match self {
            Self::Edge => config.edge_kernel,
            Self::Three => 3,
            Self::Up => config.up_kernel,
        }
    }
}

/// A layer's numbers.
#[derive(Debug, Clone)]
pub(crate) struct LayerShape {
    pub(crate) name: &'static str,
    pub(crate) in_resblock: bool,
    /// Input channels or features.
    pub(crate) input: usize,
    /// Output channels or features.
    pub(crate) output: usize,
    /// The kernel's height and width; 1 for a linear layer.
    pub(crate) kernel: usize,
    pub(crate) bias: bool,
}

impl LayerShape {
    /// Input channels times kernel area.
    pub(crate) fn fan_in(&self) -> usize {
        self.input * self.kernel * self.kernel
    }

    /// The rank beyond which `up · down` gains nothing.
    pub(crate) fn largest_rank(&self) -> usize {
        self.fan_in().min(self.output)
    }

    /// Values of kernel and bias.
    pub(crate) fn weights(&self) -> usize {
        self.fan_in() * self.output + if self.bias { self.output } else { 0 }
    }
}
