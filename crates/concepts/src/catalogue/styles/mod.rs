//! The styles: their names and chains of stages.

mod one_ink;
mod own_colours;
mod shades;

use super::colours::Colour;
use super::degrees::{Degree, Manner};
use crate::Op;

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

/// The styles that the list began with, in a fixed order, on which the drawing of the split depends.
pub(super) fn styles() -> impl Iterator<Item = &'static Style> {
    [one_ink::ONE_INK, shades::SHADES, own_colours::OWN_COLOURS]
        .into_iter()
        .flatten()
}
