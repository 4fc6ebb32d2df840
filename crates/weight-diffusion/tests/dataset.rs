//! Records, sampling, and what a data set refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{WIDTH, dataset, layout, text, weights};
use weight_blocks::{Normalization, Normalizer};
use weight_diffusion::{BlockDataset, Error, HostText};

#[test]
fn records_are_the_normalised_blocks_in_order() {
    let data = dataset();
    let blocks = data.layout().blocks();
    assert_eq!((blocks, data.networks(), data.len()), (5, 2, 10));
    let mut expected = weights(data.layout(), 2);
    data.normalizer().normalize(&mut expected).unwrap();
    for n in 0..blocks {
        let record = data.record(blocks + n).unwrap();
        assert_eq!((record.n, record.text), (n, 1));
        assert_eq!(record.weights, &expected[n * 16..(n + 1) * 16]);
    }
    assert_eq!(data.record(10), None);
    // 70 weights in 80 places: the padding is zero.
    assert!(
        data.record(4).unwrap().weights[6..]
            .iter()
            .all(|&w| w == 0.0)
    );
}

#[test]
fn samples_depend_on_seed_and_step_only() {
    let data = dataset();
    let draw = |seed, step| data.sample(seed, step, 20);
    assert_eq!(draw(1, 5), draw(1, 5));
    assert_ne!(draw(1, 5), draw(1, 6));
    assert_ne!(draw(1, 5), draw(2, 5));
    let mut seen = [0; 5];
    data.sample(0, 0, 1_000)
        .iter()
        .for_each(|record| seen[record.n] += 1);
    assert!(seen.iter().all(|&count| count > 120), "{seen:?}");
}

#[test]
fn norms_are_of_the_raw_weights() {
    let data = dataset();
    let norm = |seed| {
        weights(data.layout(), seed)
            .iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let (a, b): (f64, f64) = (norm(1), norm(2));
    assert!((data.norm().mean - (a + b) / 2.0).abs() < 1e-12);
    assert!((data.norm().std - (a - b).abs() / 2.0).abs() < 1e-9);
}

#[test]
fn what_does_not_fit_is_refused() {
    let layout = layout("first");
    let good = weights(&layout, 1);
    let normalizer = Normalizer::fit(&layout, Normalization::None, [good.as_slice()]).unwrap();
    let new = |texts: Vec<HostText>, entries| {
        let made = BlockDataset::new(layout.clone(), normalizer.clone(), texts, WIDTH, entries);
        made.err().unwrap()
    };
    assert!(matches!(
        new(vec![text(1, 2)], vec![]),
        Error::EmptyDataset { .. }
    ));
    assert!(matches!(
        new(vec![], vec![(0, good.clone())]),
        Error::Shape { .. }
    ));
    let short = vec![(0, good[1..].to_vec())];
    assert!(matches!(new(vec![text(1, 2)], short), Error::Shape { .. }));
    let narrow = HostText {
        tokens: vec![0.0; 5],
        len: 2,
    };
    assert!(matches!(
        new(vec![narrow], vec![(0, good.clone())]),
        Error::Shape { .. }
    ));
    let mut broken = good;
    broken[3] = f32::NAN;
    let error = new(vec![text(1, 2)], vec![(0, broken)]);
    assert!(error.to_string().contains("weight 3 of entry 0"), "{error}");
}
