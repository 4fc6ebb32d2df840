//! Later additions to the list: styles, and scenes that a style can be set in.

use super::colours::{on_dark, on_paper};
use super::degrees::Degree;
use super::stages::{GREY, blend, blur, gamma, levels, map, multiply, saturate, screen, shaded};
use super::styles::{Style, plain};
use crate::ops::{Op, Screen, Texture};
use Degree::{Bold, Coarse, Dark, Fine, Pale, Soft};

pub(super) const LATER_STYLES: &[Style] = &[
    Style {
        prompt: "gouache painting",
        coloured: Some("gouache painting"),
        degrees: &[Soft, Dark, Coarse],
        edit: |m, c| {
            shaded(
                vec![
                    Op::Kuwahara {
                        radius: 2.5 * m.size,
                    },
                    saturate(1.4),
                    levels(0.06, 1.15),
                    Op::Posterise { levels: 7 },
                ],
                c,
            )
        },
    },
    Style {
        prompt: "scratchboard drawing",
        coloured: Some("scratchboard drawing"),
        degrees: &[Bold, Fine],
        edit: |m, c| {
            vec![
                Op::Xdog {
                    radius: 0.8 * m.size,
                    edges: 14.0 * m.weight,
                    threshold: 0.45,
                    steepness: 10.0,
                },
                Op::Invert,
                on_dark(c, [10, 10, 12], [248, 246, 240]),
            ]
        },
    },
    Style {
        prompt: "risograph print",
        coloured: Some("risograph print"),
        degrees: &[Dark, Coarse],
        edit: |m, c| {
            vec![
                GREY,
                levels(0.04, 1.3),
                screen(Screen::Diagonals, 4.0 * m.size, 3.0),
                on_paper(c, [28, 28, 36], [252, 248, 236]),
            ]
        },
    },
    Style {
        prompt: "marble relief",
        coloured: None,
        degrees: &[Soft, Bold],
        edit: |m, _| {
            vec![
                Op::Emboss {
                    radius: 0.9,
                    gain: 1.1 * m.weight,
                },
                map(&[[120, 116, 120], [214, 210, 208], [255, 254, 250]]),
            ]
        },
    },
    plain("bronze relief", |_, _| {
        vec![
            Op::Emboss {
                radius: 0.7,
                gain: 1.6,
            },
            map(&[[28, 14, 6], [140, 86, 36], [246, 206, 130]]),
        ]
    }),
    Style {
        prompt: "newspaper photograph",
        coloured: None,
        degrees: &[Dark, Pale],
        edit: |m, _| {
            vec![
                GREY,
                levels(0.05, 1.4),
                screen(Screen::Dots, 3.0 * m.size, 2.0),
                on_paper(None, [44, 42, 40], [226, 220, 204]),
            ]
        },
    },
    plain("silk screen poster", |_, _| {
        vec![
            blur(0.8),
            saturate(1.9),
            levels(0.0, 1.3),
            Op::Posterise { levels: 3 },
        ]
    }),
    plain("woven tapestry", |_, _| {
        vec![
            Op::Mosaic { period: 2.0 },
            saturate(1.3),
            multiply([226, 196, 160]),
            Op::Texture {
                texture: Texture::Weave,
                period: 4.0,
                depth: 0.4,
            },
        ]
    }),
    plain("glass mosaic", |_, _| {
        vec![
            saturate(2.0),
            levels(0.1, 1.3),
            Op::Panes {
                period: 4.0,
                lead: 0.45,
            },
        ]
    }),
    plain("candlelight photograph", |_, _| {
        vec![
            gamma(1.5),
            multiply([255, 164, 76]),
            Op::Glow {
                radius: 3.0,
                amount: 0.4,
            },
        ]
    }),
    plain("desert dust", |_, _| {
        vec![saturate(0.7), blur(0.8), blend([222, 178, 118], 0.6)]
    }),
    plain("old postcard", |_, _| {
        vec![
            levels(0.08, 0.8),
            Op::Sepia,
            blend([240, 224, 188], 0.25),
            screen(Screen::Rows, 4.0, 0.8),
        ]
    }),
    plain("radar screen", |_, _| {
        vec![
            Op::Edges {
                radius: 0.8,
                gain: 4.0,
            },
            map(&[[0, 20, 12], [40, 220, 120], [220, 255, 230]]),
            Op::Texture {
                texture: Texture::Scanlines,
                period: 4.0,
                depth: 0.5,
            },
        ]
    }),
];

/// A scene for a picture of any style: its words and the stages that it adds.
pub(super) struct Scene {
    pub(super) words: &'static str,
    pub(super) edit: fn() -> Vec<Op>,
}

pub(super) const SCENES: &[Scene] = &[
    Scene {
        words: "in fog",
        edit: || vec![saturate(0.6), blend([212, 218, 224], 0.5)],
    },
    Scene {
        words: "at golden hour",
        edit: || vec![gamma(0.85), multiply([255, 196, 108])],
    },
    Scene {
        words: "by moonlit night",
        edit: || vec![saturate(0.35), gamma(1.5), multiply([84, 116, 188])],
    },
    Scene {
        words: "on a television screen",
        edit: || {
            vec![Op::Texture {
                texture: Texture::Scanlines,
                period: 4.0,
                depth: 0.65,
            }]
        },
    },
];

/// The styles that are combined with [`SCENES`].
pub(super) const STYLES_IN_SCENES: &[&str] = &[
    "charcoal sketch",
    "oil painting",
    "watercolour painting",
    "comic book page",
    "stained glass window",
    "pixel mosaic",
    "woodcut print",
    "gouache painting",
];

/// The styles that take a degree and a colour at once.
pub(super) const COLOURED_DEGREES: &[(&str, &[Degree])] = &[
    ("pencil sketch", &[Bold, Dark]),
    ("chalk drawing", &[Soft, Bold]),
    ("ink drawing", &[Bold, Pale]),
    ("oil painting", &[Dark, Coarse]),
];

/// The colours of [`COLOURED_DEGREES`].
pub(super) const FEW_COLOURS: &[&str] = &["red", "green", "blue"];
