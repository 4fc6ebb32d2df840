//! One pair of a set: its two halves, the files that they came from, and what is wrong with them.

use std::fmt;

use concepts::pairs::same_proportions;
use image::RgbImage;
use serde::{Deserialize, Serialize};

/// Which part of a pair a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Input,
    Target,
    /// pix2pix's aligned file: both side by side, input left.
    Both,
}

/// One image of a pair, or what is wrong with its file.
pub(crate) enum Half {
    Good {
        image: RgbImage,
        size: (u32, u32),
    },
    Bad(String),
    /// Several files came for it, and nobody knows which is meant.
    Several(String),
}

/// A half and its file.
pub(crate) struct Placed {
    /// As the client calls the file, with its folders if it told them.
    pub(crate) path: String,
    /// Whether the file holds both pictures.
    pub(crate) both: bool,
    pub(crate) half: Half,
}

/// The two halves of a pair, of which there is at least one.
pub(crate) struct Slot {
    /// Stays with the pair, so that its pictures keep their address.
    pub(crate) number: usize,
    input: Option<Placed>,
    target: Option<Placed>,
}

/// A pair as the page shows it.
#[derive(Debug, Serialize, PartialEq)]
pub(crate) struct Row {
    name: String,
    number: usize,
    input: bool,
    target: bool,
    /// What is wrong, and what to do.
    pub(crate) problem: Option<String>,
}

impl Placed {
    /// Whether `new` is the same file, sent again. One that was of no use may have been sent to the wrong place.
    fn is_replaced_by(&self, new: &Self) -> bool {
        self.path == new.path && (self.both == new.both || matches!(self.half, Half::Bad(_)))
    }
}

/// As messages call the file.
impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = if self.both {
            " (both pictures in one file)"
        } else {
            ""
        };
        write!(f, "{}{both}", self.path)
    }
}

fn is_good(half: Option<&Half>) -> bool {
    matches!(half, Some(Half::Good { .. }))
}

impl Slot {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            input: None,
            target: None,
        }
    }

    /// Puts a file's half in its place in the pair `name`. If another file has the place, both are refused, and so is what comes
    /// later, which would not tell which of them is meant; only removing the pair makes room.
    pub(crate) fn put(&mut self, side: Side, name: &str, mut new: Placed) {
        let (place, what) = match side {
            Side::Target => (&mut self.target, "after"),
            _ => (&mut self.input, "before"),
        };
        if let Some(old) = place.as_ref() {
            if matches!(old.half, Half::Several(_)) {
                return;
            }
            if !old.is_replaced_by(&new) {
                new.half = Half::Several(format!(
                    "two “{what}” pictures are called {name}: {old} and {new}; remove this pair, then add it with the right one, or \
                     under two names"
                ));
            }
        }
        *place = Some(new);
    }

    /// The input and the target.
    pub(crate) fn halves(&self) -> (Option<&Half>, Option<&Half>) {
        let [input, target] =
            [&self.input, &self.target].map(|placed| placed.as_ref().map(|placed| &placed.half));
        (input, target)
    }

    /// How many halves have a picture.
    pub(crate) fn good_halves(&self) -> usize {
        let (input, target) = self.halves();
        usize::from(is_good(input)) + usize::from(is_good(target))
    }

    pub(crate) fn row(&self, name: &str) -> Row {
        let (input, target) = self.halves();
        Row {
            name: name.to_owned(),
            number: self.number,
            input: is_good(input),
            target: is_good(target),
            problem: self.problem(),
        }
    }

    fn problem(&self) -> Option<String> {
        match self.halves() {
            (Some(Half::Bad(problem) | Half::Several(problem)), _)
            | (_, Some(Half::Bad(problem) | Half::Several(problem))) => Some(problem.clone()),
            (Some(_), None) => Some(
                "there is no “after” picture of this name; add it, or remove this one".to_owned(),
            ),
            (None, _) => Some(
                "there is no “before” picture of this name; add it, or remove this one".to_owned(),
            ),
            (Some(Half::Good { size: a, .. }), Some(Half::Good { size: b, .. }))
                if !same_proportions(*a, *b) =>
            {
                Some(format!(
                    "before is {}×{} pixels and after {}×{}; both must show the same section, so give them the same size",
                    a.0, a.1, b.0, b.1
                ))
            }
            _ => None,
        }
    }
}
