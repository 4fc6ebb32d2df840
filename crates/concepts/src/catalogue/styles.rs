//! The styles: their names and chains of stages.

use super::colours::{Colour, in_air, in_shades, on_dark, on_paper};
use super::degrees::{Degree, Manner};
use crate::ops::{Op, Screen, Texture};
use Degree::{Bold, Coarse, Dark, Fine, HighContrast, Pale, Soft};

/// One style of the list.
pub(super) struct Style {
    /// Its name by itself and after a degree word.
    pub(super) prompt: &'static str,
    /// Its name after a colour word; `None` if it takes no colour.
    pub(super) coloured: Option<&'static str>,
    /// The degree words that it takes.
    pub(super) degrees: &'static [Degree],
    /// Its stages.
    pub(super) edit: fn(Manner, Option<Colour>) -> Vec<Op>,
}

pub(super) const GREY: Op = Op::Saturate { amount: 0.0 };

pub(super) fn levels(brightness: f32, contrast: f32) -> Op {
    Op::Levels {
        brightness,
        contrast,
    }
}

pub(super) fn gamma(exponent: f32) -> Op {
    Op::Gamma {
        gamma: [exponent; 3],
    }
}

pub(super) fn map(stops: &[[u8; 3]]) -> Op {
    Op::GradientMap {
        stops: stops.to_vec(),
        amount: 1.0,
    }
}

fn tint(stops: &[[u8; 3]], amount: f32) -> Op {
    Op::GradientMap {
        stops: stops.to_vec(),
        amount,
    }
}

pub(super) fn saturate(amount: f32) -> Op {
    Op::Saturate { amount }
}

pub(super) fn blend(colour: [u8; 3], amount: f32) -> Op {
    Op::Blend { colour, amount }
}

pub(super) fn multiply(colour: [u8; 3]) -> Op {
    Op::Multiply { colour }
}

pub(super) fn blur(radius: f32) -> Op {
    Op::Blur { radius }
}

pub(super) fn screen(screen: Screen, period: f32, steepness: f32) -> Op {
    Op::Halftone {
        screen,
        period,
        steepness,
    }
}

/// Adds the stage of [`in_shades`], if there is one.
pub(super) fn shaded(mut ops: Vec<Op>, colour: Option<Colour>) -> Vec<Op> {
    ops.extend(in_shades(colour));
    ops
}

/// A style that takes neither colour nor degree words.
pub(super) const fn plain(
    prompt: &'static str,
    edit: fn(Manner, Option<Colour>) -> Vec<Op>,
) -> Style {
    Style {
        prompt,
        coloured: None,
        degrees: &[],
        edit,
    }
}

pub(super) const STYLES: &[Style] = &[
    // Drawings and prints, in one ink.
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
    // Styles in shades.
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
    // Photographs and other styles that keep to their own colours.
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
