//! Names and shapes of the adapter, what loading refuses, and what trains.

use crate::common::{
    ADAPTED, Forward, PRETRAINING, changed, context, is_lora, is_norm, small, small_paper, tensor,
    trained,
};
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use encoded_text::TextCondition;
use lora_gan::{GeneratorConfig, HybridGenerator, LoraConfig, Pass, l1_loss};
use weight_blocks::{
    Error, GroupingRule, LayerKind, Layout, NamedTensors, TensorRole, WeightSpace, load_named,
    module_to_named,
};

#[test]
fn names_and_shapes_are_pefts() {
    let generator =
        HybridGenerator::new(&GeneratorConfig::compact(), 0, &test_device::device()).unwrap();
    let adapter = generator.read_weights().unwrap();
    for (name, shape) in [
        ("stem.lora_A.weight", vec![2, 3, 3, 3]),
        ("stem.lora_B.weight", vec![16, 2, 1, 1]),
        ("stem.norm.weight", vec![16]),
        ("stem.norm.bias", vec![16]),
        ("down1.lora_A.weight", vec![2, 16, 3, 3]),
        ("down1.lora_B.weight", vec![32, 2, 1, 1]),
        ("res2.conv1.lora_A.weight", vec![2, 64, 3, 3]),
        ("res3.conv2.norm.bias", vec![64]),
        // A transposed convolution 64 → 32.
        ("up2.lora_A.weight", vec![2, 64, 4, 4]),
        ("up2.lora_B.weight", vec![32, 2, 1, 1]),
        ("up2.norm.weight", vec![32]),
        ("transformer.attn1.to_q.lora_A.weight", vec![2, 64]),
        ("transformer.attn2.to_k.lora_A.weight", vec![2, 128]),
        ("transformer.attn2.to_k.lora_B.weight", vec![64, 2]),
        ("transformer.ff_in.lora_B.weight", vec![512, 2]),
        ("transformer.ff_out.lora_A.weight", vec![2, 256]),
        ("transformer.norm3.weight", vec![64]),
        ("head.lora_B.weight", vec![3, 2, 1, 1]),
    ] {
        assert_eq!(adapter[name].shape, shape, "{name}");
    }
    assert!(!adapter.contains_key("head.norm.weight"));
    // 24 layers with two factors, 13 batch norms and 3 layer norms with two vectors.
    assert_eq!(adapter.len(), 24 * 2 + 16 * 2);
    assert!(adapter.keys().all(|name| is_lora(name) || is_norm(name)));
}

#[test]
fn the_compact_layout_has_85_blocks() {
    let generator =
        HybridGenerator::new(&GeneratorConfig::compact(), 0, &test_device::device()).unwrap();
    let layout = Layout::new(
        "compact",
        generator.layer_groups(),
        GroupingRule::Appended,
        256,
    )
    .unwrap();
    assert_eq!((layout.values(), layout.blocks()), (21_564, 85));
    let adapter = generator.read_weights().unwrap();
    let blocks = layout.encode(&adapter).unwrap();
    assert_eq!(layout.decode(&blocks).unwrap(), adapter);
}

#[test]
fn groups_are_layers_in_forward_order() {
    let generator = HybridGenerator::new(&small(), 0, &test_device::device()).unwrap();
    let groups = generator.layer_groups();
    let names: Vec<&str> = groups.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "stem",
            "down1",
            "down2",
            "res1.conv1",
            "res1.conv2",
            "res2.conv1",
            "res2.conv2",
            "down3",
            "transformer.attn1.to_q",
            "transformer.attn1.to_k",
            "transformer.attn1.to_v",
            "transformer.attn1.to_out",
            "transformer.attn2.to_q",
            "transformer.attn2.to_k",
            "transformer.attn2.to_v",
            "transformer.attn2.to_out",
            "transformer.ff_in",
            "transformer.ff_out",
            "up3",
            "res3.conv1",
            "res3.conv2",
            "up2",
            "up1",
            "head",
        ]
    );
    let kinds = |kind| groups.iter().filter(|g| g.kind == kind).count();
    assert_eq!(kinds(LayerKind::Conv), 11);
    assert_eq!(kinds(LayerKind::ConvTranspose), 3);
    assert_eq!(kinds(LayerKind::Attention), 8);
    assert_eq!(kinds(LayerKind::Linear), 2);
    // Rule 1: down, up, then the norms that follow; down3 is followed by two.
    let roles: Vec<TensorRole> = groups[7].tensors.iter().map(|t| t.role).collect();
    use TensorRole::{Down, NormBias, NormWeight, Up};
    assert_eq!(
        roles,
        [Down, Up, NormWeight, NormBias, NormWeight, NormBias]
    );
    assert_eq!(groups[7].tensors[4].name, "transformer.norm1.weight");
    assert_eq!(groups[11].tensors[2].name, "transformer.norm2.weight");
}

#[test]
fn what_is_read_can_be_loaded_into_another_generator() {
    let device = test_device::device();
    let source = trained(&small(), 1, &device);
    let adapter = source.read_weights().unwrap();
    let mut target = HybridGenerator::new(&small(), 2, &device).unwrap();
    let before = module_to_named(&target).unwrap();
    target.load_weights(&adapter).unwrap();
    assert_eq!(target.read_weights().unwrap(), adapter);
    let moved = changed(&before, &module_to_named(&target).unwrap());
    // `down` starts from the same seed in both; everything else of the adapter moved, no base weight.
    assert_eq!(moved.len(), 24 + 32);
    assert!(moved.iter().all(|name| is_lora(name) || is_norm(name)));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let device = test_device::device();
    let mut generator = trained(&small(), 3, &device);
    let before = module_to_named(&generator).unwrap();
    let fits = HybridGenerator::new(&small(), 0, &device)
        .unwrap()
        .read_weights()
        .unwrap();
    let edited = |edit: fn(&mut NamedTensors)| {
        let mut weights = fits.clone();
        edit(&mut weights);
        weights
    };
    let of = |config: GeneratorConfig| {
        HybridGenerator::new(&config, 0, &device)
            .unwrap()
            .read_weights()
            .unwrap()
    };
    let missing = edited(|w| drop(w.remove("up1.lora_B.weight")));
    let extra = edited(|w| {
        let tensor = w["up1.lora_B.weight"].clone();
        w.insert("up9.lora_B.weight".into(), tensor);
    });
    let base = edited(|w| {
        let tensor = w["stem.norm.bias"].clone();
        w.insert("stem.bias".into(), tensor);
    });
    let flat = edited(|w| {
        let tensor = w.get_mut("stem.lora_A.weight").unwrap();
        tensor.shape = vec![2, 27];
    });
    let short = edited(|w| w.get_mut("head.lora_A.weight").unwrap().data.truncate(71));
    let other_rank = of(GeneratorConfig {
        lora: LoraConfig::rank(3),
        ..small()
    });
    let other_width = of(GeneratorConfig {
        widths: [4, 6, 12],
        ..small()
    });
    for (weights, name) in [
        (missing, "up1.lora_B.weight"),
        (extra, "up9.lora_B.weight"),
        // The frozen base cannot be slipped in with an adapter.
        (base, "stem.bias"),
        (flat, "stem.lora_A.weight"),
        (other_rank, "stem.lora_A.weight"),
        (other_width, "down2.lora_B.weight"),
        (NamedTensors::new(), "stem.lora_A.weight"),
        (short, "[2, 4, 3, 3] cannot hold 71 values"),
    ] {
        let error = generator.load_weights(&weights).unwrap_err();
        assert!(error.to_string().contains(name), "{name}: {error}");
        let after = module_to_named(&generator).unwrap();
        assert_eq!(changed(&before, &after), Vec::<String>::new(), "{name}");
    }
    generator.load_weights(&fits).unwrap();
}

/// One Adam step with L1 on two photos; gives the tensors before and after.
fn step(
    generator: &HybridGenerator,
    text: Option<&TextCondition>,
    (forward, pass): Forward,
    device: &Device,
) -> (NamedTensors, NamedTensors, HybridGenerator) {
    let before = module_to_named(generator).unwrap();
    let photo = tensor::<4>([2, 3, 16, 16], 30, device);
    let target = tensor::<4>([2, 3, 16, 16], 31, device);
    let loss = l1_loss(forward(generator, photo, text, pass).unwrap(), target);
    let grads = GradientsParams::from_grads(loss.backward(), generator);
    let stepped = AdamConfig::new()
        .init()
        .step(1e-2, generator.clone(), grads);
    (before, module_to_named(&stepped).unwrap(), stepped)
}

#[test]
fn train_adapter_trains_every_adapter_tensor_and_nothing_else() {
    let device = test_device::device().autodiff();
    // Without text there is one zero token in `small_paper`, to which attn2 adds nothing: so text.
    for config in [small(), small_paper()] {
        let text = context(config.context_width, 32, &device);
        let generator = trained(&config, 4, &test_device::device())
            .train()
            .train_adapter();
        let (before, after, _) = step(&generator, Some(&text), ADAPTED, &device);
        let moved = changed(&before, &after);
        let adapter: Vec<String> = generator.read_weights().unwrap().into_keys().collect();
        assert_eq!(adapter.len(), 80);
        assert_eq!(moved, adapter);
    }
}

#[test]
fn from_a_zero_start_the_first_step_moves_up_and_the_norms() {
    let device = test_device::device().autodiff();
    let fresh = HybridGenerator::new(&small(), 5, &test_device::device()).unwrap();
    let generator = fresh.train().train_adapter();
    let (before, after, stepped) = step(&generator, None, ADAPTED, &device);
    let moved = changed(&before, &after);
    assert!(
        !moved.iter().any(|name| name.contains("lora_A")),
        "{moved:?}"
    );
    assert_eq!(
        moved.iter().filter(|name| name.contains("lora_B")).count(),
        24
    );
    assert_eq!(moved.iter().filter(|name| is_norm(name)).count(), 32);
    assert_eq!(moved.len(), 56);
    // From there on `down` has a gradient as well.
    let (before, after, _) = step(&stepped, None, ADAPTED, &device);
    assert_eq!(changed(&before, &after).len(), 80);
}

#[test]
fn train_base_leaves_lora_alone() {
    let device = test_device::device().autodiff();
    let fresh = trained(&small(), 6, &test_device::device());
    // Also after the adapter was trained, which freezes the base.
    let once = fresh.clone().train().train_base();
    let again = fresh.train().train_adapter().train_base();
    for generator in [once, again] {
        let (before, after, stepped) = step(&generator, None, PRETRAINING, &device);
        let moved = changed(&before, &after);
        assert!(!moved.iter().any(|name| is_lora(name)), "{moved:?}");
        // A bias before a batch norm has no effect, so no gradient but rounding; without a text the
        // null tokens train.
        for name in before.keys().filter(|name| !is_lora(name)) {
            let idle = name.ends_with(".bias")
                && before.contains_key(&name.replace(".bias", ".norm.bias"));
            assert!(idle || moved.contains(name), "{name}");
        }
        assert!(moved.contains(&"head.bias".to_owned()));
        assert!(moved.contains(&"null_context".to_owned()));
        // The running statistics stay buffers that can be passed on.
        let (_, _, _) = step(&stepped.train_base(), None, PRETRAINING, &device);
    }
}

#[test]
fn reading_a_training_network_sees_its_last_batch() {
    let device = test_device::device().autodiff();
    let generator = HybridGenerator::new(&small(), 7, &test_device::device())
        .unwrap()
        .train()
        .train_base();
    let before = module_to_named(&generator).unwrap();
    let photo = tensor([2, 3, 16, 16], 33, &device);
    let pass = Pass::Train { seed: 0 };
    generator.forward_base(photo, None, pass).unwrap();
    let after = module_to_named(&generator).unwrap();
    let moved = changed(&before, &after);
    assert_eq!(moved.len(), 26, "{moved:?}");
    assert!(moved.iter().all(|name| name.contains("running_")));
    assert_eq!(after, module_to_named(&generator.valid()).unwrap());
}

#[test]
fn a_training_network_keeps_what_is_loaded_trainable() {
    let device = test_device::device().autodiff();
    let mut generator = trained(&small(), 8, &test_device::device())
        .train()
        .train_adapter();
    let adapter = trained(&small(), 9, &test_device::device())
        .read_weights()
        .unwrap();
    generator.load_weights(&adapter).unwrap();
    let (before, after, _) = step(&generator, None, ADAPTED, &device);
    assert_eq!(changed(&before, &after).len(), 80);
}

#[test]
fn named_tensors_of_a_module_load_by_name() {
    let device = test_device::device();
    let source = trained(&small(), 10, &device);
    let named = module_to_named(&source).unwrap();
    assert_eq!(named["stem.weight"].shape, [4, 3, 3, 3]);
    assert_eq!(named["stem.norm.running_mean"].shape, [4]);
    let fresh = || HybridGenerator::new(&small(), 11, &device).unwrap();
    let copy = load_named(fresh(), &named).unwrap();
    assert_eq!(module_to_named(&copy).unwrap(), named);
    // A part is enough, and leaves the rest.
    let part = NamedTensors::from([("head.bias".to_owned(), named["head.bias"].clone())]);
    let partly = module_to_named(&load_named(fresh(), &part).unwrap()).unwrap();
    let untouched = module_to_named(&fresh()).unwrap();
    assert_eq!(changed(&untouched, &partly), ["head.bias"]);

    let mut unknown = part.clone();
    unknown.insert("tail.bias".into(), named["head.bias"].clone());
    match load_named(fresh(), &unknown) {
        Err(Error::UnexpectedTensor { name }) => assert_eq!(name, "tail.bias"),
        other => panic!("{:?}", other.map(drop)),
    }
    let wrong = NamedTensors::from([("head.bias".to_owned(), named["stem.bias"].clone())]);
    match load_named(fresh(), &wrong) {
        Err(Error::ShapeMismatch {
            name,
            expected,
            found,
        }) => {
            assert_eq!(
                (name.as_str(), expected, found),
                ("head.bias", vec![3], vec![4])
            );
        }
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn frozen_tensors_get_no_gradient() {
    let device = test_device::device().autodiff();
    let generator = trained(&small(), 12, &test_device::device())
        .train()
        .train_adapter();
    let photo: Tensor<4> = tensor([1, 3, 16, 16], 34, &device);
    let loss = generator
        .forward(photo, None, Pass::Eval)
        .unwrap()
        .square()
        .mean();
    let grads = loss.backward();
    assert!(generator.stem.weight.val().grad(&grads).is_none());
    let lora = generator.stem.lora.as_ref().unwrap();
    assert!(lora.down.val().grad(&grads).is_some());
    assert!(lora.up.val().grad(&grads).is_some());
}
