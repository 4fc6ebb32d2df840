//! Choosing training photos by clustering.

mod k_means;

use k_means::k_means;

/// Why photos cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// More photos, or fewer than one, are wanted than there are.
    #[error("cannot choose {wanted} of {available} photos; ask for 1 to {available}")]
    Count {
        /// Photos wanted.
        wanted: usize,
        /// Photos there are.
        available: usize,
    },
    /// Vectors of several lengths, or of length 0.
    #[error(
        "photo {index} has {length} features and photo 0 has {expected}; all need the same number, above 0"
    )]
    Length {
        /// The photo's index.
        index: usize,
        /// Its number of features.
        length: usize,
        /// The first photo's.
        expected: usize,
    },
    /// A NaN or infinite feature.
    #[error("photo {index} has a NaN or infinite feature; check the input of the feature network")]
    NotFinite {
        /// The photo's index.
        index: usize,
    },
}

/// Photos chosen by [`select_by_clusters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Indices of the chosen photos, ascending.
    pub chosen: Vec<usize>,
    /// The cluster of each photo, from 0.
    pub clusters: Vec<usize>,
    /// Sum of the squared distances of all photos from the centres of their clusters.
    pub inertia: f64,
}

/// Chooses `count` photos that stand for all: k-means with `count` clusters on `features`, one vector per photo (any
/// feature network's output [photos, features] on the host), and of each cluster the photo nearest its centre. E²GAN
/// picks 400 of 800 photos this way, on CLIP features.
///
/// The start is drawn with `seed` (k-means++ with 2 + ln k candidates per centre, as in scikit-learn); then Lloyd's
/// passes until no photo changes its cluster. A cluster that loses all its photos is given the one that is farthest
/// from its centre, so there are always `count` different photos.
///
/// ```
/// use finetune::selection::select_by_clusters;
///
/// // Three kinds of photos, many of the first.
/// let mut features: Vec<Vec<f32>> = (0..20).map(|i| vec![0.01 * i as f32, 0.0]).collect();
/// features.push(vec![5.0, 5.0]);
/// features.push(vec![-5.0, 5.0]);
/// let selection = select_by_clusters(&features, 3, 0)?;
/// assert!(selection.chosen.ends_with(&[20, 21]));
/// assert!(matches!(selection.chosen[0], 9 | 10), "the middle of the many");
/// # Ok::<(), finetune::selection::SelectionError>(())
/// ```
///
/// From a [`FeatureNet`](clean_fid::FeatureNet)'s tensor: `tensor.into_data()`'s values, cut into rows.
///
/// # Errors
/// Returns [`SelectionError`], before anything is computed.
pub fn select_by_clusters(
    features: &[Vec<f32>],
    count: usize,
    seed: u64,
) -> Result<Selection, SelectionError> {
    if count == 0 || count > features.len() {
        return Err(SelectionError::Count {
            wanted: count,
            available: features.len(),
        });
    }
    let expected = features[0].len();
    for (index, vector) in features.iter().enumerate() {
        if vector.len() != expected || vector.is_empty() {
            return Err(SelectionError::Length {
                index,
                length: vector.len(),
                expected,
            });
        }
        if !vector.iter().all(|v| v.is_finite()) {
            return Err(SelectionError::NotFinite { index });
        }
    }
    Ok(k_means(features, count, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` points around each of `centres`, which are 10 apart.
    fn planted(centres: usize, count: usize) -> Vec<Vec<f32>> {
        (0..centres * count)
            .map(|i| {
                let (centre, ring) = (i % centres, (i / centres) as f32);
                (0..24)
                    .map(|d| {
                        let at = if d == centre { 10.0 } else { 0.0 };
                        at + 0.3 * (ring * 1.7 + d as f32).sin() * ring / count as f32
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn planted_clusters_are_found() {
        let features = planted(20, 15);
        for seed in 0..5 {
            let selection = select_by_clusters(&features, 20, seed).unwrap();
            let mut found: Vec<usize> = selection.chosen.iter().map(|i| i % 20).collect();
            found.sort_unstable();
            assert_eq!(found, (0..20).collect::<Vec<_>>());
            // All members of a planted cluster have one label.
            for (index, cluster) in selection.clusters.iter().enumerate() {
                assert_eq!(*cluster, selection.clusters[index % 20]);
            }
            // The point without noise lies nearest the middle, up to the noise's mean.
            assert!(
                selection.chosen.iter().all(|&i| i / 20 < 8),
                "{:?}",
                selection.chosen
            );
        }
    }

    #[test]
    fn half_of_many_are_different_photos_and_follow_the_seed() {
        let features: Vec<Vec<f32>> = (0..200)
            .map(|i| {
                (0..40)
                    .map(|d| ((i * 31 + d * 17) as f32 * 0.37).sin())
                    .collect()
            })
            .collect();
        let a = select_by_clusters(&features, 100, 1).unwrap();
        assert_eq!(a.chosen.len(), 100);
        assert!(a.chosen.windows(2).all(|w| w[0] < w[1]));
        assert_eq!(a, select_by_clusters(&features, 100, 1).unwrap());
        let spread = select_by_clusters(&features, 200, 1).unwrap();
        assert_eq!(spread.chosen, (0..200).collect::<Vec<_>>());
        assert_eq!(spread.inertia, 0.0);
    }

    #[test]
    fn equal_photos_can_be_chosen_from() {
        let features = vec![vec![1.0; 3]; 10];
        let selection = select_by_clusters(&features, 4, 9).unwrap();
        assert_eq!(selection.chosen.len(), 4);
        assert!(selection.chosen.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn distances_that_overflow_still_choose_photos() {
        let features = [[3e38f32, 0.0], [-3e38, 0.0], [0.0, 3e38], [0.0, -3e38]];
        let features: Vec<Vec<f32>> = features.iter().map(|v| v.to_vec()).collect();
        for count in 1..=4 {
            let chosen = select_by_clusters(&features, count, 0).unwrap().chosen;
            assert_eq!(chosen.len(), count);
            assert!(chosen.windows(2).all(|w| w[0] < w[1]), "{chosen:?}");
            assert!(chosen.iter().all(|&i| i < features.len()), "{chosen:?}");
        }
    }

    #[test]
    fn impossible_choices_are_refused() {
        let features = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
        let fail =
            |features: &[Vec<f32>], count| select_by_clusters(features, count, 0).unwrap_err();
        assert_eq!(
            fail(&features, 3),
            SelectionError::Count {
                wanted: 3,
                available: 2
            }
        );
        assert!(matches!(fail(&features, 0), SelectionError::Count { .. }));
        assert!(matches!(fail(&[], 1), SelectionError::Count { .. }));
        let short = [vec![1.0, 2.0], vec![3.0]];
        assert!(matches!(
            fail(&short, 1),
            SelectionError::Length { index: 1, .. }
        ));
        assert!(matches!(
            fail(&[vec![]], 1),
            SelectionError::Length { index: 0, .. }
        ));
        let nan = [vec![1.0], vec![f32::NAN]];
        assert_eq!(fail(&nan, 1), SelectionError::NotFinite { index: 1 });
    }
}
