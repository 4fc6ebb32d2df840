//! Colour words and what they do.

use crate::Op;

type Rgb = [u8; 3];

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/// A colour word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colour {
    pub(super) word: &'static str,
    /// As ink on paper.
    pub(super) ink: Rgb,
    /// As light in the dark.
    pub(super) light: Rgb,
}

const fn colour(word: &'static str, ink: Rgb, light: Rgb) -> Colour {
    Colour { word, ink, light }
}

pub(super) const COLOURS: &[Colour] = &[
    colour("red", [184, 12, 20], [255, 56, 44]),
    colour("orange", [224, 92, 0], [255, 136, 16]),
    colour("golden", [176, 150, 0], [255, 224, 72]),
    colour("green", [36, 124, 12], [80, 236, 64]),
    colour("teal", [0, 112, 124], [32, 216, 220]),
    colour("blue", [20, 72, 204], [64, 144, 255]),
    colour("navy", [14, 22, 84], [64, 76, 184]),
    colour("purple", [88, 20, 144], [164, 84, 250]),
    colour("magenta", [184, 0, 124], [255, 44, 208]),
    colour("pink", [224, 84, 136], [255, 160, 204]),
    colour("brown", [98, 54, 20], [192, 124, 72]),
];

/// Later additions, without which the first draw of the split was made.
pub(super) const LATER_COLOURS: &[Colour] = &[
    colour("lime", [104, 160, 0], [184, 255, 40]),
    colour("maroon", [104, 8, 32], [204, 64, 88]),
];

fn between(from: Rgb, to: Rgb, percent: u16) -> Rgb {
    std::array::from_fn(|i| {
        let mixed = u16::from(from[i]) * (100 - percent) + u16::from(to[i]) * percent;
        (mixed / 100) as u8
    })
}

fn map(stops: &[Rgb], amount: f32) -> Op {
    Op::GradientMap {
        stops: stops.to_vec(),
        amount,
    }
}

/// Grey becomes ink on paper. A coloured ink is put on paper of a pale shade of it.
pub(super) fn on_paper(colour: Option<Colour>, ink: Rgb, paper: Rgb) -> Op {
    match colour {
        Some(Colour { ink, .. }) => map(&[ink, between(ink, WHITE, 72)], 1.0),
        None => map(&[ink, paper], 1.0),
    }
}

/// Grey becomes light on a dark ground. The ground of a coloured light is a dark shade of it.
pub(super) fn on_dark(colour: Option<Colour>, ground: Rgb, light: Rgb) -> Op {
    match colour {
        Some(Colour { light, .. }) => map(&[between(BLACK, light, 22), light], 1.0),
        None => map(&[ground, light], 1.0),
    }
}

/// A picture painted in shades of one colour; `None` without a colour, so that it keeps its own.
pub(super) fn in_shades(colour: Option<Colour>) -> Option<Op> {
    colour.map(|Colour { ink, light, .. }| {
        let shades = [
            between(BLACK, ink, 20),
            ink,
            between(ink, light, 70),
            between(light, WHITE, 75),
        ];
        map(&shades, 0.85)
    })
}

/// The colour of something that fills the air.
pub(super) fn in_air(colour: Option<Colour>, plain: Rgb) -> Rgb {
    colour.map_or(plain, |Colour { ink, light, .. }| {
        between(between(ink, light, 50), WHITE, 20)
    })
}
