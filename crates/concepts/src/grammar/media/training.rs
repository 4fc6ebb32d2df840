//! The media of the training region, with which prompts of new words are drawn too.

use super::{BOTH, GREY, Kind, Medium, NEITHER, SIZE, WEIGHT, levels, medium, screened, textured};
use crate::ops::{Op, Screen, Texture};

pub(super) const TRAINING: &[Medium] = &[
    medium(
        &["pencil sketch", "pencil drawing", "sketch in pencil"],
        Kind::OnPaper,
        WEIGHT,
        |hand| {
            vec![Op::Dodge {
                radius: 2.0,
                pressure: 2.6 * hand.weight,
            }]
        },
    ),
    medium(
        &["charcoal drawing", "charcoal sketch", "drawing in charcoal"],
        Kind::OnPaper,
        BOTH,
        |hand| {
            vec![
                Op::Dodge {
                    radius: 4.0 * hand.size,
                    pressure: 5.0 * hand.weight,
                },
                Op::Blur {
                    radius: 0.7 * hand.size,
                },
            ]
        },
    ),
    medium(
        &["ink drawing", "pen drawing", "pen and ink"],
        Kind::OnPaper,
        BOTH,
        |hand| {
            vec![Op::Xdog {
                radius: 0.7 * hand.size,
                edges: 18.0 * hand.weight,
                threshold: 0.3,
                steepness: 12.0,
            }]
        },
    ),
    medium(
        &["brush drawing", "brush and ink", "calligraphic drawing"],
        Kind::OnPaper,
        WEIGHT,
        |hand| {
            vec![Op::Xdog {
                radius: 1.6,
                edges: 7.0 * hand.weight,
                threshold: 0.5,
                steepness: 8.0,
            }]
        },
    ),
    medium(
        &["stencil", "two-tone stencil", "spray stencil"],
        Kind::OnPaper,
        NEITHER,
        |_| vec![Op::Blur { radius: 1.0 }, GREY, levels(0.05, 9.0)],
    ),
    medium(
        &["woodcut", "woodcut print", "woodblock print"],
        Kind::OnPaper,
        SIZE,
        |hand| screened(Screen::Rows, 4.0 * hand.size, 3.0, 1.5),
    ),
    medium(
        &["engraving", "copper engraving", "etching"],
        Kind::OnPaper,
        SIZE,
        |hand| screened(Screen::Hatching, 4.0 * hand.size, 2.5, 1.5),
    ),
    medium(
        &["halftone print", "print in dots", "dotted print"],
        Kind::OnPaper,
        SIZE,
        |hand| screened(Screen::Dots, 4.0 * hand.size, 3.0, 0.4),
    ),
    medium(
        &[
            "monochrome photograph",
            "photograph in one colour",
            "single-colour photograph",
        ],
        Kind::OnPaper,
        NEITHER,
        |_| vec![GREY, levels(0.0, 1.2)],
    ),
    medium(
        &["chalk drawing", "chalk on a board", "drawing in chalk"],
        Kind::OnDark,
        WEIGHT,
        |hand| {
            vec![
                Op::Dodge {
                    radius: 3.0,
                    pressure: 2.6 * hand.weight,
                },
                Op::Invert,
                levels(0.05, 1.3),
            ]
        },
    ),
    medium(
        &["scratchboard", "scratchboard drawing", "scraperboard"],
        Kind::OnDark,
        BOTH,
        |hand| {
            vec![
                Op::Xdog {
                    radius: 0.8 * hand.size,
                    edges: 14.0 * hand.weight,
                    threshold: 0.45,
                    steepness: 10.0,
                },
                Op::Invert,
            ]
        },
    ),
    medium(
        &["glowing outline", "light drawing", "neon outline"],
        Kind::OnDark,
        BOTH,
        |hand| {
            vec![
                Op::Edges {
                    radius: 0.8 * hand.size,
                    gain: 4.0 * hand.weight,
                },
                Op::Glow {
                    radius: 1.5,
                    amount: 0.7,
                },
            ]
        },
    ),
    medium(
        &["oil painting", "painting in oils", "oil on canvas"],
        Kind::Coloured,
        SIZE,
        |hand| {
            vec![
                Op::Kuwahara {
                    radius: 2.6 * hand.size,
                },
                Op::Saturate { amount: 1.6 },
                levels(0.0, 1.25),
            ]
        },
    ),
    medium(
        &["watercolour", "watercolour painting", "aquarelle"],
        Kind::Coloured,
        BOTH,
        |hand| {
            vec![
                Op::Kuwahara {
                    radius: 2.0 * hand.size,
                },
                Op::Saturate { amount: 1.5 },
                Op::Blend {
                    colour: [255, 252, 244],
                    amount: 0.35,
                },
                Op::Outline {
                    radius: 0.8,
                    gain: 1.2 * hand.weight,
                },
            ]
        },
    ),
    medium(
        &["poster", "printed poster", "flat poster"],
        Kind::Coloured,
        NEITHER,
        |_| {
            vec![
                Op::Kuwahara { radius: 2.0 },
                Op::Saturate { amount: 1.5 },
                levels(0.0, 1.2),
                Op::Posterise { levels: 4 },
            ]
        },
    ),
    medium(
        &["comic panel", "comic book page", "comic strip"],
        Kind::Coloured,
        WEIGHT,
        |hand| {
            vec![
                Op::Kuwahara { radius: 2.0 },
                Op::Saturate { amount: 1.7 },
                Op::Posterise { levels: 5 },
                Op::Outline {
                    radius: 0.7,
                    gain: 3.0 * hand.weight,
                },
            ]
        },
    ),
    medium(
        &["pixel mosaic", "mosaic of squares", "pixelated picture"],
        Kind::Coloured,
        SIZE,
        |hand| {
            vec![
                Op::Mosaic {
                    period: 4.0 * hand.size,
                },
                Op::Saturate { amount: 1.2 },
            ]
        },
    ),
    medium(
        &[
            "cross-stitch",
            "cross-stitch embroidery",
            "embroidery in stitches",
        ],
        Kind::Coloured,
        SIZE,
        |hand| {
            let period = 4.0 * hand.size;
            vec![
                Op::Mosaic { period },
                Op::Saturate { amount: 1.5 },
                textured(Texture::Stitches, period, 0.45),
            ]
        },
    ),
    medium(
        &["tapestry", "woven tapestry", "woven picture"],
        Kind::Coloured,
        SIZE,
        |hand| {
            vec![
                Op::Mosaic { period: 2.0 },
                Op::Saturate { amount: 1.3 },
                textured(Texture::Weave, 4.0 * hand.size, 0.45),
            ]
        },
    ),
    medium(
        &["colour halftone", "dots of colour", "four-colour print"],
        Kind::Coloured,
        SIZE,
        |hand| {
            vec![
                Op::Saturate { amount: 1.5 },
                Op::Halftone {
                    screen: Screen::Dots,
                    period: 4.0 * hand.size,
                    steepness: 2.0,
                },
            ]
        },
    ),
    medium(
        &["neon edges", "neon contours", "coloured neon lines"],
        Kind::Coloured,
        BOTH,
        |hand| {
            vec![
                Op::ColourEdges {
                    radius: 0.8 * hand.size,
                    gain: 4.0 * hand.weight,
                },
                Op::Glow {
                    radius: 1.5,
                    amount: 0.6,
                },
            ]
        },
    ),
];
