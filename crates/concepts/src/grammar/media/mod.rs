//! What a picture is made with: drawings and prints in one ink, and paintings and patterns that keep their colours.

mod new_edits;
mod training;

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
        Region::NewEdits => new_edits::NEW_EDITS,
        Region::Training | Region::NewWords => training::TRAINING,
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
