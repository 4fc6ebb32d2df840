//! Short forms of the stages that styles and scenes are made of.

use super::colours::{Colour, in_shades};
use crate::ops::{Op, Screen};

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

pub(super) fn tint(stops: &[[u8; 3]], amount: f32) -> Op {
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
