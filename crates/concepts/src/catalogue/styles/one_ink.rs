//! Drawings and prints, in one ink.

use super::{Style, plain};
use crate::catalogue::colours::{on_dark, on_paper};
use crate::catalogue::degrees::Degree::{Bold, Coarse, Dark, Fine, HighContrast, Pale, Soft};
use crate::catalogue::stages::{GREY, blur, levels, screen};
use crate::ops::{Op, Screen};

pub(super) const ONE_INK: &[Style] = &[
    Style {
        prompt: "pencil sketch",
        coloured: Some("pencil sketch"),
        degrees: &[Soft, Bold, Dark],
        edit: |m, c| {
            vec![
                Op::Dodge {
                    radius: 2.0,
                    pressure: 2.5 * m.weight,
                },
                on_paper(c, [56, 56, 60], [250, 250, 250]),
            ]
        },
    },
    Style {
        prompt: "charcoal sketch",
        coloured: Some("charcoal sketch"),
        degrees: &[Soft, Bold, Fine, HighContrast],
        edit: |m, c| {
            vec![
                Op::Dodge {
                    radius: 4.0 * m.size,
                    pressure: 5.0 * m.weight,
                },
                blur(0.8 * m.size),
                on_paper(c, [20, 20, 20], [226, 222, 214]),
            ]
        },
    },
    Style {
        prompt: "ink drawing",
        coloured: Some("ink drawing"),
        degrees: &[Bold, Pale],
        edit: |m, c| {
            vec![
                Op::Xdog {
                    radius: 0.7,
                    edges: 18.0 * m.weight,
                    threshold: 0.3,
                    steepness: 12.0,
                },
                on_paper(c, [8, 8, 16], [255, 255, 255]),
            ]
        },
    },
    Style {
        prompt: "woodcut print",
        coloured: None,
        degrees: &[Dark, Coarse],
        edit: |m, _| {
            vec![
                GREY,
                Op::Sharpen {
                    radius: 2.0,
                    amount: 1.5 * m.weight,
                },
                screen(Screen::Rows, 4.0 * m.size, 3.0),
                on_paper(None, [24, 16, 8], [240, 226, 196]),
            ]
        },
    },
    Style {
        prompt: "copper engraving",
        coloured: Some("engraving"),
        degrees: &[Dark, Coarse],
        edit: |m, c| {
            vec![
                GREY,
                Op::Sharpen {
                    radius: 1.5,
                    amount: 1.5 * m.weight,
                },
                screen(Screen::Hatching, 4.0 * m.size, 2.5),
                on_paper(c, [40, 24, 16], [240, 232, 216]),
            ]
        },
    },
    Style {
        prompt: "halftone print",
        coloured: Some("halftone print"),
        degrees: &[Dark, Coarse],
        edit: |m, c| {
            vec![
                GREY,
                levels(0.05, 1.2),
                screen(Screen::Dots, 4.0 * m.size, 3.0),
                on_paper(c, [0, 0, 0], [255, 255, 255]),
            ]
        },
    },
    plain("two-tone stencil", |_, _| {
        vec![
            Op::Xdog {
                radius: 1.5,
                edges: 6.0,
                threshold: 0.55,
                steepness: 16.0,
            },
            on_paper(None, [24, 24, 24], [220, 220, 220]),
        ]
    }),
    Style {
        prompt: "chalk drawing",
        coloured: Some("chalk drawing"),
        degrees: &[Soft, Bold],
        edit: |m, c| {
            vec![
                Op::Dodge {
                    radius: 3.0,
                    pressure: 2.5 * m.weight,
                },
                Op::Invert,
                levels(0.05, 1.3),
                on_dark(c, [32, 44, 40], [244, 244, 236]),
            ]
        },
    },
    Style {
        prompt: "neon edges",
        coloured: Some("neon edges"),
        degrees: &[Soft, Bold, Fine],
        edit: |m, c| {
            let (radius, gain) = (0.8 * m.size, 4.0 * m.weight);
            let mut ops = match c {
                Some(_) => vec![Op::Edges { radius, gain }, on_dark(c, [0; 3], [255; 3])],
                None => vec![Op::ColourEdges { radius, gain }],
            };
            ops.push(Op::Glow {
                radius: 1.5,
                amount: 0.7,
            });
            ops
        },
    },
];
