//! Burn modules as weight spaces.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, PaddingConfig2d,
};
use burn::tensor::{Distribution, Tensor};
use weight_blocks::module::{Place, by_layer, module_shapes};
use weight_blocks::{
    Error, GroupingRule, HostTensor, LayerKind, Layout, ModuleSpace, NamedTensors, TensorRole,
    WeightSpace, load_named, module_to_named,
};

#[derive(Module, Debug)]
struct Factors {
    down: Param<Tensor<2>>,
    up: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Adapted {
    linear: Linear,
    lora: Factors,
}

#[derive(Module, Debug)]
struct Net {
    stem: Conv2d,
    stem_norm: BatchNorm,
    words: Embedding,
    layers: Vec<Adapted>,
    up: ConvTranspose2d,
    out_norm: LayerNorm,
    scale: Param<Tensor<1>>,
}

fn random<const D: usize>(shape: [usize; D]) -> Param<Tensor<D>> {
    let normal = Distribution::Normal(0.0, 1.0);
    Param::from_tensor(Tensor::random(shape, normal, &test_device::device()))
}

fn net() -> Net {
    let device = test_device::device();
    let adapted = || Adapted {
        linear: LinearConfig::new(4, 3).with_bias(false).init(&device),
        lora: Factors {
            down: random([2, 4]),
            up: random([3, 2]),
        },
    };
    Net {
        stem: Conv2dConfig::new([2, 3], [3, 3])
            .with_padding(PaddingConfig2d::Same)
            .init(&device),
        stem_norm: BatchNormConfig::new(3).init(&device),
        words: EmbeddingConfig::new(5, 2).init(&device),
        layers: vec![adapted(), adapted()],
        up: ConvTranspose2dConfig::new([3, 2], [2, 2]).init(&device),
        out_norm: LayerNormConfig::new(2).init(&device),
        scale: random([1]),
    }
}

#[test]
fn shapes_are_those_of_the_named_tensors() {
    let named = module_to_named(&net()).unwrap();
    let expected: Vec<_> = (named.into_iter().map(|(name, t)| (name, t.shape))).collect();
    assert!(
        expected
            .iter()
            .any(|(name, _)| name == "stem_norm.running_mean")
    );
    let mut shapes = module_shapes(&net());
    shapes.sort();
    assert_eq!(shapes, expected);
}

/// Name, kind, and the tensors' names and roles.
type Group<Name> = (Name, LayerKind, Vec<(Name, TensorRole)>);

fn described(space: &ModuleSpace<Net>) -> Vec<Group<String>> {
    let groups = space.layer_groups().into_iter();
    groups
        .map(|group| {
            let tensors = group.tensors.into_iter().map(|t| (t.name, t.role));
            (group.name, group.kind, tensors.collect())
        })
        .collect()
}

#[test]
fn layers_become_groups_in_the_order_of_the_fields() {
    use TensorRole::{Bias, Down, NormBias, NormWeight, Up, Weight};
    let space = ModuleSpace::new(net()).unwrap();
    let expected: Vec<Group<&str>> = vec![
        (
            "stem",
            LayerKind::Conv,
            vec![("stem.weight", Weight), ("stem.bias", Bias)],
        ),
        (
            "stem_norm",
            LayerKind::Norm,
            vec![
                ("stem_norm.weight", NormWeight),
                ("stem_norm.bias", NormBias),
            ],
        ),
        (
            "words",
            LayerKind::Embedding,
            vec![("words.weight", Weight)],
        ),
        (
            "layers.0.linear",
            LayerKind::Linear,
            vec![("layers.0.linear.weight", Weight)],
        ),
        (
            "layers.0",
            LayerKind::Other,
            vec![
                ("layers.0.lora_A.weight", Down),
                ("layers.0.lora_B.weight", Up),
            ],
        ),
        (
            "layers.1.linear",
            LayerKind::Linear,
            vec![("layers.1.linear.weight", Weight)],
        ),
        (
            "layers.1",
            LayerKind::Other,
            vec![
                ("layers.1.lora_A.weight", Down),
                ("layers.1.lora_B.weight", Up),
            ],
        ),
        (
            "up",
            LayerKind::ConvTranspose,
            vec![("up.weight", Weight), ("up.bias", Bias)],
        ),
        (
            "out_norm",
            LayerKind::Norm,
            vec![("out_norm.weight", NormWeight), ("out_norm.bias", NormBias)],
        ),
        ("scale", LayerKind::Other, vec![("scale", Weight)]),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(name, kind, tensors)| {
            let tensors = tensors.into_iter().map(|(n, r)| (n.to_owned(), r));
            (name.to_owned(), kind, tensors.collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(described(&space), expected);
}

#[test]
fn weights_go_through_blocks_and_back() {
    let first = ModuleSpace::new(net()).unwrap();
    let mut second = ModuleSpace::new(net()).unwrap();
    let statistics = |space: &ModuleSpace<Net>| {
        module_to_named(space.module()).unwrap()["stem_norm.running_mean"].clone()
    };
    let before = statistics(&second);
    for rule in [
        GroupingRule::Appended,
        GroupingRule::Concatenated,
        GroupingRule::Separate,
    ] {
        let layout = Layout::new("net", first.layer_groups(), rule, 16).unwrap();
        let weights = first.read_weights().unwrap();
        assert!(!weights.contains_key("stem_norm.running_mean"));
        let blocks = layout.encode(&weights).unwrap();
        second
            .load_weights(&layout.decode(&blocks).unwrap())
            .unwrap();
        assert_eq!(second.read_weights().unwrap(), weights);
    }
    assert_eq!(statistics(&second), before);
    assert_eq!(
        module_to_named(&second.into_module()).unwrap()["scale"],
        module_to_named(first.module()).unwrap()["scale"]
    );
}

#[test]
fn a_rule_chooses_groups_kinds_and_roles() {
    // LoRA factors alone, both layers in one group.
    let space = ModuleSpace::with_rule(net(), |tensor| {
        let place = by_layer(tensor)?;
        matches!(place.role, TensorRole::Down | TensorRole::Up).then(|| Place {
            group: "adapters".into(),
            kind: LayerKind::Linear,
            ..place
        })
    })
    .unwrap();
    let groups = space.layer_groups();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].kind, LayerKind::Linear);
    let names: Vec<&str> = groups[0].tensors.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "layers.0.lora_A.weight",
            "layers.1.lora_A.weight",
            "layers.0.lora_B.weight",
            "layers.1.lora_B.weight"
        ]
    );
}

#[derive(Module, Debug)]
struct Twice {
    gamma: Param<Tensor<1>>,
    weight: Param<Tensor<1>>,
}

#[test]
fn modules_without_tensors_or_with_equal_names_are_refused() {
    let error = ModuleSpace::with_rule(net(), |_| None).unwrap_err();
    assert!(matches!(error, Error::Layout(_)), "{error}");
    let twice = Twice {
        gamma: random([1]),
        weight: random([1]),
    };
    let error = ModuleSpace::new(twice).unwrap_err();
    assert!(error.to_string().contains("`weight`"), "{error}");

    let mut space = ModuleSpace::new(net()).unwrap();
    let good = space.read_weights().unwrap();
    let mut short = good.clone();
    short.remove("scale");
    let mut other = good.clone();
    other.insert(
        "scale".into(),
        HostTensor::new(vec![2], vec![1.0, 2.0]).unwrap(),
    );
    let mut more = good.clone();
    more.insert("extra".into(), HostTensor::new(vec![1], vec![1.0]).unwrap());
    for (weights, expected) in [(&short, "missing"), (&other, "shape"), (&more, "not one")] {
        let error = space.load_weights(weights).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(space.read_weights().unwrap(), good);
}

#[test]
fn unknown_names_are_found_beside_a_name_that_occurs_twice() {
    let twice = || Twice {
        gamma: random([1]),
        weight: random([1]),
    };
    let one = || HostTensor::new(vec![1], vec![1.0]).unwrap();
    let mut weights = NamedTensors::from([("weight".to_owned(), one())]);
    load_named(twice(), &weights).unwrap();
    weights.insert("wieght".into(), one());
    match load_named(twice(), &weights) {
        Err(Error::UnexpectedTensor { name }) => assert_eq!(name, "wieght"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_last_dimensions_may_be_split() {
    const DOWN: &str = "layers.0.lora_A.weight"; // [2, 4]
    let load = |shape: &[usize]| {
        let data = (0..8).map(|v| v as f32).collect();
        let tensor = HostTensor::new(shape.to_vec(), data).unwrap();
        load_named(net(), &NamedTensors::from([(DOWN.to_owned(), tensor)]))
    };
    let plain = module_to_named(&load(&[2, 4]).unwrap()).unwrap()[DOWN].clone();
    assert_eq!(plain.data, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    for shape in [&[2, 2, 2][..], &[2, 1, 2, 2], &[2, 4, 1, 1]] {
        let loaded = module_to_named(&load(shape).unwrap()).unwrap();
        assert_eq!(loaded[DOWN], plain, "{shape:?}");
    }
    for shape in [&[4, 2][..], &[8], &[8, 1], &[1, 2, 4], &[4, 2, 1]] {
        match load(shape) {
            Err(Error::ShapeMismatch {
                name,
                expected,
                found,
            }) => {
                assert_eq!((name.as_str(), expected), (DOWN, vec![2, 4]));
                assert_eq!(found, shape);
            }
            other => panic!("{shape:?}: {:?}", other.map(drop)),
        }
    }
    // Values that do not fill their shape.
    let tensor = HostTensor {
        shape: vec![2, 4],
        data: vec![0.0; 7],
    };
    let weights = NamedTensors::from([(DOWN.to_owned(), tensor)]);
    let error = load_named(net(), &weights).map(drop).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
}
