//! Normalisers: moments after, values back, padding, and errors.

use std::ops::Range;

use crate::common::{groups, layout, uniform};
use weight_blocks::{Error, GroupingRule, Layout, Normalization, Normalizer, NormalizerFit};

const KINDS: [Normalization; 5] = [
    Normalization::None,
    Normalization::Global,
    Normalization::PerKind,
    Normalization::PerLayer,
    Normalization::Elementwise,
];

/// Where the six tensors of the layout stand among its 80 values.
const TENSORS: [Range<usize>; 6] = [0..54, 54..62, 62..66, 66..70, 70..76, 76..80];

/// 40 networks whose tensors differ in scale by orders of magnitude; padding is 0.
fn collection() -> Vec<Vec<f32>> {
    const MEANS: [f32; 6] = [0.0, 1e-3, 1.0, -0.2, 0.05, 30.0];
    const SCALES: [f32; 6] = [0.1, 1e-3, 0.02, 0.3, 1.0, 5.0];
    let mut next = uniform(7);
    // Each weight has its own centre, from which the networks differ.
    let centres: Vec<f32> = (0..80).map(|_| next()).collect();
    (0..40)
        .map(|_| {
            let mut flat = vec![0.0; 96];
            for (tensor, range) in TENSORS.into_iter().enumerate() {
                for i in range {
                    flat[i] = MEANS[tensor] + SCALES[tensor] * (centres[i] + 0.5 * next());
                }
            }
            flat
        })
        .collect()
}

fn fit(kind: Normalization, collection: &[Vec<f32>]) -> Normalizer {
    Normalizer::fit(&layout(), kind, collection.iter().map(Vec::as_slice)).unwrap()
}

fn normalized(kind: Normalization) -> Vec<Vec<f32>> {
    let normalizer = fit(kind, &collection());
    let mut flats = collection();
    for flat in &mut flats {
        normalizer.normalize(flat).unwrap();
    }
    flats
}

/// Mean and population deviation, in two passes.
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / n;
    let variance = values.map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

fn assert_standard(what: &str, values: impl Iterator<Item = f32> + Clone) {
    let (mean, deviation) = moments(values);
    assert!(mean.abs() < 1e-4, "{what}: mean {mean}");
    assert!(
        (deviation - 1.0).abs() < 1e-4,
        "{what}: deviation {deviation}"
    );
}

#[test]
fn none_changes_nothing() {
    assert_eq!(normalized(Normalization::None), collection());
}

#[test]
fn global_standardises_all_values_together() {
    let flats = normalized(Normalization::Global);
    assert_standard("all", flats.iter().flat_map(|f| f[..80].iter().copied()));
    // One scale for all: `up`, a thousandth of the last tensor, is left without any spread.
    let (_, up) = moments(flats.iter().flat_map(|f| f[54..62].iter().copied()));
    assert!(up < 1e-3, "{up}");
}

#[test]
fn per_layer_standardises_each_tensor() {
    let flats = normalized(Normalization::PerLayer);
    for range in TENSORS {
        let what = format!("{range:?}");
        assert_standard(
            &what,
            flats.iter().flat_map(|f| f[range.clone()].iter().copied()),
        );
    }
    // Not value by value: these keep their centres.
    let (mean, _) = moments(flats.iter().map(|f| f[0]));
    assert!(mean.abs() > 1e-2, "{mean}");
}

#[test]
fn elementwise_centres_each_value_and_scales_each_tensor() {
    let flats = normalized(Normalization::Elementwise);
    for i in 0..80 {
        let (mean, _) = moments(flats.iter().map(|f| f[i]));
        assert!(mean.abs() < 1e-4, "value {i}: mean {mean}");
    }
    for range in TENSORS {
        let what = format!("{range:?}");
        assert_standard(
            &what,
            flats.iter().flat_map(|f| f[range.clone()].iter().copied()),
        );
    }
}

#[test]
fn denormalising_restores_every_value() {
    for kind in KINDS {
        let normalizer = fit(kind, &collection());
        assert_eq!(normalizer.kind(), kind);
        assert_eq!(normalizer.deviations().len(), 6);
        for original in collection() {
            let mut flat = original.clone();
            normalizer.normalize(&mut flat).unwrap();
            assert!(flat[80..].iter().all(|&v| v == 0.0), "{kind:?}: padding");
            // What a network predicts there does not matter.
            flat[80..].fill(9.0);
            normalizer.denormalize(&mut flat).unwrap();
            assert!(flat[80..].iter().all(|&v| v == 0.0), "{kind:?}: padding");
            // Relative to the scale that was divided by: the largest value.
            let scale = match kind {
                Normalization::Global | Normalization::PerKind => 35.0,
                _ => 1.0,
            };
            for (i, (a, b)) in flat.iter().zip(&original).enumerate() {
                let tolerance = 1e-6 * b.abs().max(scale);
                assert!((a - b).abs() <= tolerance, "{kind:?} {i}: {a} against {b}");
            }
        }
    }
}

#[test]
fn constant_tensors_are_shifted_but_not_scaled() {
    // 0.1 and 1.1 have no exact square sums: a difference of large sums would leave a deviation of
    // about 1e-8 here, and divide the next network by it.
    for constant in [0.0, 0.1, 1.1, -1000.1] {
        let flat: Vec<f32> = [vec![constant; 80], vec![0.0; 16]].concat();
        let collection = vec![flat; 50];
        for kind in KINDS {
            let normalizer = fit(kind, &collection);
            assert_eq!(normalizer.deviations(), [1.0; 6], "{kind:?} {constant}");
            let mut other = [vec![constant + 0.5; 80], vec![0.0; 16]].concat();
            let before = other.clone();
            normalizer.normalize(&mut other).unwrap();
            let expected = if kind == Normalization::None {
                constant + 0.5
            } else {
                0.5
            };
            for v in &other[..80] {
                assert!((v - expected).abs() < 1e-4, "{kind:?} {constant}: {v}");
            }
            normalizer.denormalize(&mut other).unwrap();
            for (a, b) in other.iter().zip(&before) {
                assert!((a - b).abs() < 1e-4, "{kind:?} {constant}: {a}");
            }
        }
    }
}

#[test]
fn a_small_spread_around_a_large_mean_is_kept() {
    // ±2⁻¹⁰ around 4096: the variance, 9.5e-7, is a twentieth of a billionth of the squares.
    let flats: Vec<Vec<f32>> = (0..1000)
        .map(|i| {
            vec![
                4096.0
                    + if i % 2 == 0 {
                        0.000_976_562_5
                    } else {
                        -0.000_976_562_5
                    };
                96
            ]
        })
        .collect();
    for kind in [
        Normalization::Global,
        Normalization::PerLayer,
        Normalization::Elementwise,
    ] {
        for deviation in fit(kind, &flats).deviations() {
            assert!(
                (deviation / 0.000_976_562_5 - 1.0).abs() < 1e-6,
                "{kind:?} {deviation}"
            );
        }
    }
}

#[test]
fn errors_name_the_sizes() {
    assert!(matches!(
        Normalizer::fit(&layout(), Normalization::Global, []),
        Err(Error::NoWeights)
    ));
    match Normalizer::fit(&layout(), Normalization::Global, [[0.0; 80].as_slice()]) {
        Err(Error::BlockCount {
            expected, found, ..
        }) => assert_eq!((expected, found), (96, 80)),
        other => panic!("{other:?}"),
    }
    let normalizer = fit(Normalization::PerLayer, &collection());
    for apply in [Normalizer::normalize, Normalizer::denormalize] {
        match apply(&normalizer, &mut [0.0; 64]) {
            Err(Error::NormalizerMismatch { expected, found }) => {
                assert_eq!((expected, found), (96, 64));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn normalisers_round_trip_through_json_bit_for_bit() {
    for kind in KINDS {
        let normalizer = fit(kind, &collection());
        let json = serde_json::to_string(&normalizer).unwrap();
        let back: Normalizer = serde_json::from_str(&json).unwrap();
        assert_eq!(back, normalizer);
        let mut a = collection().remove(0);
        let mut b = a.clone();
        normalizer.normalize(&mut a).unwrap();
        back.normalize(&mut b).unwrap();
        assert_eq!(
            a.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            b.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_damaged_normaliser_is_an_error() {
    for kind in [Normalization::PerLayer, Normalization::Elementwise] {
        let json = serde_json::to_value(fit(kind, &collection())).unwrap();
        for (field, value) in [
            ("means", serde_json::json!([])),
            ("deviations", serde_json::json!([1.0])),
            ("runs", serde_json::json!([{"tensor": 99, "len": 80}])),
            (
                "runs",
                serde_json::json!([{"tensor": 0, "len": usize::MAX}]),
            ),
            ("encoded_len", serde_json::json!(5)),
        ] {
            let mut json = json.clone();
            json[field] = value;
            let damaged: Normalizer = serde_json::from_value(json).unwrap();
            let result = damaged.normalize(&mut [0.0; 96]);
            assert!(
                matches!(result, Err(Error::NormalizerMismatch { .. })),
                "{field}: {result:?}"
            );
        }
    }
}

#[test]
fn gradients_are_scaled_by_the_deviation() {
    for kind in KINDS {
        let normalizer = fit(kind, &collection());
        let (mut low, mut high) = (vec![0.0; 96], vec![1.0; 96]);
        normalizer.denormalize(&mut low).unwrap();
        normalizer.denormalize(&mut high).unwrap();
        let mut gradient = vec![1.0; 96];
        normalizer.scale_gradient(&mut gradient).unwrap();
        for ((high, low), gradient) in high.iter().zip(&low).zip(&gradient) {
            let slope = high - low;
            assert!(
                (slope - gradient).abs() < 1e-5,
                "{kind:?}: {slope} {gradient}"
            );
        }
        assert!(normalizer.scale_gradient(&mut [0.0; 3]).is_err());
    }
}

#[test]
fn padding_between_tensors_is_not_normalised() {
    use crate::common::{groups, weights};
    use weight_blocks::{GroupingRule, Layout};
    let rules = [GroupingRule::Appended, GroupingRule::Separate];
    for kind in KINDS {
        let [appended, separate] = rules.map(|rule| {
            let layout = Layout::new("small", groups(), rule, 32).unwrap();
            let flats: Vec<_> = (0..5)
                .map(|i| layout.encode(&weights(i)).unwrap())
                .collect();
            let flats = flats.iter().map(Vec::as_slice);
            let normalizer = Normalizer::fit(&layout, kind, flats).unwrap();
            let mut flat = layout.encode(&weights(9)).unwrap();
            normalizer.normalize(&mut flat).unwrap();
            let normalized = layout.decode(&flat).unwrap();
            // Garbage in the padding, as a network predicts it, is gone afterwards.
            let filled = layout.encode(&normalized).unwrap();
            let mut garbage = vec![7.0; flat.len()];
            for segment in layout.segments() {
                let run = segment.at..segment.at + segment.len;
                garbage[run.clone()].copy_from_slice(&filled[run]);
            }
            normalizer.denormalize(&mut garbage).unwrap();
            let back = layout.decode(&garbage).unwrap();
            assert_eq!(layout.encode(&back).unwrap(), garbage, "{kind:?}");
            normalized
        });
        assert_eq!(appended, separate, "{kind:?}");
    }
}

/// Two more linear layers, so that kinds are shared.
fn wide_layout(rule: GroupingRule) -> Layout {
    let mut groups = groups();
    let mut second = groups[1].clone();
    second.name = "fc2".into();
    for (tensor, name) in second.tensors.iter_mut().zip(["fc2.a", "fc2.b"]) {
        tensor.name = name.into();
    }
    groups.push(second);
    Layout::new("wide", groups, rule, 32).unwrap()
}

#[test]
fn per_kind_pools_the_tensors_of_a_kind_and_role() {
    let layout = wide_layout(GroupingRule::Appended);
    let mut next = uniform(3);
    let flats: Vec<Vec<f32>> = (0..20)
        .map(|_| {
            let mut flat: Vec<f32> = (0..layout.encoded_len()).map(|_| next()).collect();
            // fc2.a (6 values) is ten times as large as fc.a and elsewhere.
            flat[80..86].iter_mut().for_each(|v| *v = 10.0 * *v + 3.0);
            flat
        })
        .collect();
    let normalizer = Normalizer::fit(
        &layout,
        Normalization::PerKind,
        flats.iter().map(Vec::as_slice),
    )
    .unwrap();
    let deviations = normalizer.deviations();
    // conv down, up, γ, β, then fc and fc2: downs share, ups share, conv's downs do not.
    assert_eq!(deviations.len(), 8);
    assert_eq!(
        (deviations[4], deviations[5]),
        (deviations[6], deviations[7])
    );
    assert_ne!(deviations[0], deviations[4]);
    let pool = flats.iter().flat_map(|f| [&f[70..76], &f[80..86]].concat());
    let (_, std) = moments(pool.collect::<Vec<_>>().into_iter());
    assert!((f64::from(deviations[4]) / std - 1.0).abs() < 1e-6);
    let mut normalized = flats.clone();
    for flat in &mut normalized {
        normalizer.normalize(flat).unwrap();
    }
    let pool = normalized
        .iter()
        .flat_map(|f| [&f[70..76], &f[80..86]].concat());
    assert_standard("downs", pool.collect::<Vec<_>>().into_iter());
    let json = serde_json::to_string(&normalizer).unwrap();
    assert!(json.contains("\"per_kind\""), "{json}");
    assert_eq!(
        serde_json::from_str::<Normalizer>(&json).unwrap(),
        normalizer
    );
}

#[test]
fn parts_are_normalised_like_the_whole() {
    for rule in [
        GroupingRule::Appended,
        GroupingRule::Concatenated,
        GroupingRule::Separate,
    ] {
        let layout = wide_layout(rule);
        let mut next = uniform(5);
        let flats: Vec<Vec<f32>> = (0..7)
            .map(|_| (0..layout.encoded_len()).map(|_| next()).collect())
            .collect();
        for kind in KINDS {
            let normalizer =
                Normalizer::fit(&layout, kind, flats.iter().map(Vec::as_slice)).unwrap();
            let mut whole = flats[0].clone();
            normalizer.normalize(&mut whole).unwrap();
            for size in [32, 7, 1] {
                for (i, part) in flats[0].chunks(size).enumerate() {
                    let mut part = part.to_vec();
                    normalizer.normalize_part(i * size, &mut part).unwrap();
                    let expected = &whole[i * size..i * size + part.len()];
                    assert_eq!(part, expected, "{rule:?} {kind:?} {size} {i}");
                }
            }
            for at in [layout.encoded_len(), usize::MAX] {
                assert!(matches!(
                    normalizer.normalize_part(at, &mut [0.0]),
                    Err(Error::NormalizerMismatch { .. })
                ));
            }
        }
    }
}

#[test]
fn fitting_incrementally_equals_fitting_at_once() {
    let collection = collection();
    for kind in KINDS {
        let mut one_by_one = NormalizerFit::new(&layout(), kind);
        for flat in &collection {
            one_by_one.add(flat).unwrap();
        }
        assert_eq!(one_by_one.finish().unwrap(), fit(kind, &collection));
    }
    let mut fit = NormalizerFit::new(&layout(), Normalization::Global);
    assert!(matches!(
        fit.add(&[0.0; 95]),
        Err(Error::BlockCount {
            expected: 96,
            found: 95,
            ..
        })
    ));
    assert!(matches!(fit.finish(), Err(Error::NoWeights)));
}

#[test]
fn a_normaliser_is_checked_without_copying() {
    let collection = collection();
    for kind in [Normalization::PerLayer, Normalization::Elementwise] {
        let normalizer = fit(kind, &collection);
        normalizer.check(&layout()).unwrap();
        let other = Layout::new("other", groups(), GroupingRule::Appended, 7).unwrap();
        let other = normalizer.check(&other);
        assert!(matches!(other, Err(Error::NormalizerMismatch { .. })));
        let text = serde_json::to_value(&normalizer).unwrap();
        let damaged = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut text = text.clone();
            change(&mut text);
            let normalizer: Normalizer = serde_json::from_value(text).unwrap();
            normalizer.check(&layout()).unwrap_err()
        };
        for error in [
            damaged(&|text| text["runs"][0]["len"] = u64::MAX.into()),
            damaged(&|text| text["runs"][0]["padding"] = u64::MAX.into()),
            damaged(&|text| text["runs"][0]["tensor"] = 1_000_000.into()),
            damaged(&|text| text["means"] = serde_json::json!([])),
            damaged(&|text| text["encoded_len"] = 1.into()),
        ] {
            assert!(matches!(error, Error::NormalizerMismatch { .. }), "{error}");
        }
        for error in [
            damaged(&|text| text["deviations"][0] = 0.0.into()),
            damaged(&|text| text["means"][0] = 1e300.into()),
        ] {
            assert!(matches!(error, Error::Layout(_)), "{error}");
        }
    }
}

#[test]
fn a_normaliser_of_another_order_or_padding_is_refused() {
    use GroupingRule::{Appended, Concatenated, Separate};
    // One block holds all values, so that rules differ in nothing but order and padding.
    let layout = |rule| Layout::new("any name", groups(), rule, 128).unwrap();
    for kind in KINDS {
        let fitted = |rule| {
            let layout = Layout::new("small", groups(), rule, 128).unwrap();
            Normalizer::fit(&layout, kind, [vec![0.5; layout.encoded_len()].as_slice()]).unwrap()
        };
        fitted(Concatenated).check(&layout(Concatenated)).unwrap();
        match fitted(Appended).check(&layout(Concatenated)) {
            Err(Error::NormalizerOrder { layout, rule }) => {
                assert_eq!((layout.as_str(), rule), ("any name", Concatenated));
            }
            other => panic!("{kind:?}: {other:?}"),
        }
        let error = fitted(Concatenated).check(&layout(Appended)).unwrap_err();
        assert!(error.to_string().contains("another order"), "{error}");
        // Six blocks under rule 3, and one of their size under rule 1: only the padding differs.
        let (six, one) = (
            Layout::new("six", groups(), Separate, 54).unwrap(),
            Layout::new("one", groups(), Appended, 6 * 54).unwrap(),
        );
        assert_eq!(six.encoded_len(), one.encoded_len());
        let flat = vec![0.5; six.encoded_len()];
        let separate = Normalizer::fit(&six, kind, [flat.as_slice()]).unwrap();
        let error = separate.check(&one).unwrap_err();
        assert!(matches!(error, Error::NormalizerOrder { .. }), "{error}");
    }
    // A layer without a pair of factors is the same under rules 1 and 2.
    let norms = || {
        let mut group = groups().remove(0);
        group.tensors.drain(..2);
        vec![group]
    };
    let [appended, concatenated] =
        [Appended, Concatenated].map(|rule| Layout::new("norms", norms(), rule, 32).unwrap());
    let flat = vec![0.5; appended.encoded_len()];
    let normalizer = Normalizer::fit(&appended, Normalization::PerLayer, [flat.as_slice()]);
    normalizer.unwrap().check(&concatenated).unwrap();
}

#[test]
fn digests_tell_normalisers_apart() {
    let mut other = collection();
    other[0][3] += 0.5;
    let mut digests = std::collections::BTreeSet::new();
    for kind in KINDS {
        let normalizer = fit(kind, &collection());
        assert_eq!(normalizer.digest(), fit(kind, &collection()).digest());
        assert!(digests.insert(normalizer.digest()), "{kind:?}");
        let changed = fit(kind, &other).digest();
        assert_eq!(changed == normalizer.digest(), kind == Normalization::None);
    }
}
