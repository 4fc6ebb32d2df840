//! Pairs that a client puts together, file by file, before it trains on them. They are held in memory.

use std::collections::BTreeMap;
use std::path::Path;

use concepts::Pair;
use concepts::images::{composed, decode_image, encode_png};
use concepts::pairs::cut_in_two;
use image::RgbImage;

use crate::limits;
use crate::refusal::{Refusal, Result};
use crate::slot::{Half, Placed, Row, Side, Slot};
use crate::workbench::Workbench;

/// Pairs of which a training keeps at least two to measure on.
pub(crate) const FEWEST: usize = 10;

/// The pairs of one client.
#[derive(Default)]
pub(crate) struct Draft {
    slots: BTreeMap<String, Slot>,
    bytes: usize,
    made: usize,
    pub(crate) touched: u64,
}

impl Draft {
    /// Adds one file. A file that cannot be used stays as a row with its problem. The same file again replaces what it gave
    /// before; another file of the same name is a problem.
    pub(crate) fn add(
        &mut self,
        bench: &Workbench,
        side: Side,
        path: &str,
        halves: Halves,
    ) -> Result<()> {
        let stem = stem(path)?;
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
        let name = stem.clone();
        let slot = (self.slots.entry(stem)).or_insert_with(|| Slot::new(number));
        self.made += usize::from(is_new);
        let placed = |half| Placed {
            path: path.to_owned(),
            both: side == Side::Both,
            half,
        };
        match (side, halves) {
            (Side::Both, Halves::Two(input, target)) => {
                slot.put(Side::Input, &name, placed(input));
                slot.put(Side::Target, &name, placed(target));
            }
            (Side::Target, Halves::One(half)) => slot.put(Side::Target, &name, placed(half)),
            (_, Halves::One(half) | Halves::Two(half, _)) => {
                slot.put(Side::Input, &name, placed(half))
            }
        }
        self.count_bytes(size);
        Ok(())
    }

    /// Counts the bytes of the pictures, of `size` bytes each.
    fn count_bytes(&mut self, size: usize) {
        let good = self.slots.values().map(Slot::good_halves);
        self.bytes = good.sum::<usize>() * size;
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let slots = self.slots.iter();
        slots.map(|(name, slot)| slot.row(name)).collect()
    }

    /// A picture of a pair, as PNG.
    pub(crate) fn picture(&self, number: usize, side: Side) -> Option<Vec<u8>> {
        let slot = self.slots.values().find(|slot| slot.number == number)?;
        let (input, target) = slot.halves();
        let half = if side == Side::Target { target } else { input };
        match half? {
            Half::Good { image, .. } => encode_png(image, Path::new("pair.png")).ok(),
            Half::Bad(_) | Half::Several(_) => None,
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
            .filter_map(|slot| match slot.halves() {
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
        self.count_bytes(bench.size() * bench.size() * 3);
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

/// The name without its extension, in Unicode's composed form, by which files are paired. It never names a file on this
/// machine's disk.
pub(crate) fn stem(path: &str) -> Result<String> {
    let name = composed(path.rsplit(['/', '\\']).next().unwrap_or_default());
    let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
    let stem = stem.trim();
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
        // Decomposed: the accent is a character of its own.
        assert_eq!(stem("e\u{301}t.png").unwrap(), stem("\u{e9}t.png").unwrap());
        for name in ["", ".png", "a/", "../"] {
            assert!(stem(name).is_err(), "{name}");
        }
        assert!(stem(&"x".repeat(500)).is_err());
    }
}
