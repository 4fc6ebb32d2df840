//! Degree words and what they do.

use crate::Op;

/// How a style's strokes and patterns are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Factor on radii and periods; a power of two.
    pub(super) size: f32,
    /// Factor on the strength of lines.
    pub(super) weight: f32,
}

impl Manner {
    pub(super) const PLAIN: Self = Self {
        size: 1.0,
        weight: 1.0,
    };
}

/// A degree word.
#[derive(Debug, Clone, Copy)]
pub(super) enum Degree {
    Soft,
    Bold,
    Dark,
    Pale,
    Coarse,
    Fine,
    HighContrast,
}

impl Degree {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Bold => "bold",
            Self::Dark => "dark",
            Self::Pale => "pale",
            Self::Coarse => "coarse",
            Self::Fine => "fine",
            Self::HighContrast => "high-contrast",
        }
    }

    /// How the word changes the strokes.
    pub(super) fn manner(self) -> Manner {
        let (size, weight) = match self {
            Self::Bold => (1.0, 2.5),
            Self::Coarse => (2.0, 1.0),
            Self::Fine => (0.5, 1.0),
            _ => (1.0, 1.0),
        };
        Manner { size, weight }
    }

    /// What the word adds at the end, the same for every style.
    pub(super) fn finish(self) -> Vec<Op> {
        match self {
            Self::Soft => vec![
                Op::Blur { radius: 1.6 },
                Op::Levels {
                    brightness: 0.06,
                    contrast: 0.85,
                },
            ],
            Self::Bold => vec![Op::Saturate { amount: 1.3 }],
            Self::Dark => vec![Op::Multiply {
                colour: [116, 116, 116],
            }],
            Self::Pale => vec![Op::Blend {
                colour: [255, 255, 255],
                amount: 0.5,
            }],
            Self::HighContrast => vec![Op::Levels {
                brightness: 0.0,
                contrast: 2.4,
            }],
            Self::Coarse | Self::Fine => Vec::new(),
        }
    }
}
