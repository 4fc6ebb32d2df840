//! What is added at the end: air, light, blur, textures and borders.

use super::colours::{Colour, WHITE, between};
use super::palettes::Degree;
use super::wording::Wording;
use crate::Op;
use crate::ops::Texture;

/// Something added to a finished picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finish {
    Fog(Option<Colour>, Degree),
    Blur(Degree),
    Glow(Degree),
    ScanLines(Degree),
    Canvas(Degree),
    Vignette(Degree),
    Frame(Colour, Degree),
    Contrast(Degree),
    Dark(Degree),
    Bright(Degree),
    Sharp(Degree),
}

impl Finish {
    /// How many kinds there are, for [`Finish::kind`].
    pub(super) const KINDS: usize = 11;

    /// The finish of a kind below [`Finish::KINDS`].
    pub(super) fn of_kind(kind: usize, colour: Colour, coloured: bool, degree: Degree) -> Self {
        match kind {
            0 => Self::Fog(coloured.then_some(colour), degree),
            1 => Self::Blur(degree),
            2 => Self::Glow(degree),
            3 => Self::ScanLines(degree),
            4 => Self::Canvas(degree),
            5 => Self::Vignette(degree),
            6 => Self::Frame(colour, degree),
            7 => Self::Contrast(degree),
            8 => Self::Dark(degree),
            9 => Self::Bright(degree),
            _ => Self::Sharp(degree),
        }
    }

    /// What two finishes of one picture must not have in common.
    pub(super) fn group(kind: usize) -> usize {
        match kind {
            // Blurred and sharp, dark and bright, scan lines and canvas exclude each other.
            10 => 1,
            4 => 3,
            9 => 8,
            other => other,
        }
    }

    pub(super) fn edit(self) -> Vec<Op> {
        let op = match self {
            Self::Fog(colour, degree) => {
                let colour = colour.map_or([214, 220, 226], |c| between(c.rgb, WHITE, 0.25));
                return vec![
                    Op::Saturate { amount: 0.7 },
                    Op::Blend {
                        colour,
                        amount: degree.of(0.3, 0.5, 0.72),
                    },
                ];
            }
            Self::Blur(degree) => Op::Blur {
                radius: degree.of(0.8, 1.6, 3.0),
            },
            Self::Glow(degree) => Op::Glow {
                radius: 3.0,
                amount: degree.of(0.25, 0.45, 0.8),
            },
            Self::ScanLines(degree) => Op::Texture {
                texture: Texture::Scanlines,
                period: 4.0,
                depth: degree.of(0.25, 0.45, 0.7),
            },
            Self::Canvas(degree) => Op::Texture {
                texture: Texture::Weave,
                period: degree.of(2.0, 4.0, 6.0),
                depth: 0.3,
            },
            Self::Vignette(degree) => Op::Vignette {
                amount: degree.of(0.4, 0.65, 0.95),
            },
            Self::Frame(colour, degree) => Op::Frame {
                width: degree.of(2.0, 4.0, 7.0),
                colour: colour.rgb,
            },
            Self::Contrast(degree) => Op::Levels {
                brightness: 0.0,
                contrast: degree.of(0.55, 1.5, 2.4),
            },
            Self::Dark(degree) => Op::Multiply {
                colour: degree.of([190; 3], [140; 3], [90; 3]),
            },
            Self::Bright(degree) => Op::Blend {
                colour: WHITE,
                amount: degree.of(0.2, 0.35, 0.55),
            },
            Self::Sharp(degree) => Op::Sharpen {
                radius: 1.5,
                amount: degree.of(0.8, 1.6, 3.0),
            },
        };
        vec![op]
    }

    /// The words, without a comma before them.
    pub(super) fn say(self, wording: &mut Wording) -> String {
        match self {
            Self::Fog(None, degree) => wording
                .choose(degree.of(
                    &["in light fog", "in a light haze"],
                    &["in fog", "in mist"],
                    &["in dense fog", "in thick mist"],
                ))
                .to_owned(),
            Self::Fog(Some(colour), degree) => {
                let how = wording.choose(degree.of(
                    &["in light", "in faint"],
                    &["in", "behind"],
                    &["in dense", "in thick"],
                ));
                let colour = wording.colour(colour);
                format!(
                    "{how} {colour} {}",
                    wording.choose(&["fog", "haze", "mist"])
                )
            }
            Self::Frame(colour, degree) => {
                let how = wording.choose(degree.of(
                    &["in a thin", "with a narrow"],
                    &["in a", "with a"],
                    &["in a thick", "with a wide"],
                ));
                let colour = wording.colour(colour);
                format!("{how} {colour} {}", wording.choose(&["frame", "border"]))
            }
            Self::Blur(degree) => word(wording, degree, BLURRED),
            Self::Glow(degree) => word(wording, degree, GLOWING),
            Self::ScanLines(degree) => word(wording, degree, SCAN_LINES),
            Self::Canvas(degree) => word(wording, degree, CANVAS),
            Self::Vignette(degree) => word(wording, degree, VIGNETTE),
            Self::Contrast(degree) => word(wording, degree, CONTRAST),
            Self::Dark(degree) => word(wording, degree, DARK),
            Self::Bright(degree) => word(wording, degree, BRIGHT),
            Self::Sharp(degree) => word(wording, degree, SHARP),
        }
    }
}

/// The words for each degree, the usual one first.
type Words = [&'static [&'static str]; 3];

fn word(wording: &mut Wording, degree: Degree, [slight, plain, strong]: Words) -> String {
    wording.choose(degree.of(slight, plain, strong)).to_owned()
}

const BLURRED: Words = [
    &["slightly blurred", "a little out of focus"],
    &["blurred", "out of focus"],
    &["very blurred", "far out of focus"],
];
const GLOWING: Words = [
    &["with a faint glow", "faintly glowing"],
    &["with a soft glow", "softly glowing"],
    &["with a strong glow", "glowing brightly"],
];
const SCAN_LINES: Words = [
    &["with faint scan lines", "with faint television lines"],
    &["with scan lines", "on a television screen"],
    &["with heavy scan lines", "on an old television screen"],
];
const CANVAS: Words = [
    &["on fine canvas", "on finely woven cloth"],
    &["on canvas", "on woven cloth"],
    &["on rough canvas", "on roughly woven cloth"],
];
const VIGNETTE: Words = [
    &["with a soft vignette", "with slightly darker corners"],
    &["with a vignette", "with dark corners"],
    &["with a heavy vignette", "with black corners"],
];
const CONTRAST: Words = [
    &["low contrast", "with little contrast"],
    &["high contrast", "with much contrast"],
    &["extreme contrast", "with harsh contrast"],
];
const DARK: Words = [
    &["slightly dark", "a little darker"],
    &["dark", "darkened"],
    &["very dark", "almost black"],
];
const BRIGHT: Words = [
    &["slightly pale", "a little lighter"],
    &["pale", "light"],
    &["very pale", "almost white"],
];
const SHARP: Words = [
    &["crisp", "slightly sharpened"],
    &["sharp", "sharpened"],
    &["oversharpened", "much too sharp"],
];
