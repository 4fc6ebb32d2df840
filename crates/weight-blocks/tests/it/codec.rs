//! Layouts: exactness, what each error says, digests and JSON.

use crate::common::{bits, groups, layout, spec, weights};
use proptest::prelude::*;
use tensor_file::Error as FileError;
use weight_blocks::{
    Error, GroupingRule, HostTensor, LayerGroup, LayerKind, Layout, NamedTensors, Normalization,
    NormalizerFit, TensorRole, check_tensors,
};

const RULES: [GroupingRule; 3] = [
    GroupingRule::Appended,
    GroupingRule::Concatenated,
    GroupingRule::Separate,
];

/// Groups of tensors of dimensions.
type Shapes = Vec<Vec<Vec<usize>>>;

fn shapes() -> impl Strategy<Value = Shapes> {
    let shape = prop::collection::vec(1usize..=7, 1..=4);
    prop::collection::vec(prop::collection::vec(shape, 1..=4), 1..=8)
}

fn named(shapes: &Shapes) -> Vec<LayerGroup> {
    shapes
        .iter()
        .enumerate()
        .map(|(g, tensors)| LayerGroup {
            name: format!("layer{g}"),
            kind: LayerKind::Linear,
            tensors: tensors
                .iter()
                .enumerate()
                // Names whose order differs from the layout's.
                .map(|(t, shape)| {
                    let role = [TensorRole::Down, TensorRole::Up][t % 2];
                    spec(&format!("{}.{g}", 9 - t), shape, role)
                })
                .collect(),
        })
        .collect()
}

/// Any finite value: random bits, and the patterns that rounding or arithmetic would lose.
fn value(bits: u64) -> f32 {
    const SPECIAL: [u32; 6] = [
        0x8000_0000, // −0
        0x0000_0001, // the smallest subnormal
        0x807f_ffff, // the largest subnormal, negative
        0x0080_0000, // the smallest normal
        0x7f7f_ffff, // the largest
        0xff7f_ffff, // the lowest
    ];
    if bits.is_multiple_of(5) {
        return f32::from_bits(SPECIAL[(bits >> 8) as usize % SPECIAL.len()]);
    }
    let pattern = (bits >> 32) as u32;
    let value = f32::from_bits(pattern);
    if value.is_finite() {
        value
    } else {
        f32::from_bits(pattern & !0x4000_0000)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn encode_and_decode_lose_no_bit(
        shapes in shapes(),
        block_size in 1usize..=300,
        seed in any::<u64>(),
    ) {
        let groups = named(&shapes);
        let mut next = bits(seed);
        let mut expected = Vec::new();
        let mut weights = NamedTensors::new();
        for spec in groups.iter().flat_map(|g| &g.tensors) {
            let len = spec.shape.iter().product::<usize>();
            let data: Vec<f32> = (0..len).map(|_| value(next())).collect();
            expected.extend(data.iter().map(|v| v.to_bits()));
            weights.insert(spec.name.clone(), HostTensor::new(spec.shape.clone(), data).unwrap());
        }
        let values = expected.len();
        let layout = Layout::new("random", groups.clone(), GroupingRule::Appended, block_size).unwrap();
        prop_assert_eq!(layout.values(), values);
        let mut blocks = 0;
        while blocks * block_size < values {
            blocks += 1;
        }
        prop_assert_eq!(layout.blocks(), blocks);
        prop_assert_eq!(layout.encoded_len(), blocks * block_size);

        let encoded = layout.encode(&weights).unwrap();
        prop_assert_eq!(encoded.len(), blocks * block_size);
        for (i, v) in encoded.iter().enumerate() {
            // Padding is +0, to the bit.
            prop_assert_eq!(v.to_bits(), expected.get(i).copied().unwrap_or(0));
        }
        for rule in RULES {
            let layout = Layout::new("random", groups.clone(), rule, block_size).unwrap();
            let decoded = layout.decode(&layout.encode(&weights).unwrap()).unwrap();
            prop_assert_eq!(decoded.len(), weights.len());
            for (name, tensor) in &weights {
                prop_assert_eq!(&decoded[name].shape, &tensor.shape);
                for (a, b) in decoded[name].data.iter().zip(&tensor.data) {
                    prop_assert_eq!(a.to_bits(), b.to_bits());
                }
            }
        }
    }

    #[test]
    fn segments_hold_each_value_once(shapes in shapes(), block_size in 1usize..=300) {
        for rule in RULES {
            let layout = Layout::new("random", named(&shapes), rule, block_size).unwrap();
            let mut seen: Vec<Vec<u32>> = shapes
                .iter()
                .flatten()
                .map(|shape| vec![0; shape.iter().product()])
                .collect();
            let mut end = 0;
            for segment in layout.segments() {
                prop_assert!(segment.at >= end, "runs overlap");
                end = segment.at + segment.len;
                for i in 0..segment.len {
                    seen[segment.tensor][segment.start + i * segment.stride] += 1;
                }
            }
            prop_assert!(end <= layout.encoded_len());
            prop_assert!(seen.iter().flatten().all(|&count| count == 1));
        }
    }
}

#[test]
fn rule_1_appends_down_up_norm_layer_by_layer() {
    let mut weights = NamedTensors::new();
    for (i, t) in groups().iter().flat_map(|g| &g.tensors).enumerate() {
        let len = t.shape.iter().product();
        let data = vec![i as f32 + 1.0; len];
        weights.insert(
            t.name.clone(),
            HostTensor::new(t.shape.clone(), data).unwrap(),
        );
    }
    let mut expected = Vec::new();
    for (value, times) in [
        (1.0, 54),
        (2.0, 8),
        (3.0, 4),
        (4.0, 4),
        (5.0, 6),
        (6.0, 4),
        (0.0, 16),
    ] {
        expected.extend(vec![value; times]);
    }
    let layout = layout();
    assert_eq!(
        (layout.values(), layout.blocks(), layout.encoded_len()),
        (80, 3, 96)
    );
    assert_eq!(layout.encode(&weights).unwrap(), expected);
}

/// Weights numbered 1, 2, … in rule 1's order.
fn numbered() -> NamedTensors {
    let mut next = 0u16;
    groups()
        .iter()
        .flat_map(|group| &group.tensors)
        .map(|t| {
            let len = t.shape.iter().product();
            let data = (0..len)
                .map(|_| {
                    next += 1;
                    f32::from(next)
                })
                .collect();
            (
                t.name.clone(),
                HostTensor::new(t.shape.clone(), data).unwrap(),
            )
        })
        .collect()
}

fn encoded(rule: GroupingRule) -> Vec<u16> {
    let layout = Layout::new("small", groups(), rule, 32).unwrap();
    let values = layout.encode(&numbered()).unwrap();
    values.into_iter().map(|v| v as u16).collect()
}

#[test]
fn rule_2_puts_a_rank_s_row_and_column_together() {
    // conv: down 1..=54 [2, 27], up 55..=62 [4, 2], norm 63..=70; fc: down 71..=76, up 77..=80.
    let mut expected: Vec<u16> = (1..=27).collect();
    expected.extend([55, 57, 59, 61]);
    expected.extend(28..=54);
    expected.extend([56, 58, 60, 62]);
    expected.extend(63..=70);
    expected.extend([71, 72, 73, 77, 79, 74, 75, 76, 78, 80]);
    expected.resize(96, 0);
    assert_eq!(encoded(GroupingRule::Concatenated), expected);
}

#[test]
fn rule_3_begins_each_tensor_with_a_block() {
    let mut expected = Vec::new();
    for tensor in [1..=54, 55..=62, 63..=66, 67..=70, 71..=76, 77..=80u16] {
        expected.extend(tensor);
        expected.resize(expected.len().next_multiple_of(32), 0);
    }
    assert_eq!(expected.len(), 7 * 32);
    assert_eq!(encoded(GroupingRule::Separate), expected);
}

#[test]
fn rules_differ_in_digest_and_round_trip_through_json() {
    let layouts = RULES.map(|rule| Layout::new("small", groups(), rule, 32).unwrap());
    for (i, layout) in layouts.iter().enumerate() {
        let json = serde_json::to_string(layout).unwrap();
        assert_eq!(&serde_json::from_str::<Layout>(&json).unwrap(), layout);
        for other in &layouts[i + 1..] {
            assert_ne!(layout.digest(), other.digest());
        }
    }
}

#[test]
fn decoding_ignores_the_padding() {
    let layout = layout();
    let mut blocks = layout.encode(&weights(1)).unwrap();
    blocks[80..].fill(f32::NAN);
    assert_eq!(layout.decode(&blocks).unwrap(), weights(1));
}

fn layout_error(groups: Vec<LayerGroup>, block_size: usize) -> String {
    match Layout::new("x", groups, GroupingRule::Appended, block_size) {
        Err(Error::Layout(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn impossible_layouts_say_why() {
    let one = |shape: &[usize]| {
        vec![LayerGroup {
            name: "l".into(),
            kind: LayerKind::Conv,
            tensors: vec![spec("l.w", shape, TensorRole::Down)],
        }]
    };
    assert_eq!(layout_error(groups(), 0), "the block size is zero");
    let twice = [one(&[2]), one(&[3])].concat();
    assert_eq!(layout_error(twice, 4), "tensor `l.w` occurs twice");
    assert_eq!(layout_error(Vec::new(), 4), "0 values in blocks of 4");
    assert_eq!(layout_error(one(&[3, 0]), 4), "0 values in blocks of 4");
    // 2⁶³·2 wraps to 0 in 64 bits.
    let wraps = layout_error(one(&[1 << 63, 2]), 4);
    assert_eq!(
        wraps,
        "tensor `l.w` of shape [9223372036854775808, 2] is too large"
    );
    let many = (0..3)
        .map(|i| LayerGroup {
            name: format!("{i}"),
            kind: LayerKind::Conv,
            tensors: vec![spec(&format!("{i}"), &[1 << 33], TensorRole::Up)],
        })
        .collect();
    assert_eq!(layout_error(many, 4), "more than 17179869184 values");
    // A rank of 2³³ would be as many runs.
    let ranks = vec![LayerGroup {
        name: "l".into(),
        kind: LayerKind::Linear,
        tensors: vec![
            spec("l.a", &[1 << 32, 1], TensorRole::Down),
            spec("l.b", &[1, 1 << 32], TensorRole::Up),
        ],
    }];
    match Layout::new("x", ranks, GroupingRule::Concatenated, 4) {
        Err(Error::Layout(error)) => {
            let text = error.to_string();
            assert!(text.contains("too many runs"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(layout_error(one(&[2]), usize::MAX).contains("blocks of 18446744073709551615"));
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let layout = layout();
    let mut missing = weights(0);
    missing.remove("fc.lora_A.weight");
    let mut unexpected = weights(0);
    unexpected.insert(
        "fc.extra".into(),
        HostTensor::new(vec![1], vec![0.0]).unwrap(),
    );
    let mut shape = weights(0);
    // As many values, another shape.
    shape.get_mut("fc.lora_A.weight").unwrap().shape = vec![3, 2];
    let mut values = weights(0);
    values.get_mut("fc.lora_A.weight").unwrap().data.push(1.0);

    for check in [
        |w: &NamedTensors| check_tensors(&groups(), w),
        |w: &NamedTensors| layout_of_small().encode(w).map(drop),
    ] {
        match check(&missing) {
            Err(Error::MissingTensor { name }) => assert_eq!(name, "fc.lora_A.weight"),
            other => panic!("{other:?}"),
        }
        match check(&unexpected) {
            Err(Error::UnexpectedTensor { name }) => assert_eq!(name, "fc.extra"),
            other => panic!("{other:?}"),
        }
        match check(&shape) {
            Err(Error::ShapeMismatch {
                name,
                expected,
                found,
            }) => {
                assert_eq!(
                    (name.as_str(), expected, found),
                    ("fc.lora_A.weight", vec![2, 3], vec![3, 2])
                );
            }
            other => panic!("{other:?}"),
        }
        match check(&values) {
            Err(Error::File(FileError::ValueCount { shape, values })) => {
                assert_eq!((shape, values), (vec![2, 3], 7))
            }
            other => panic!("{other:?}"),
        }
        check(&weights(0)).unwrap();
    }
    for wrong in [95, 97, 80, 0] {
        match layout.decode(&vec![0.0; wrong]) {
            Err(Error::BlockCount {
                expected,
                blocks,
                block_size,
                found,
            }) => {
                assert_eq!((expected, blocks, block_size, found), (96, 3, 32, wrong));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn layout_of_small() -> Layout {
    layout()
}

#[test]
fn host_tensors_must_fill_their_shape() {
    assert!(HostTensor::new(vec![2, 3], vec![0.0; 6]).is_ok());
    assert!(HostTensor::new(vec![], vec![0.0]).is_ok());
    for (shape, values) in [(vec![2, 3], 5), (vec![0], 1), (vec![1 << 32, 1 << 32], 0)] {
        match HostTensor::new(shape.clone(), vec![0.0; values]) {
            Err(FileError::ValueCount {
                shape: s,
                values: v,
            }) => assert_eq!((s, v), (shape, values)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_digest_depends_on_all_but_the_models_name() {
    let digest = |groups, size| {
        Layout::new("a", groups, GroupingRule::Appended, size)
            .unwrap()
            .digest()
    };
    let reference = digest(groups(), 32);
    assert_eq!(reference.len(), 64);
    let renamed = Layout::new("another", groups(), GroupingRule::Appended, 32).unwrap();
    assert_eq!(renamed.digest(), reference);

    let mut seen = vec![reference, digest(groups(), 33)];
    let edits: [fn(&mut Vec<LayerGroup>); 8] = [
        |g| g[0].name = "conv2".into(),
        |g| g[0].kind = LayerKind::ConvTranspose,
        |g| g[0].tensors[0].name = "conv.lora_A.bias".into(),
        |g| g[0].tensors[0].shape = vec![3, 2, 3, 3],
        |g| g[0].tensors[2].role = TensorRole::NormBias,
        |g| g[0].tensors.swap(0, 1),
        |g| g.swap(0, 1),
        // The same tensors in the same order, another layer's.
        |g| {
            let moved = g[1].tensors.remove(0);
            g[0].tensors.push(moved);
        },
    ];
    for edit in edits {
        let mut groups = groups();
        edit(&mut groups);
        seen.push(digest(groups, 32));
    }
    let different: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(different.len(), 10);
}

#[test]
fn layouts_round_trip_through_json_and_invalid_ones_are_refused() {
    let json = serde_json::to_string(&layout()).unwrap();
    let back: Layout = serde_json::from_str(&json).unwrap();
    assert_eq!(back, layout());
    assert_eq!(back.digest(), layout().digest());
    assert_eq!(back.values(), 80);

    let edit = |from: &str, to: &str| {
        assert!(json.contains(from), "{json}");
        serde_json::from_str::<Layout>(&json.replace(from, to))
            .unwrap_err()
            .to_string()
    };
    let zero = edit("\"block_size\":32", "\"block_size\":0");
    assert!(zero.contains("the block size is zero"), "{zero}");
    let twice = edit("fc.lora_A.weight", "fc.lora_B.weight");
    assert!(twice.contains("occurs twice"), "{twice}");
    let rule = edit("\"appended\"", "\"scattered\"");
    assert!(rule.contains("scattered"), "{rule}");
    let field = edit("\"block_size\":32", "\"block_size\":32,\"padding\":1");
    assert!(field.contains("padding"), "{field}");
}

#[test]
fn layouts_store_their_version() {
    let layout = layout();
    assert_eq!(layout.version(), 1);
    let mut json = serde_json::to_value(&layout).unwrap();
    assert_eq!(json["version"], 1);
    // Files of before the field was there.
    json.as_object_mut().unwrap().remove("version");
    let old: Layout = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(old, layout);
    assert_eq!(old.digest(), layout.digest());
    json["version"] = 2.into();
    let error = serde_json::from_value::<Layout>(json).unwrap_err();
    assert!(error.to_string().contains("layout version 2"), "{error}");
}

#[test]
fn sizes_out_of_proportion_are_refused_before_anything_is_allocated() {
    // A few numbers of a manifest: one block of gigabytes for seven values, and half a million runs.
    let groups = |shape: &[usize]| {
        vec![LayerGroup {
            name: "l".into(),
            kind: LayerKind::Linear,
            tensors: vec![spec("l.a", shape, TensorRole::Bias)],
        }]
    };
    match Layout::new("x", groups(&[7]), GroupingRule::Appended, 1 << 33) {
        Err(Error::Layout(error)) => {
            let text = error.to_string();
            assert!(text.contains("too much padding"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    // Small blocks that are mostly padding are still a layout.
    assert!(Layout::new("x", groups(&[7]), GroupingRule::Appended, 1 << 12).is_ok());

    // A fit of a layout of 2^33 values asks for nothing before it gets weights; it would be 200 GB.
    let large = Layout::new("x", groups(&[1 << 33]), GroupingRule::Appended, 256).unwrap();
    let mut fit = NormalizerFit::new(&large, Normalization::Elementwise);
    assert!(matches!(
        fit.add(&[0.0; 256]),
        Err(Error::BlockCount { .. })
    ));
}
