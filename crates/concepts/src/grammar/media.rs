//! What a picture is made with: drawings and prints in one ink, and paintings and patterns that keep their colours.

use super::Region;
use super::colours::{BLACK, Colour, Rgb, WHITE, between};
use crate::Op;
use crate::ops::{Screen, Texture};

/// How a medium is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hand {
    /// Factor on radii and periods.
    pub(super) size: f32,
    /// Factor on the strength of lines.
    pub(super) weight: f32,
    /// The colour of the ink; `None` for the medium's own.
    pub(super) ink: Option<Colour>,
    /// The colour of the paper or the ground; `None` for what goes with the ink.
    pub(super) paper: Option<Colour>,
}

/// What takes words of size and weight, ink and paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Dark lines or shapes on light paper.
    OnPaper,
    /// Light lines on a dark ground.
    OnDark,
    /// Keeps the photo's colours, and takes a palette instead of ink and paper.
    Coloured,
}

/// A medium with its names, the usual one first.
pub(super) struct Medium {
    pub(super) words: &'static [&'static str],
    pub(super) kind: Kind,
    /// Whether "fine" and "coarse" change it.
    pub(super) sized: bool,
    /// Whether "faint" and "bold" change it.
    pub(super) weighted: bool,
    /// The stages before the ink.
    stages: fn(Hand) -> Vec<Op>,
}

impl Medium {
    /// The stages of the medium, its ink and paper included.
    pub(super) fn edit(&self, hand: Hand) -> Vec<Op> {
        let mut stages = (self.stages)(hand);
        let own = |colour: Option<Colour>, pick: fn(Colour) -> Rgb| colour.map(pick);
        let stops = match self.kind {
            Kind::OnPaper => [
                own(hand.ink, Colour::ink).unwrap_or([24, 24, 28]),
                own(hand.paper, |paper| between(paper.rgb, WHITE, 0.55))
                    .or(own(hand.ink, Colour::pale))
                    .unwrap_or([246, 244, 238]),
            ],
            Kind::OnDark => [
                own(hand.paper, Colour::deep)
                    .or(own(hand.ink, |ink| between(BLACK, ink.rgb, 0.14)))
                    .unwrap_or([12, 12, 16]),
                own(hand.ink, Colour::light).unwrap_or([244, 244, 240]),
            ],
            Kind::Coloured => return stages,
        };
        stages.push(Op::GradientMap {
            stops: stops.to_vec(),
            amount: 1.0,
        });
        stages
    }
}

/// The media that prompts of `region` name.
pub(super) fn media(region: Region) -> &'static [Medium] {
    match region {
        Region::NewEdits => NEW,
        Region::Training | Region::NewWords => MEDIA,
    }
}

const GREY: Op = Op::Saturate { amount: 0.0 };

fn levels(brightness: f32, contrast: f32) -> Op {
    Op::Levels {
        brightness,
        contrast,
    }
}

fn screened(screen: Screen, period: f32, steepness: f32, sharpen: f32) -> Vec<Op> {
    vec![
        GREY,
        levels(0.04, 1.2),
        Op::Sharpen {
            radius: 1.5,
            amount: sharpen,
        },
        Op::Halftone {
            screen,
            period,
            steepness,
        },
    ]
}

fn textured(texture: Texture, period: f32, depth: f32) -> Op {
    Op::Texture {
        texture,
        period,
        depth,
    }
}

const fn medium(
    words: &'static [&'static str],
    kind: Kind,
    (sized, weighted): (bool, bool),
    stages: fn(Hand) -> Vec<Op>,
) -> Medium {
    Medium {
        words,
        kind,
        sized,
        weighted,
        stages,
    }
}

const BOTH: (bool, bool) = (true, true);
const SIZE: (bool, bool) = (true, false);
const WEIGHT: (bool, bool) = (false, true);
const NEITHER: (bool, bool) = (false, false);

const MEDIA: &[Medium] = &[
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

/// Media whose filters are part of no edit of the training region: relief, panes, solarisation and diagonal screens.
const NEW: &[Medium] = &[
    medium(
        &["stone relief", "carved relief", "relief in stone"],
        Kind::OnPaper,
        WEIGHT,
        |hand| {
            vec![Op::Emboss {
                radius: 0.7,
                gain: 1.2 * hand.weight,
            }]
        },
    ),
    medium(
        &["stained glass", "leaded window", "stained glass window"],
        Kind::Coloured,
        SIZE,
        |hand| {
            vec![
                Op::Saturate { amount: 2.2 },
                levels(0.05, 1.4),
                Op::Panes {
                    period: 7.0 * hand.size,
                    lead: 0.9,
                },
            ]
        },
    ),
    medium(
        &["solarised photograph", "solarisation", "solarised picture"],
        Kind::Coloured,
        NEITHER,
        |_| {
            vec![
                levels(0.1, 1.2),
                Op::Solarise { threshold: 0.5 },
                levels(0.25, 2.0),
            ]
        },
    ),
    medium(
        &[
            "diagonal line print",
            "print in slanted lines",
            "slanted line screen",
        ],
        Kind::OnPaper,
        SIZE,
        |hand| screened(Screen::Diagonals, 5.0 * hand.size, 3.0, 0.8),
    ),
];
