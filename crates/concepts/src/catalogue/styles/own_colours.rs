//! Photographs and other styles that keep to their own colours.

use super::{Style, plain};
use crate::catalogue::colours::on_paper;
use crate::catalogue::degrees::Degree::{Bold, Coarse, Dark, Fine, HighContrast, Pale, Soft};
use crate::catalogue::stages::{
    GREY, blend, blur, gamma, levels, map, multiply, saturate, screen, tint,
};
use crate::ops::{Op, Screen, Texture};

pub(super) const OWN_COLOURS: &[Style] = &[
    Style {
        prompt: "black and white photograph",
        coloured: None,
        degrees: &[Soft, Dark, Pale, HighContrast],
        edit: |_, _| vec![GREY, levels(0.0, 1.25)],
    },
    Style {
        prompt: "sepia photograph",
        coloured: None,
        degrees: &[Pale, HighContrast],
        edit: |_, _| vec![Op::Sepia],
    },
    Style {
        prompt: "stained glass window",
        coloured: None,
        degrees: &[Dark, Coarse, Fine],
        edit: |m, _| {
            vec![
                saturate(2.6),
                levels(0.05, 1.5),
                Op::Panes {
                    period: 8.0 * m.size,
                    lead: 0.9,
                },
            ]
        },
    },
    Style {
        prompt: "comic book page",
        coloured: None,
        degrees: &[Bold],
        edit: |m, _| {
            vec![
                Op::Kuwahara { radius: 2.0 },
                saturate(1.8),
                Op::Posterise { levels: 4 },
                Op::Outline {
                    radius: 0.7,
                    gain: 3.0 * m.weight,
                },
            ]
        },
    },
    plain("pastel drawing", |_, _| {
        vec![
            Op::Kuwahara { radius: 2.0 },
            saturate(1.3),
            blend([255, 226, 236], 0.55),
            Op::Texture {
                texture: Texture::Weave,
                period: 4.0,
                depth: 0.18,
            },
        ]
    }),
    Style {
        prompt: "stone relief",
        coloured: None,
        degrees: &[Bold, Dark],
        edit: |m, _| {
            vec![
                Op::Emboss {
                    radius: 0.6,
                    gain: 1.4 * m.weight,
                },
                map(&[[40, 38, 34], [152, 146, 134], [236, 232, 222]]),
            ]
        },
    },
    plain("cross-stitch embroidery", |_, _| {
        vec![
            Op::Mosaic { period: 4.0 },
            saturate(1.7),
            Op::Texture {
                texture: Texture::Stitches,
                period: 4.0,
                depth: 0.45,
            },
        ]
    }),
    plain("pop art poster", |_, _| {
        vec![
            blur(0.7),
            Op::Posterise { levels: 4 },
            map(&[[24, 16, 96], [232, 24, 120], [255, 200, 0], [80, 224, 232]]),
        ]
    }),
    plain("linocut print", |_, _| {
        vec![
            Op::Sharpen {
                radius: 2.0,
                amount: 2.0,
            },
            GREY,
            screen(Screen::Diagonals, 8.0, 5.0),
            on_paper(None, [20, 60, 44], [244, 240, 224]),
        ]
    }),
    plain("film noir", |_, _| vec![GREY, levels(0.06, 3.2)]),
    plain("cyanotype print", |_, _| {
        vec![
            levels(0.0, 1.2),
            map(&[[4, 20, 72], [40, 108, 184], [236, 246, 252]]),
        ]
    }),
    plain("blueprint drawing", |_, _| {
        vec![
            Op::Edges {
                radius: 0.5,
                gain: 4.0,
            },
            map(&[[16, 56, 152], [232, 240, 255]]),
        ]
    }),
    plain("thermal camera", |_, _| {
        vec![
            blur(1.0),
            levels(0.0, 1.4),
            map(&[
                [0, 0, 32],
                [72, 0, 152],
                [208, 24, 96],
                [255, 136, 0],
                [255, 236, 96],
                [255, 255, 255],
            ]),
        ]
    }),
    plain("night vision camera", |_, _| {
        vec![
            gamma(0.7),
            map(&[[0, 16, 0], [24, 168, 40], [200, 255, 190]]),
            Op::Texture {
                texture: Texture::Scanlines,
                period: 4.0,
                depth: 0.4,
            },
        ]
    }),
    plain("television screen", |_, _| {
        vec![
            saturate(1.8),
            Op::Glow {
                radius: 2.0,
                amount: 0.4,
            },
            Op::Texture {
                texture: Texture::Scanlines,
                period: 4.0,
                depth: 0.65,
            },
        ]
    }),
    plain("x-ray scan", |_, _| {
        vec![
            GREY,
            Op::Invert,
            gamma(1.5),
            map(&[[0, 4, 16], [72, 112, 144], [232, 248, 255]]),
        ]
    }),
    plain("colour negative", |_, _| vec![Op::Invert]),
    plain("solarised photograph", |_, _| {
        vec![
            levels(0.1, 1.2),
            Op::Solarise { threshold: 0.5 },
            levels(0.25, 2.0),
        ]
    }),
    plain("faded vintage film", |_, _| {
        vec![
            saturate(0.55),
            levels(0.0, 0.7),
            blend([244, 214, 160], 0.38),
        ]
    }),
    plain("cross-processed film", |_, _| {
        vec![
            saturate(1.5),
            levels(0.0, 1.5),
            Op::Gamma {
                gamma: [0.6, 0.75, 1.7],
            },
            blend([60, 140, 40], 0.3),
        ]
    }),
    plain("infrared film", |_, _| {
        vec![
            Op::Mix {
                rows: [[0.1, 1.3, -0.1], [0.2, 0.3, 0.3], [0.3, 0.4, 0.3]],
            },
            saturate(1.6),
            Op::Glow {
                radius: 2.0,
                amount: 0.4,
            },
        ]
    }),
    plain("golden hour", |_, _| {
        vec![
            gamma(0.85),
            multiply([255, 196, 108]),
            Op::Glow {
                radius: 3.0,
                amount: 0.3,
            },
        ]
    }),
    plain("moonlit night", |_, _| {
        vec![saturate(0.35), gamma(1.5), multiply([84, 116, 188])]
    }),
    plain("underwater scene", |_, _| {
        vec![
            blur(1.0),
            multiply([70, 190, 220]),
            blend([0, 92, 120], 0.4),
        ]
    }),
    plain("dreamy glow", |_, _| {
        vec![
            saturate(1.2),
            Op::Glow {
                radius: 3.0,
                amount: 0.8,
            },
            tint(&[[90, 60, 120], [255, 226, 240]], 0.3),
        ]
    }),
    plain("winter frost", |_, _| {
        vec![
            saturate(0.3),
            Op::Sharpen {
                radius: 1.5,
                amount: 1.5,
            },
            blend([206, 228, 255], 0.5),
        ]
    }),
];
