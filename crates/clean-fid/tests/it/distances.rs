//! Fréchet and kernel distances against scipy, mpmath and numpy, and their errors.

use crate::common::{Fixture, assert_relative};
use clean_fid::distances::{Subsets, kernel_distance_subsets};
use clean_fid::{Error, FeatureSet, FrechetReference, frechet_distance, kernel_distance};

/// Fewer rows than the width, more on one side, and more on both sides.
const CASES: [&str; 3] = ["few", "mixed", "many"];

#[test]
fn frechet_equals_scipy_and_mpmath_to_forty_digits() {
    let fixture = Fixture::open("distances.safetensors");
    for name in CASES {
        let (x, y) = (
            fixture.set(&format!("{name}_x")),
            fixture.set(&format!("{name}_y")),
        );
        let values = fixture.doubles(&format!("{name}_values"));
        let ours = frechet_distance(&x, &y).unwrap();
        assert_relative(ours, values[0], 1e-6, name);
        assert_relative(ours, values[1], 1e-12, name);
        assert_relative(frechet_distance(&y, &x).unwrap(), ours, 1e-12, name);
        assert_eq!(
            FrechetReference::new(&x).unwrap().is_rank_deficient(),
            name != "many"
        );
    }
}

#[test]
fn kernel_equals_numpy() {
    let fixture = Fixture::open("distances.safetensors");
    for name in CASES {
        let (x, y) = (
            fixture.set(&format!("{name}_x")),
            fixture.set(&format!("{name}_y")),
        );
        let expected = fixture.doubles(&format!("{name}_values"))[2];
        assert_relative(kernel_distance(&x, &y).unwrap(), expected, 1e-10, name);
        assert_relative(kernel_distance(&y, &x).unwrap(), expected, 1e-10, name);
    }
}

#[test]
fn equal_sets_are_at_distance_zero() {
    let fixture = Fixture::open("distances.safetensors");
    for name in CASES {
        let x = fixture.set(&format!("{name}_x"));
        let distance = frechet_distance(&x, &x).unwrap();
        assert!((0.0..1e-10).contains(&distance), "{name}: {distance:e}");
    }
}

/// `p` and `n - p` rows of 0 and 1: every kernel value is 1 or 8, so the estimate can be done by hand.
#[test]
fn kernel_by_hand() {
    let x = FeatureSet::from_rows(vec![0.0, 0.0, 1.0], 1).unwrap();
    let y = FeatureSet::from_rows(vec![1.0, 1.0], 1).unwrap();
    // Off-diagonal xx: all 1. yy: 8. xy: 2 × (1 + 1 + 8) of 6 pairs.
    let expected = 1.0 + 8.0 - 2.0 * (2.0 + 2.0 + 16.0) / 6.0;
    assert!((kernel_distance(&x, &y).unwrap() - expected).abs() < 1e-12);
}

/// More rows than one block of the kernel sum, compared with the mean embeddings of a set that repeats itself.
#[test]
fn kernel_over_several_blocks() {
    let bits = |n: usize, ones: usize| {
        let rows = (0..n).map(|i| if i < ones { 1.0 } else { 0.0 }).collect();
        FeatureSet::from_rows(rows, 1).unwrap()
    };
    let (n, p, m, q) = (1100.0, 700.0, 600.0, 100.0);
    // k is 8 for two ones, 1 otherwise.
    let within = |n: f64, p: f64| 1.0 + 7.0 * p * (p - 1.0) / (n * (n - 1.0));
    let expected = within(n, p) + within(m, q) - 2.0 * (1.0 + 7.0 * p * q / (n * m));
    let ours = kernel_distance(&bits(1100, 700), &bits(600, 100)).unwrap();
    assert_relative(ours, expected, 1e-11, "blocks");
}

#[test]
fn subsets_are_seeded_and_unbiased() {
    let fixture = Fixture::open("distances.safetensors");
    let (x, y) = (fixture.set("many_x"), fixture.set("many_y"));
    let draw = |count, size, seed| {
        kernel_distance_subsets(&x, &y, &Subsets { count, size, seed }).unwrap()
    };
    let full = kernel_distance(&x, &y).unwrap();
    let estimate = draw(400, 35, 1);
    assert_eq!(estimate, draw(400, 35, 1));
    assert_ne!(estimate.mean, draw(400, 35, 2).mean);
    assert!(estimate.std > 0.0);
    let standard_error = estimate.std / 20.0;
    assert!(
        (estimate.mean - full).abs() < 5.0 * standard_error,
        "{estimate:?} against {full}"
    );

    // Subsets of the whole set do not depend on the seed.
    let (a, b) = (fixture.set("many_y"), fixture.set("many_y"));
    let whole = Subsets {
        count: 3,
        size: a.len(),
        seed: 0,
    };
    let estimate = kernel_distance_subsets(&a, &b, &whole).unwrap();
    assert_relative(
        estimate.mean,
        kernel_distance(&a, &b).unwrap(),
        1e-9,
        "whole",
    );
    assert!(estimate.std < 1e-12);
}

#[test]
fn bad_sets_are_refused() {
    let wide = FeatureSet::from_rows(vec![0.0; 6], 3).unwrap();
    let narrow = FeatureSet::from_rows(vec![0.0; 6], 2).unwrap();
    let one = FeatureSet::from_rows(vec![0.0; 3], 3).unwrap();
    for outcome in [
        frechet_distance(&wide, &narrow),
        kernel_distance(&wide, &narrow),
    ] {
        assert!(matches!(
            outcome,
            Err(Error::WidthMismatch { left: 3, right: 2 }
                | Error::WidthMismatch { left: 2, right: 3 })
        ));
    }
    for outcome in [frechet_distance(&wide, &one), kernel_distance(&one, &wide)] {
        assert!(matches!(
            outcome,
            Err(Error::TooFewRows {
                found: 1,
                minimum: 2
            })
        ));
    }
    for (count, size) in [(0, 2), (1, 1), (1, 3)] {
        let subsets = Subsets {
            count,
            size,
            seed: 0,
        };
        let outcome = kernel_distance_subsets(&wide, &wide, &subsets);
        assert!(matches!(outcome, Err(Error::Subsets { .. })));
    }
    assert!(matches!(
        FeatureSet::from_rows(vec![], 3),
        Err(Error::TooFewRows { .. })
    ));
    assert!(matches!(
        FeatureSet::from_rows(vec![1.0], 0),
        Err(Error::ZeroWidth)
    ));
    assert!(matches!(
        FeatureSet::from_rows(vec![1.0; 4], 3),
        Err(Error::RaggedFeatures {
            values: 4,
            width: 3
        })
    ));
    assert!(matches!(
        FeatureSet::from_rows(vec![1.0, 2.0, 3.0, f32::NAN], 2),
        Err(Error::FeatureValue {
            row: 1,
            column: 1,
            ..
        })
    ));
    let mut set = wide.clone();
    set.extend(&one).unwrap();
    assert_eq!(set.len(), 3);
    assert!(set.extend(&narrow).is_err());
}
