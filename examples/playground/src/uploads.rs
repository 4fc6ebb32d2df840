//! Pairs that a client puts together, file by file, before it trains on them. They are held in memory.

use std::collections::BTreeMap;
use std::path::Path;

use concepts::Pair;
use concepts::images::{decode_image, encode_png};
use concepts::pairs::{cut_in_two, same_proportions};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::refusal::{Refusal, Result};
use crate::workbench::Workbench;

/// Pairs of which a training keeps at least two to measure on.
pub(crate) const FEWEST: usize = 10;

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
    Good { image: RgbImage, size: (u32, u32) },
    Bad(String),
}

#[derive(Default)]
struct Slot {
    /// Stays with the pair, so that its pictures keep their address.
    number: usize,
    input: Option<Half>,
    target: Option<Half>,
}

/// A pair as the page shows it.
#[derive(Debug, Serialize, PartialEq)]
pub(crate) struct Row {
    name: String,
    number: usize,
    input: bool,
    target: bool,
    /// What is wrong, and what to do.
    problem: Option<String>,
}

/// The pairs of one client.
#[derive(Default)]
pub(crate) struct Draft {
    slots: BTreeMap<String, Slot>,
    bytes: usize,
    made: usize,
    pub(crate) touched: u64,
}

impl Draft {
    /// Adds one file. A file that cannot be used stays as a row with its problem.
    pub(crate) fn add(
        &mut self,
        bench: &Workbench,
        side: Side,
        name: &str,
        halves: Halves,
    ) -> Result<()> {
        let stem = stem(name)?;
        let size = bench.size() * bench.size() * 3;
        let is_new = !self.slots.contains_key(&stem);
        if is_new && self.slots.len() >= limits::PAIRS {
            let message = format!("a set holds at most {} pairs", limits::PAIRS);
            return Err(Refusal::impossible(message));
        }
        if self.bytes + 2 * size > limits::DRAFT_BYTES {
            return Err(Refusal::impossible("the set is full; train on fewer pairs"));
        }
        let number = self.made;
        let slot = (self.slots.entry(stem)).or_insert_with(|| Slot {
            number,
            ..Slot::default()
        });
        self.made += usize::from(is_new);
        let mut put = |half: &mut Option<Half>, new: Half| {
            let bytes = |half: &Half| {
                if matches!(half, Half::Good { .. }) {
                    size
                } else {
                    0
                }
            };
            self.bytes += bytes(&new);
            if let Some(old) = half.replace(new) {
                self.bytes -= bytes(&old);
            }
        };
        match (side, halves) {
            (Side::Both, Halves::Two(input, target)) => {
                put(&mut slot.input, input);
                put(&mut slot.target, target);
            }
            (Side::Target, Halves::One(half)) => put(&mut slot.target, half),
            (_, Halves::One(half)) => put(&mut slot.input, half),
            (_, Halves::Two(input, _)) => put(&mut slot.input, input),
        }
        Ok(())
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let slots = self.slots.iter();
        slots.map(|(name, slot)| slot.row(name)).collect()
    }

    /// A picture of a pair, as PNG.
    pub(crate) fn picture(&self, number: usize, side: Side) -> Option<Vec<u8>> {
        let slot = self.slots.values().find(|slot| slot.number == number)?;
        let half = match side {
            Side::Target => slot.target.as_ref()?,
            _ => slot.input.as_ref()?,
        };
        match half {
            Half::Good { image, .. } => encode_png(image, Path::new("pair.png")).ok(),
            Half::Bad(_) => None,
        }
    }

    /// The whole pairs, named by their place in the order of their files' names.
    pub(crate) fn pairs(&self) -> Result<Vec<Pair>> {
        let problems = self
            .rows()
            .iter()
            .filter(|row| row.problem.is_some())
            .count();
        if problems > 0 {
            let message = format!("{problems} of the pairs have problems; mend or remove them");
            return Err(Refusal::impossible(message));
        }
        let pairs: Vec<Pair> = (self.slots.values())
            .filter_map(|slot| match (&slot.input, &slot.target) {
                (Some(Half::Good { image: input, .. }), Some(Half::Good { image, .. })) => {
                    Some((input.clone(), image.clone()))
                }
                _ => None,
            })
            .enumerate()
            .map(|(index, (input, target))| Pair {
                name: format!("pair-{:04}", index + 1),
                input,
                target,
            })
            .collect();
        if pairs.len() < FEWEST {
            return Err(Refusal::impossible(format!(
                "there are {} pairs; a training needs at least {FEWEST}, of which every fifth is kept for measuring",
                pairs.len()
            )));
        }
        Ok(pairs)
    }

    /// Takes the pairs with these numbers out.
    pub(crate) fn remove(&mut self, bench: &Workbench, numbers: &[usize]) {
        self.slots.retain(|_, slot| !numbers.contains(&slot.number));
        let size = bench.size() * bench.size() * 3;
        let halves = self
            .slots
            .values()
            .flat_map(|slot| [&slot.input, &slot.target]);
        let good = halves.filter(|half| matches!(half, Some(Half::Good { .. })));
        self.bytes = good.count() * size;
    }
}

impl Slot {
    fn row(&self, name: &str) -> Row {
        let good = |half: &Option<Half>| matches!(half, Some(Half::Good { .. }));
        Row {
            name: name.to_owned(),
            number: self.number,
            input: good(&self.input),
            target: good(&self.target),
            problem: self.problem(),
        }
    }

    fn problem(&self) -> Option<String> {
        match (&self.input, &self.target) {
            (Some(Half::Bad(problem)), _) | (_, Some(Half::Bad(problem))) => Some(problem.clone()),
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

/// What one file gives.
pub(crate) enum Halves {
    One(Half),
    Two(Half, Half),
}

/// Decodes a file. What is wrong with it becomes a row of the page and no error.
pub(crate) fn decode(bench: &Workbench, side: Side, name: &str, bytes: &[u8]) -> Halves {
    let image = match decode_image(bytes, Path::new(name), limits::IMAGE) {
        Ok(image) => image,
        Err(error) => {
            let bad = || Half::Bad(error.to_string());
            return match side {
                Side::Both => Halves::Two(bad(), bad()),
                _ => Halves::One(bad()),
            };
        }
    };
    let fit = |image: RgbImage| {
        let size = image.dimensions();
        match bench.fit(image) {
            Ok(image) => Half::Good { image, size },
            Err(error) => Half::Bad(error.to_string()),
        }
    };
    if side != Side::Both {
        return Halves::One(fit(image));
    }
    let Some((left, right)) = cut_in_two(&image) else {
        let (width, height) = image.dimensions();
        let problem = format!(
            "{name}: {width}×{height} pixels; a file with both pictures must be at least twice as wide as high, of an even width, before on \
             the left"
        );
        return Halves::Two(Half::Bad(problem.clone()), Half::Bad(problem));
    };
    Halves::Two(fit(left), fit(right))
}

/// The name without its extension, by which files are paired. It never names a file on this machine's disk.
pub(crate) fn stem(name: &str) -> Result<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).trim();
    if stem.is_empty() || stem.chars().count() > limits::NAME_CHARS {
        return Err(Refusal::malformed(
            "the file has no name, or a very long one",
        ));
    }
    Ok(stem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn files_pair_by_the_last_part_of_their_name() {
        assert_eq!(stem("before/cat.01.png").unwrap(), "cat.01");
        assert_eq!(stem("..\\..\\etc\\passwd").unwrap(), "passwd");
        for name in ["", ".png", "a/", "../"] {
            assert!(stem(name).is_err(), "{name}");
        }
        assert!(stem(&"x".repeat(500)).is_err());
    }
}
