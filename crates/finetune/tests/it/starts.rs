//! The starts: zero, mean, nearest, random.

use std::collections::BTreeMap;

use finetune::{Error, Initializer, Nearest, Random, Zero, ZooMean};
use weight_blocks::{
    Checkpoint, ConceptRecord, GroupingRule, HostTensor, LayerGroup, LayerKind, Layout,
    NamedTensors, TensorRole, TensorSpec, WeightSpace, Zoo,
};

const WIDE: usize = 4000;

fn layout() -> Layout {
    let spec = |name: &str, len: usize| TensorSpec {
        name: name.into(),
        shape: vec![len],
        role: TensorRole::NormBias,
    };
    let group = LayerGroup {
        name: "l".into(),
        kind: LayerKind::Linear,
        tensors: vec![spec("wide", WIDE), spec("narrow", 3)],
    };
    Layout::new("test", vec![group], GroupingRule::Appended, 16).unwrap()
}

fn weights(wide: f32, narrow: [f32; 3]) -> NamedTensors {
    BTreeMap::from([
        (
            "wide".to_owned(),
            HostTensor::new(vec![WIDE], vec![wide; WIDE]).unwrap(),
        ),
        (
            "narrow".to_owned(),
            HostTensor::new(vec![3], narrow.to_vec()).unwrap(),
        ),
    ])
}

fn add(zoo: &mut Zoo, concept: &str, weights: &[NamedTensors]) {
    let checkpoints = (1..=weights.len())
        .map(|epoch| Checkpoint {
            epoch,
            metrics: BTreeMap::new(),
        })
        .collect();
    let record = ConceptRecord {
        concept: concept.into(),
        prompt: format!("{concept} prompt"),
        seed: 0,
        recipe: serde_json::Value::Null,
        checkpoints,
    };
    zoo.append(&record, weights).unwrap();
}

/// fog with one checkpoint, ink with two.
fn zoo(dir: &std::path::Path) -> Zoo {
    let mut zoo = Zoo::create(dir, &layout(), "base").unwrap();
    add(&mut zoo, "fog", &[weights(1.0, [0.0, 1.0, 2.0])]);
    add(
        &mut zoo,
        "ink",
        &[
            weights(2.0, [3.0, 4.0, 5.0]),
            weights(6.0, [6.0, 7.0, 14.0]),
        ],
    );
    zoo
}

#[test]
fn zero_is_the_base_as_it_is() {
    let initial = crate::common::base(&crate::common::tiny())
        .read_weights()
        .unwrap();
    let zero = Zero::new(initial.clone());
    assert_eq!(zero.name(), "zero");
    let start = zero.start("anything").unwrap();
    assert_eq!(start.weights, initial);
    assert_eq!(start.origin, None);
    let ups = initial.iter().filter(|(name, _)| name.contains("lora_B"));
    assert!(ups.flat_map(|(_, t)| &t.data).all(|&v| v == 0.0));
}

#[test]
fn the_mean_is_over_all_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mean = ZooMean::from_zoo(&zoo(dir.path())).unwrap();
    assert_eq!(mean.name(), "mean");
    let start = mean.start("anything").unwrap();
    assert_eq!(start.weights, weights(3.0, [3.0, 4.0, 7.0]));
    assert_eq!(start.origin, None);
}

#[test]
fn nearest_takes_the_last_checkpoint_of_the_largest_dot_product() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path());
    let embed = |prompt: &str| -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match prompt {
            "fog prompt" => vec![1.0, 0.0],
            "ink prompt" => vec![0.0, 2.0],
            "haze" => vec![1.0, 0.2],
            // Nearer to fog by angle, but 0.7 against 1.2 by product.
            "drizzle" => vec![0.7, 0.6],
            "etching" => vec![-1.0, 0.1],
            _ => return Err("unknown word".into()),
        })
    };
    let nearest = Nearest::from_zoo(&zoo, embed).unwrap();
    assert_eq!(nearest.name(), "nearest");
    for (prompt, origin, expected) in [
        ("haze", "fog", weights(1.0, [0.0, 1.0, 2.0])),
        ("drizzle", "ink", weights(6.0, [6.0, 7.0, 14.0])),
        ("etching", "ink", weights(6.0, [6.0, 7.0, 14.0])),
    ] {
        let start = nearest.start(prompt).unwrap();
        assert_eq!(start.origin.as_deref(), Some(origin), "{prompt}");
        assert_eq!(start.weights, expected, "{prompt}");
    }
    match nearest.start("xyzzy") {
        Err(error @ Error::Initializer { .. }) => {
            assert_eq!(error.to_string(), "initialiser `nearest`: unknown word");
        }
        other => panic!("{other:?}"),
    }
    let error = Nearest::from_zoo(&zoo, |_| Err("no encoder".into()))
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, Error::Initializer { .. }), "{error}");
}

#[test]
fn random_has_the_zoos_mean_and_spread() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path());
    let start = |seed| {
        Random::from_zoo(&zoo, seed)
            .unwrap()
            .start("anything")
            .unwrap()
            .weights
    };
    let random = Random::from_zoo(&zoo, 1).unwrap();
    assert_eq!(random.name(), "random");
    let weights = random.start("anything").unwrap().weights;
    // 1, 2 and 6 around 3: a variance of (4 + 1 + 9)/3, a deviation of 2.160.
    let wide = &weights["wide"].data;
    let n = wide.len() as f64;
    let mean = wide.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let deviation = (wide
        .iter()
        .map(|v| (f64::from(*v) - mean).powi(2))
        .sum::<f64>()
        / n)
        .sqrt();
    assert!((mean - 3.0).abs() < 0.15, "{mean}");
    assert!((deviation - 2.160).abs() < 0.1, "{deviation}");
    // Values differ from one another, and each tensor has its own centre.
    assert!(wide[0] != wide[1]);
    assert_eq!(weights["narrow"].shape, [3]);
    assert_eq!(start(1), weights);
    assert_ne!(start(2), weights);
}

#[test]
fn a_zoo_without_spread_gives_its_mean() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = Zoo::create(dir.path(), &layout(), "base").unwrap();
    add(&mut zoo, "fog", &[weights(1.5, [0.0, 1.0, 2.0])]);
    let start = Random::from_zoo(&zoo, 9).unwrap().start("x").unwrap();
    assert_eq!(start.weights, weights(1.5, [0.0, 1.0, 2.0]));
}

#[test]
fn an_empty_zoo_is_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = Zoo::create(dir.path(), &layout(), "base").unwrap();
    for error in [
        ZooMean::from_zoo(&zoo).map(drop).unwrap_err(),
        Random::from_zoo(&zoo, 0).map(drop).unwrap_err(),
        Nearest::from_zoo(&zoo, |_| Ok(vec![1.0]))
            .map(drop)
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::EmptyZoo), "{error}");
    }
}

#[test]
fn a_damaged_shard_is_named_whichever_start_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path());
    let shard = dir.path().join("concepts/ink.safetensors");
    std::fs::write(&shard, b"gone").unwrap();
    for error in [
        ZooMean::from_zoo(&zoo).map(drop).unwrap_err(),
        Random::from_zoo(&zoo, 0).map(drop).unwrap_err(),
    ] {
        assert!(error.to_string().contains("ink.safetensors"), "{error}");
    }
}
