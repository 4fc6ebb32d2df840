use std::collections::BTreeMap;
use std::path::Path;

use image_files::composed;
use resumable_runs::read_json;
use serde::{Deserialize, Serialize};

use crate::photos::counts;
use crate::{Error, Split, random};

/// The shares of the groups for validation and for test; the rest is for training. The default is the paper's 10 % and
/// 10 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fractions {
    /// For validation, 0 to 1.
    pub validation: f64,
    /// For test, 0 to 1.
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self {
            validation: 0.1,
            test: 0.1,
        }
    }
}

/// Which photos belong together, if [`Identities`] does not say it: they stay in one split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Those of one [source](crate::Photo::source): files `NAME-01`, `NAME-02` are crops of one photograph.
    #[default]
    Source,
    /// Each file is a photograph of its own, whatever its name.
    File,
}

/// The person in each photo: a JSON object `{"NAME.jpg": "person", ...}` whose keys are file names or stems. Photos that it
/// does not name are grouped by [`Grouping`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identities(BTreeMap<String, String>);

impl Identities {
    /// Reads the file.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be read or is not such an object.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let Self(people) = read_json(path)?;
        let people = people.into_iter();
        Ok(Self(
            people.map(|(name, who)| (composed(&name), who)).collect(),
        ))
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        find_by_name(&self.0, name).map(String::as_str)
    }
}

/// What a table, whose keys are [composed] file names or stems, says of the file `name`.
pub(super) fn find_by_name<'a, T>(table: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    let name = composed(name);
    let stem = name
        .rsplit_once('.')
        .map_or(name.as_str(), |(stem, _)| stem);
    table.get(&name).or_else(|| table.get(stem))
}

/// The split of each item, given the group of each: items of one group (one person, one photograph) stay together.
/// Shares are shares of the groups, rounded, and at least one group if the share is above zero. The draw depends on the
/// set of groups and the seed, not on the order of items.
///
/// # Errors
/// Returns [`Error::BadFractions`] for shares that are not from 0 to below 1, and [`Error::NotEnoughSources`] if no group
/// would be left to train on, which then names the group of `largest`.
pub(super) fn split_groups(
    groups: &[String],
    fractions: Fractions,
    seed: u64,
    largest: Option<(String, usize)>,
) -> Result<Vec<Split>, Error> {
    let valid = |share: f64| (0.0..1.0).contains(&share);
    if !valid(fractions.validation) || !valid(fractions.test) {
        return Err(Error::BadFractions {
            validation: fractions.validation,
            test: fractions.test,
        });
    }
    let counts = counts(groups.iter().map(String::as_str));
    let count = |share: f64| {
        let rounded = (share * counts.len() as f64).round() as usize;
        if share > 0.0 { rounded.max(1) } else { 0 }
    };
    let (validation, test) = (count(fractions.validation), count(fractions.test));
    if validation + test >= counts.len() {
        return Err(Error::NotEnoughSources {
            found: counts.len(),
            validation,
            test,
            largest,
        });
    }
    let mut distinct: Vec<&str> = counts.into_keys().collect();
    random::shuffle(&mut distinct, seed);
    let splits: BTreeMap<&str, Split> = distinct
        .into_iter()
        .enumerate()
        .map(|(rank, group)| {
            let split = if rank < test {
                Split::Test
            } else if rank < test + validation {
                Split::Validation
            } else {
                Split::Train
            };
            (group, split)
        })
        .collect();
    Ok(groups.iter().map(|group| splits[group.as_str()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_together() {
        let groups: Vec<String> = (0..1000).map(|i| format!("p{}", i % 100)).collect();
        let splits = split_groups(&groups, Fractions::default(), 3, None).unwrap();
        let count = |split| splits.iter().filter(|s| **s == split).count();
        assert_eq!(
            (
                count(Split::Train),
                count(Split::Validation),
                count(Split::Test)
            ),
            (800, 100, 100)
        );
        for i in 0..900 {
            assert_eq!(splits[i], splits[i + 100]);
        }
        assert_ne!(
            split_groups(&groups, Fractions::default(), 4, None).unwrap(),
            splits
        );
        assert!(matches!(
            split_groups(&groups[..2], Fractions::default(), 3, None),
            Err(Error::NotEnoughSources { found: 2, .. })
        ));
        assert!(
            split_groups(
                &groups,
                Fractions {
                    validation: f64::NAN,
                    test: 0.1
                },
                3,
                None
            )
            .is_err()
        );
    }
}
