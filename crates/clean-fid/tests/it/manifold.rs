//! Precision, recall, density and coverage against the package prdc; KID against clean-fid's.

use crate::common::{Fixture, assert_relative};
use clean_fid::distances::manifold_metrics;
use clean_fid::{Error, FeatureSet, kernel_distance};

#[test]
fn equal_to_prdc() {
    let fixture = Fixture::open("manifold.safetensors");
    for (name, neighbours) in [("near", 5), ("far", 3), ("one", 1)] {
        let (targets, outputs) = (
            fixture.set(&format!("{name}_x")),
            fixture.set(&format!("{name}_y")),
        );
        let ours = manifold_metrics(&targets, &outputs, neighbours).unwrap();
        let theirs = fixture.doubles(&format!("{name}_values"));
        let ours = [ours.precision, ours.recall, ours.density, ours.coverage];
        for (a, b) in ours.iter().zip(&theirs) {
            // Ratios of counts: one more or less would show.
            assert!((a - b).abs() < 1e-12, "{name}: {ours:?} against {theirs:?}");
        }
    }
}

#[test]
fn kernel_equals_clean_fid() {
    let fixture = Fixture::open("manifold.safetensors");
    let (x, y) = (fixture.set("one_x"), fixture.set("one_y"));
    let theirs = fixture.doubles("one_kernel")[0];
    assert_relative(kernel_distance(&x, &y).unwrap(), theirs, 1e-10, "kernel");
}

/// More rows than a block holds: a line of points against every second of them, and against points far away.
#[test]
fn points_on_a_line_by_hand() {
    let line = |count: usize, step: f32, start: f32| {
        let rows = (0..count).map(|i| start + step * i as f32).collect();
        FeatureSet::from_rows(rows, 1).unwrap()
    };
    let targets = line(1200, 1.0, 0.0);
    let halves = manifold_metrics(&targets, &line(600, 2.0, 0.5), 2).unwrap();
    assert_eq!(halves.precision, 1.0);
    assert_eq!(halves.recall, 1.0);
    // Each output has a target at 0.5 on both sides; balls reach to 1, at the ends to 2, and no further.
    assert_eq!(halves.coverage, 1.0);
    let apart = manifold_metrics(&targets, &line(600, 2.0, 5000.0), 2).unwrap();
    assert_eq!(
        [apart.precision, apart.recall, apart.density, apart.coverage],
        [0.0; 4]
    );
}

#[test]
fn bad_sets_are_refused() {
    let set =
        |rows: usize, width: usize| FeatureSet::from_rows(vec![0.5; rows * width], width).unwrap();
    for (n, m, neighbours) in [(4, 4, 0), (4, 4, 4), (9, 4, 4), (4, 9, 4)] {
        let outcome = manifold_metrics(&set(n, 2), &set(m, 2), neighbours);
        assert!(matches!(outcome, Err(Error::Neighbours { .. })));
    }
    let outcome = manifold_metrics(&set(4, 2), &set(4, 3), 1);
    assert!(matches!(
        outcome,
        Err(Error::WidthMismatch { left: 2, right: 3 })
    ));
}
