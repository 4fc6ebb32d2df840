//! Styles in shades.

use super::Style;
use crate::Op;
use crate::catalogue::colours::{Colour, in_air};
use crate::catalogue::degrees::Degree::{Bold, Coarse, Dark, HighContrast, Pale, Soft};
use crate::catalogue::stages::{blend, blur, levels, map, saturate, shaded};

pub(super) const SHADES: &[Style] = &[
    Style {
        prompt: "oil painting",
        coloured: Some("oil painting"),
        degrees: &[Soft, Dark, Coarse, HighContrast],
        edit: |m, c| {
            shaded(
                vec![
                    Op::Kuwahara {
                        radius: 3.0 * m.size,
                    },
                    saturate(1.8),
                    levels(0.0, 1.35),
                ],
                c,
            )
        },
    },
    Style {
        prompt: "watercolour painting",
        coloured: Some("watercolour painting"),
        degrees: &[Soft, Bold, Dark],
        edit: |m, c| {
            let mut ops = shaded(
                vec![
                    Op::Kuwahara {
                        radius: 2.0 * m.size,
                    },
                    saturate(1.6 * m.weight.sqrt()),
                ],
                c,
            );
            ops.extend([
                blend([255, 252, 244], 0.4),
                Op::Outline {
                    radius: 0.8,
                    gain: 1.2 * m.weight,
                },
            ]);
            ops
        },
    },
    Style {
        prompt: "pixel mosaic",
        coloured: Some("pixel mosaic"),
        degrees: &[Dark, Pale, Coarse],
        edit: |m, c| {
            shaded(
                vec![
                    Op::Mosaic {
                        period: 4.0 * m.size,
                    },
                    saturate(1.2),
                    levels(0.0, 1.2),
                    Op::Posterise { levels: 5 },
                ],
                c,
            )
        },
    },
    Style {
        prompt: "foggy morning",
        coloured: Some("fog"),
        degrees: &[],
        edit: |_, c| {
            vec![
                saturate(0.6),
                blur(1.0),
                blend(in_air(c, [212, 218, 224]), 0.68),
            ]
        },
    },
    Style {
        prompt: "duotone poster",
        coloured: Some("duotone poster"),
        degrees: &[Soft, Pale, HighContrast],
        edit: |_, c| {
            let stops = match c {
                Some(Colour { ink, light, .. }) => [ink.map(|v| v / 3), light, [255, 250, 236]],
                None => [[28, 24, 104], [255, 132, 72], [255, 240, 200]],
            };
            vec![levels(0.0, 1.4), map(&stops)]
        },
    },
];
