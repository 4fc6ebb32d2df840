//! What becomes of a photo's colours.

use super::colours::{Colour, WHITE, between};
use super::wording::Wording;
use crate::Op;

/// A treatment of the colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Palette {
    /// All shades between a dark and a light colour.
    Duotone(Colour, Colour),
    /// Dark shades of one colour and highlights of another; the rest stays.
    SplitTone(Colour, Colour),
    /// A share of one colour everywhere.
    Tint(Colour, Degree),
    /// One of [`GRADES`].
    Grade(&'static Grade),
}

/// How much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Degree {
    Slight,
    Plain,
    Strong,
}

impl Degree {
    pub(super) const ALL: [Self; 3] = [Self::Slight, Self::Plain, Self::Strong];

    /// One of three values.
    pub(super) fn of<T: Copy>(self, slight: T, plain: T, strong: T) -> T {
        match self {
            Self::Slight => slight,
            Self::Plain => plain,
            Self::Strong => strong,
        }
    }
}

/// A grade of the whole photo, with its names.
#[derive(Debug, PartialEq)]
pub(super) struct Grade {
    words: &'static [&'static str],
    stages: &'static [Op],
}

impl Palette {
    pub(super) fn edit(self) -> Vec<Op> {
        match self {
            Self::Duotone(dark, light) => vec![map(
                &[dark.deep(), dark.rgb, between(light.light(), WHITE, 0.35)],
                1.0,
            )],
            Self::SplitTone(shadows, highlights) => {
                vec![map(&[shadows.deep(), highlights.light()], 0.55)]
            }
            Self::Tint(colour, degree) => vec![Op::Blend {
                colour: colour.rgb,
                amount: degree.of(0.22, 0.4, 0.6),
            }],
            Self::Grade(grade) => grade.stages.to_vec(),
        }
    }

    /// The words, without a comma before them.
    pub(super) fn say(self, wording: &mut Wording) -> String {
        match self {
            Self::Duotone(dark, light) => {
                let (dark, light) = (wording.colour(dark), wording.colour(light));
                let form = wording.choose(&[
                    "in {a} and {b}",
                    "in shades of {a} and {b}",
                    "duotone of {a} and {b}",
                ]);
                fill(form, &dark, &light)
            }
            Self::SplitTone(shadows, highlights) => {
                let (dark, light) = (wording.colour(shadows), wording.colour(highlights));
                let form = wording.choose(&[
                    "with {a} shadows and {b} highlights",
                    "{a} in the shadows, {b} in the highlights",
                ]);
                fill(form, &dark, &light)
            }
            Self::Tint(colour, degree) => {
                let colour = wording.colour(colour);
                let how = wording.choose(degree.of(
                    &["slightly tinted", "with a hint of"],
                    &["tinted", "with a tint of"],
                    &["strongly tinted", "drenched in"],
                ));
                format!("{how} {colour}")
            }
            Self::Grade(grade) => wording.choose(grade.words).to_owned(),
        }
    }
}

fn map(stops: &[[u8; 3]], amount: f32) -> Op {
    Op::GradientMap {
        stops: stops.to_vec(),
        amount,
    }
}

fn fill(form: &str, a: &str, b: &str) -> String {
    form.replace("{a}", a).replace("{b}", b)
}

const fn grade(words: &'static [&'static str], stages: &'static [Op]) -> Grade {
    Grade { words, stages }
}

pub(super) const GRADES: &[Grade] = &[
    grade(
        &["warm grade", "in warm colours", "warm white balance"],
        &[Op::Multiply {
            colour: [255, 208, 140],
        }],
    ),
    grade(
        &["cold grade", "in cold colours", "cold white balance"],
        &[Op::Multiply {
            colour: [150, 196, 255],
        }],
    ),
    grade(
        &["vivid colours", "highly saturated", "in bright colours"],
        &[Op::Saturate { amount: 2.2 }],
    ),
    grade(
        &["muted colours", "desaturated", "in dull colours"],
        &[Op::Saturate { amount: 0.35 }],
    ),
    grade(
        &["black and white", "without colour", "greyscale"],
        &[Op::Saturate { amount: 0.0 }],
    ),
    grade(&["sepia", "in sepia", "sepia-toned"], &[Op::Sepia]),
    grade(
        &["faded colours", "like a faded print", "washed out"],
        &[
            Op::Saturate { amount: 0.6 },
            Op::Levels {
                brightness: 0.0,
                contrast: 0.7,
            },
            Op::Blend {
                colour: [236, 216, 176],
                amount: 0.3,
            },
        ],
    ),
    grade(
        &["negative", "in negative colours", "colour negative"],
        &[Op::Invert],
    ),
    grade(
        &[
            "cross-processed",
            "like cross-processed film",
            "with shifted film colours",
        ],
        &[
            Op::Saturate { amount: 1.4 },
            Op::Levels {
                brightness: 0.0,
                contrast: 1.3,
            },
            Op::Gamma {
                gamma: [0.65, 0.8, 1.6],
            },
        ],
    ),
    grade(
        &["by moonlight", "as if at night", "on a moonlit night"],
        &[
            Op::Saturate { amount: 0.35 },
            Op::Gamma {
                gamma: [1.5, 1.5, 1.5],
            },
            Op::Multiply {
                colour: [84, 116, 188],
            },
        ],
    ),
];
