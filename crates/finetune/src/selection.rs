//! Choosing training photos by clustering.
//!
//! This k-means is small on purpose: linfa-clustering would bring ndarray, linfa, spatial indices and an older `rand` for
//! what one file does. It is checked against scikit-learn's.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Passes after which k-means ends even if points still move; it converges long before.
const MAX_PASSES: usize = 300;

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
    let start = plus_plus(features, count, seed);
    Ok(lloyd(features, start))
}

/// k-means++ (Arthur and Vassilvitskii, 2007), greedy: the best of some candidates for each centre.
fn plus_plus(features: &[Vec<f32>], count: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Uniform in [0, 1) with 53 bits.
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let candidates = 2 + (count as f64).ln() as usize;

    let first = (uniform() * features.len() as f64) as usize;
    let mut centres = vec![features[first].clone()];
    let mut nearest: Vec<f64> = features
        .iter()
        .map(|v| squared_distance(v, &features[first]))
        .collect();
    while centres.len() < count {
        let total: f64 = nearest.iter().sum();
        let best = (0..candidates)
            .map(|_| {
                let pick = weighted(&nearest, uniform() * total);
                let after: Vec<f64> = features
                    .iter()
                    .zip(&nearest)
                    .map(|(v, &d)| d.min(squared_distance(v, &features[pick])))
                    .collect();
                (pick, after.iter().sum::<f64>(), after)
            })
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((pick, _, after)) = best else {
            break;
        };
        centres.push(features[pick].clone());
        nearest = after;
    }
    centres
}

/// The first index at which the running sum of `weights` exceeds `mark`.
fn weighted(weights: &[f64], mark: f64) -> usize {
    let mut sum = 0.0;
    for (index, weight) in weights.iter().enumerate() {
        sum += weight;
        if sum > mark {
            return index;
        }
    }
    // All photos are equal, or rounding left nothing.
    weights.len() - 1
}

fn lloyd(features: &[Vec<f32>], mut centres: Vec<Vec<f32>>) -> Selection {
    let mut clusters = vec![usize::MAX; features.len()];
    let mut distances = vec![0.0; features.len()];
    for _ in 0..MAX_PASSES {
        let mut moved = false;
        for (index, vector) in features.iter().enumerate() {
            let (cluster, distance) = nearest_centre(vector, &centres);
            moved |= clusters[index] != cluster;
            clusters[index] = cluster;
            distances[index] = distance;
        }
        moved |= fill_empty(&mut clusters, &mut distances, centres.len());
        if !moved {
            break;
        }
        centres = means(features, &clusters, centres.len());
    }
    // Of each cluster the member nearest the mean; the first of equals.
    let centres = means(features, &clusters, centres.len());
    let mut best = vec![(usize::MAX, f64::INFINITY); centres.len()];
    let mut inertia = 0.0;
    for (index, vector) in features.iter().enumerate() {
        let cluster = clusters[index];
        let distance = squared_distance(vector, &centres[cluster]);
        inertia += distance;
        // A distance may overflow; the cluster still needs one of its photos.
        if best[cluster].0 == usize::MAX || distance < best[cluster].1 {
            best[cluster] = (index, distance);
        }
    }
    let mut chosen: Vec<usize> = best.into_iter().map(|(index, _)| index).collect();
    chosen.sort_unstable();
    Selection {
        chosen,
        clusters,
        inertia,
    }
}

fn nearest_centre(vector: &[f32], centres: &[Vec<f32>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (cluster, centre) in centres.iter().enumerate() {
        let distance = squared_distance(vector, centre);
        if distance < best.1 {
            best = (cluster, distance);
        }
    }
    best
}

/// Gives every cluster without members the photo that is farthest from its centre and not alone in its cluster.
fn fill_empty(clusters: &mut [usize], distances: &mut [f64], count: usize) -> bool {
    let mut sizes = vec![0usize; count];
    for &cluster in clusters.iter() {
        sizes[cluster] += 1;
    }
    let mut moved = false;
    for empty in 0..count {
        if sizes[empty] > 0 {
            continue;
        }
        let farthest = (0..clusters.len())
            .filter(|&index| sizes[clusters[index]] > 1)
            .max_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        if let Some(index) = farthest {
            sizes[clusters[index]] -= 1;
            sizes[empty] += 1;
            clusters[index] = empty;
            distances[index] = 0.0;
            moved = true;
        }
    }
    moved
}

fn means(features: &[Vec<f32>], clusters: &[usize], count: usize) -> Vec<Vec<f32>> {
    let mut sums = vec![vec![0.0f64; features[0].len()]; count];
    let mut sizes = vec![0.0f64; count];
    for (vector, &cluster) in features.iter().zip(clusters) {
        sizes[cluster] += 1.0;
        for (sum, value) in sums[cluster].iter_mut().zip(vector) {
            *sum += f64::from(*value);
        }
    }
    sums.into_iter()
        .zip(sizes)
        .map(|(sum, size)| sum.into_iter().map(|s| (s / size) as f32).collect())
        .collect()
}

/// Sixteen sums at a time, which the compiler turns into vector instructions.
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for i in 0..16 {
            let difference = x[i] - y[i];
            sums[i] += difference * difference;
        }
    }
    let rest: f32 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(x, y)| (x - y) * (x - y))
        .sum();
    sums.iter().map(|&s| f64::from(s)).sum::<f64>() + f64::from(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Fixture {
        features: Vec<Vec<f32>>,
        start: Vec<usize>,
        labels: Vec<usize>,
        inertia: f64,
        chosen: Vec<usize>,
        best_inertia: f64,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../tests/fixtures/selection.json")).unwrap()
    }

    #[test]
    fn passes_are_scikit_learns() {
        let f = fixture();
        let start = f.start.iter().map(|&i| f.features[i].clone()).collect();
        let selection = lloyd(&f.features, start);
        assert_eq!(selection.clusters, f.labels);
        assert_eq!(selection.chosen, f.chosen);
        assert!((selection.inertia / f.inertia - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_start_is_as_good_as_scikit_learns() {
        let f = fixture();
        let runs: Vec<f64> = (0..10)
            .map(|seed| {
                let selection = select_by_clusters(&f.features, f.start.len(), seed).unwrap();
                selection.inertia / f.best_inertia
            })
            .collect();
        let best = runs.iter().copied().fold(f64::INFINITY, f64::min);
        // Its best of 50 starts against ours of 10; and no single one far off.
        assert!(best < 1.02, "{runs:?}");
        assert!(runs.iter().all(|&r| r < 1.15), "{runs:?}");
    }

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
