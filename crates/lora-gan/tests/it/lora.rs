//! Layers, ranks, dropout, merging and switching of LoRA, and the noise z.

use crate::common::{
    ADAPTED, PRETRAINING, bits, changed, context, distance, is_lora, small, small_paper, tensor,
    trained, values,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use encoded_text::{EncodedPrompt, TextCondition};
use lora_gan::{
    AdapterSet, Error, GeneratorConfig, HybridGenerator, LayerSet, LoraConfig, NoiseInput, Pass,
    RankRule, l1_loss,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_blocks::{WeightSpace, module_to_named};

fn with(lora: LoraConfig) -> GeneratorConfig {
    GeneratorConfig { lora, ..small() }
}

#[test]
fn layers_left_out_are_frozen_whole() {
    let device = test_device::device();
    let e2gan = with(LoraConfig {
        layers: LayerSet::AllButResBlocks,
        ..LoraConfig::rank(2)
    });
    let generator = trained(&e2gan, 1, &device);
    let adapter = generator.read_weights().unwrap();
    assert_eq!(generator.layer_groups().len(), 18);
    assert!(!adapter.keys().any(|name| name.starts_with("res")));
    assert_eq!(adapter.len(), 18 * 2 + 10 * 2);

    // Exactly these train.
    let training = generator.train().train_adapter();
    let autodiff = test_device::device().autodiff();
    let photo = tensor::<4>([2, 3, 16, 16], 2, &autodiff);
    let out = training.forward(photo.clone(), None, Pass::Eval).unwrap();
    let mut gradients = l1_loss(out, photo * 0.5).backward();
    let moved = training.adapter_gradients(&mut gradients).unwrap();
    assert_eq!(
        moved.keys().collect::<Vec<_>>(),
        adapter.keys().collect::<Vec<_>>()
    );
    for (name, gradient) in &moved {
        assert!(gradient.data.iter().any(|v| *v != 0.0), "{name}");
    }
    let rest = weight_blocks::module::gradients_to_named(&training, &mut gradients).unwrap();
    assert_eq!(rest.keys().collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn ranks_and_scales_by_rule_and_by_name() {
    let config = with(LoraConfig {
        rank: RankRule::Share { share: 0.5 },
        alpha: Some(4.0),
        ranks: [("transformer.attn2".into(), 3)].into(),
        alphas: [("up2".into(), 6.0)].into(),
        ..LoraConfig::rank(1)
    });
    let generator = HybridGenerator::new(&config, 0, &test_device::device()).unwrap();
    let pair = |lora: &Option<lora_gan::layers::LoraPair>| {
        let pair = lora.as_ref().unwrap();
        (pair.up.dims()[1], pair.scale)
    };
    // Halves of min(in, out): 3 and 4, 6 and 8, and so on; the head has three channels.
    assert_eq!(pair(&generator.stem.lora), (2, 2.0));
    assert_eq!(pair(&generator.up2.lora), (3, 2.0));
    assert_eq!(pair(&generator.res1.conv1.lora), (4, 1.0));
    let attention = &generator.transformer.attn2;
    assert_eq!(pair(&attention.to_k.lora), (3, 4.0 / 3.0));
    let rslora = LoraConfig {
        use_rslora: true,
        ..config.lora
    };
    let generator = generator.with_lora(&rslora, 0).unwrap();
    assert_eq!(pair(&generator.res1.conv1.lora), (4, 2.0));
}

#[test]
fn impossible_layers_and_ranks_are_refused() {
    let error = |lora: LoraConfig| {
        HybridGenerator::new(&with(lora), 0, &test_device::device())
            .map(drop)
            .unwrap_err()
    };
    let ranks = |name: &str, rank| LoraConfig {
        ranks: [(name.to_owned(), rank)].into(),
        ..LoraConfig::rank(2)
    };
    match error(ranks("transformer.attn3.to_q", 2)) {
        Error::UnknownLayer { name, closest } => {
            assert_eq!(name, "transformer.attn3.to_q");
            assert_eq!(closest, "transformer.attn1.to_q");
        }
        other => panic!("{other}"),
    }
    match error(ranks("head", 4)) {
        Error::RankTooLarge { layer, rank, limit } => {
            assert_eq!((layer.as_str(), rank, limit), ("head", 4, 3));
        }
        other => panic!("{other}"),
    }
    let zero = error(ranks("head", 0)).to_string();
    assert!(zero.contains("rank 0 for `head`"), "{zero}");
    let named = error(LoraConfig {
        layers: LayerSet::Named(vec!["stem".into(), "tail".into()]),
        ..LoraConfig::rank(2)
    });
    assert!(named.to_string().contains("`tail`"), "{named}");
}

#[test]
fn the_initial_lora_of_compact_stays() {
    // The zoo's adapters and the weight generator start from these values: one stream of draws in
    // the order in which the first release made its layers.
    let generator =
        HybridGenerator::new(&GeneratorConfig::compact(), 9, &test_device::device()).unwrap();
    let adapter = generator.read_weights().unwrap();
    let res = ["res1", "res2", "res3"].map(|r| ["conv1", "conv2"].map(|c| format!("{r}.{c}")));
    let attention = ["attn1", "attn2"]
        .map(|a| ["to_q", "to_k", "to_v", "to_out"].map(|part| format!("transformer.{a}.{part}")));
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let order = [
        names(&["stem", "down1", "down2"]),
        res.concat(),
        names(&["down3", "up3", "up2", "up1", "head"]),
        attention.concat(),
        names(&["transformer.ff_in", "transformer.ff_out"]),
    ]
    .concat();
    assert_eq!(order.len(), 24);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for layer in order {
        let down = &adapter[&format!("{layer}.lora_A.weight")];
        let bound = 1.0 / ((down.data.len() / 2) as f32).sqrt();
        let drawn: Vec<f32> = (down.data.iter())
            .map(|_| rng.random_range(-bound..bound))
            .collect();
        assert_eq!(down.data, drawn, "{layer}");
        let up = &adapter[&format!("{layer}.lora_B.weight")];
        assert!(up.data.iter().all(|v| *v == 0.0));
    }
}

#[test]
fn merging_is_exact_enough_and_unmerging_is_exact() {
    let device = test_device::device();
    for config in [small(), small_paper()] {
        let generator = trained(&config, 3, &device);
        let photo = tensor([2, 3, 16, 16], 4, &device);
        let run = |g: &HybridGenerator| g.forward(photo.clone(), None, Pass::Eval).unwrap();
        let merged = generator.clone().merge();
        assert!(distance(run(merged.network()), run(&generator)) < 1e-5);
        let named = |g: &HybridGenerator| module_to_named(g).unwrap();
        // All 24 kernels move; all 24 pairs go.
        let mut before = named(&generator);
        assert_eq!(before.keys().filter(|n| n.contains("lora_B")).count(), 24);
        before.retain(|name, _| !is_lora(name));
        let moved = changed(&before, &named(merged.network()));
        assert_eq!(moved.len(), 24, "{moved:?}");
        assert_eq!(merged.network().summary().adapter(), 0);
        let back = merged.unmerge();
        assert_eq!(
            changed(&named(&generator), &named(&back)),
            Vec::<String>::new()
        );
        assert_eq!(bits(run(&back)), bits(run(&generator)));
    }
}

/// Identities of the parameters outside LoRA pairs.
#[derive(Default)]
struct Ids(Vec<String>, Vec<String>);

impl ModuleVisitor for Ids {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.1.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.1.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.1.iter().any(|part| part == "lora") {
            self.0.push(format!("{} {:?}", self.1.join("."), param.id));
        }
    }
}

fn base_ids(generator: &HybridGenerator) -> Vec<String> {
    let mut ids = Ids::default();
    generator.visit(&mut ids);
    ids.0
}

#[test]
fn adapters_switch_on_one_base() {
    let device = test_device::device();
    let base = trained(&small(), 5, &device);
    let mut set = AdapterSet::new(base.clone());
    let adapter = |seed| trained(&small(), seed, &device).read_weights().unwrap();
    set.insert("a", &adapter(6), None).unwrap();
    set.insert("b", &adapter(7), None).unwrap();
    let photo = tensor([2, 3, 16, 16], 8, &device);
    let run = |set: &AdapterSet| {
        bits(
            set.network()
                .forward(photo.clone(), None, Pass::Eval)
                .unwrap(),
        )
    };
    let plain = run(&set);
    let of = |set: &mut AdapterSet, name: &str| {
        set.activate(name).unwrap();
        assert_eq!(set.active(), Some(name));
        run(set)
    };
    let (a, b) = (of(&mut set, "a"), of(&mut set, "b"));
    assert_ne!(a, b);
    assert_ne!(a, plain);
    assert_eq!(of(&mut set, "a"), a);
    assert_eq!(base_ids(set.network()), base_ids(&base));
    set.disable();
    assert_eq!((run(&set), set.active()), (plain, None));
    // As loading the adapter into the base.
    let mut alone = base;
    alone.load_weights(&adapter(7)).unwrap();
    assert_eq!(
        b,
        bits(alone.forward(photo.clone(), None, Pass::Eval).unwrap())
    );

    // Another configuration on the same base.
    let lora = LoraConfig {
        layers: LayerSet::AllButResBlocks,
        ..LoraConfig::rank(3)
    };
    let other = trained(&with(lora.clone()), 9, &device)
        .read_weights()
        .unwrap();
    assert!(set.insert("c", &other, None).is_err());
    set.insert_with("c", &lora, &other, None).unwrap();
    assert_ne!(of(&mut set, "c"), a);
    assert_eq!(set.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    set.remove("c").unwrap();
    assert_eq!(set.active(), None);
    for error in [set.activate("c"), set.remove("c")] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains("`c`") && text.contains("a, b"), "{text}");
    }
    let mut nan = adapter(6);
    nan.get_mut("up1.lora_A.weight").unwrap().data[5] = f32::NAN;
    let error = set.insert("nan", &nan, None).unwrap_err().to_string();
    assert!(
        error.contains("`up1.lora_A.weight` holds NaN at position 5"),
        "{error}"
    );
}

#[test]
fn every_adapter_of_a_set_reads_its_own_prompt() {
    let device = test_device::device();
    let base = trained(&small(), 5, &device);
    let width = small().context_width;
    let prompt = |len, seed| {
        let tokens = values(tensor::<2>([len, width], seed, &device));
        EncodedPrompt::new(tokens, len)
    };
    let (fog, ink) = (prompt(2, 1), prompt(3, 2));
    let photo = tensor([2, 3, 16, 16], 8, &device);
    let edit = |network: &HybridGenerator, text: Option<&EncodedPrompt>| {
        let text = text.map(|text| TextCondition::from_host(&[text], width, &device).unwrap());
        let edited = network.forward(photo.clone(), text.as_ref(), Pass::Eval);
        bits(edited.unwrap())
    };
    let adapted = trained(&small(), 6, &device).read_weights().unwrap();
    let lora = LoraConfig::rank(3);
    let wider = trained(&with(lora.clone()), 7, &device);
    let wider = wider.read_weights().unwrap();
    let mut set = AdapterSet::new(base.clone());
    let plain = edit(set.network(), None);
    set.insert("fog", &adapted, Some(&fog)).unwrap();
    set.insert("ink", &adapted, Some(&ink)).unwrap();
    set.insert("none", &adapted, None).unwrap();
    set.insert_with("wider", &lora, &wider, Some(&fog)).unwrap();

    let mut alone = base.clone();
    alone.load_weights(&adapted).unwrap();
    let mut alone_wider = base.with_lora(&lora, 0).unwrap();
    alone_wider.load_weights(&wider).unwrap();
    assert_ne!(edit(&alone, Some(&fog)), edit(&alone, Some(&ink)));
    for (name, network, text) in [
        ("fog", &alone, Some(&fog)),
        ("ink", &alone, Some(&ink)),
        ("none", &alone, None),
        ("wider", &alone_wider, Some(&fog)),
        ("fog", &alone, Some(&fog)),
    ] {
        set.activate(name).unwrap();
        assert_eq!(edit(set.network(), None), edit(network, text), "{name}");
    }
    set.disable();
    assert_eq!(edit(set.network(), None), plain);

    let narrow = EncodedPrompt::new(vec![0.0; 2], 2);
    let error = set.insert("narrow", &adapted, Some(&narrow)).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    assert_eq!(set.names().count(), 4);
}

#[cfg(target_os = "linux")]
#[test]
fn adapters_do_not_copy_the_base() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
        let kb = line.split_whitespace().nth(1).unwrap();
        kb.parse::<usize>().unwrap() / 1024
    };
    let base = HybridGenerator::new(&GeneratorConfig::paper(), 0, &test_device::device()).unwrap();
    let adapter = base.read_weights().unwrap();
    let mut set = AdapterSet::new(base);
    set.insert("first", &adapter, None).unwrap();
    let before = resident();
    for i in 0..20 {
        set.insert(&format!("adapter {i}"), &adapter, None).unwrap();
    }
    // 20 bases would be 540 MiB, 20 adapters are 18.
    let grown = resident().saturating_sub(before);
    assert!(grown < 150, "{grown} MiB");
}

#[test]
fn dropout_is_loras_in_training_alone() {
    let device = test_device::device();
    let autodiff = test_device::device().autodiff();
    let config = GeneratorConfig {
        lora: LoraConfig {
            dropout: 0.5,
            ..small_paper().lora
        },
        ..small_paper()
    };
    let generator = trained(&config, 10, &device);
    let text = context(5, 11, &device);
    let photo = tensor([2, 3, 16, 16], 12, &device);
    let deterministic = generator
        .forward(photo.clone(), Some(&text), Pass::Eval)
        .unwrap();
    // Not in training: merged, noise or not.
    let still = generator
        .forward(photo, Some(&text), Pass::Train { seed: 1 })
        .unwrap();
    assert_eq!(bits(still), bits(deterministic.clone()));

    let training = generator.clone().train().train_adapter();
    let text = context(5, 11, &autodiff);
    let photo = tensor::<4>([2, 3, 16, 16], 12, &autodiff);
    let run = |g: &HybridGenerator, seed| {
        g.forward(photo.clone(), Some(&text), Pass::Train { seed })
            .unwrap()
    };
    assert_eq!(bits(run(&training, 1)), bits(run(&training, 1)));
    assert_ne!(bits(run(&training, 1)), bits(run(&training, 2)));
    assert!(distance(run(&training, 1).inner(), deterministic.clone()) > 1e-3);
    let still = training
        .forward(photo.clone(), Some(&text), Pass::Eval)
        .unwrap();
    assert!(distance(still.inner(), deterministic.clone()) < 1e-6);

    // The branch on its own equals the merged one: so small a share drops nothing here.
    let rare = LoraConfig {
        dropout: 1e-9,
        ..config.lora.clone()
    };
    let mut apart = generator.clone().with_lora(&rare, 0).unwrap();
    apart
        .load_weights(&generator.read_weights().unwrap())
        .unwrap();
    let apart = apart.train().train_adapter();
    assert!(distance(run(&apart, 1).inner(), deterministic.clone()) < 1e-5);
    // Its gradients too.
    let gradients = |out: Tensor<4>, g: &HybridGenerator| {
        g.adapter_gradients(&mut out.square().mean().backward())
            .unwrap()
    };
    let ours = gradients(run(&apart, 1), &apart);
    let merged = training
        .forward(photo.clone(), Some(&text), Pass::Eval)
        .unwrap();
    for (name, theirs) in gradients(merged, &training) {
        let found = &ours[&name].data;
        // `f32::max` passes NaN over.
        assert!(theirs.data.iter().chain(found).all(|v| v.is_finite()));
        let largest = theirs.data.iter().fold(0f32, |m, v| m.max(v.abs()));
        let apart = (theirs.data.iter().zip(found)).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0f32, f32::max) <= 1e-4 * largest, "{name}");
    }
    // With an adapter of zero there is nothing to drop.
    let zero = HybridGenerator::new(&config, 13, &device).unwrap();
    let plain = zero
        .forward(photo.clone().inner(), None, Pass::Eval)
        .unwrap();
    let zero = zero.train().train_adapter();
    let dropped = zero.forward(photo, None, Pass::Train { seed: 1 }).unwrap();
    assert!(distance(dropped.inner(), plain) < 1e-5);
}

#[test]
fn the_noise_z_is_dropout_or_a_channel() {
    let device = test_device::device();
    let photo = tensor::<4>([2, 3, 16, 16], 14, &device);
    for noise in [NoiseInput::Dropout { p: 0.5 }, NoiseInput::Channel] {
        let config = GeneratorConfig { noise, ..small() };
        let generator = trained(&config, 15, &device);
        for (forward, _) in [ADAPTED, PRETRAINING] {
            let run = |pass| forward(&generator, photo.clone(), None, pass).unwrap();
            let still = || bits(run(Pass::Eval));
            let run = |seed| run(Pass::Train { seed });
            assert_eq!(bits(run(1)), bits(run(1)));
            assert!(distance(run(1), run(2)) > 1e-3, "{noise:?}");
            assert_eq!(still(), still());
        }
        let inputs = generator.stem.weight.dims()[1];
        assert_eq!(inputs, if noise == NoiseInput::Channel { 4 } else { 3 });
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<GeneratorConfig>(&text).unwrap(),
            config
        );
    }
    // Without z noise changes nothing.
    let plain = trained(&small(), 15, &device);
    let noisy = plain
        .forward(photo.clone(), None, Pass::Train { seed: 1 })
        .unwrap();
    assert_eq!(
        bits(noisy),
        bits(plain.forward(photo, None, Pass::Eval).unwrap())
    );
    let config = GeneratorConfig {
        noise: NoiseInput::Dropout { p: 1.0 },
        ..small()
    };
    let error = config.validate().unwrap_err().to_string();
    assert!(error.contains("`noise`") && error.contains('1'), "{error}");
}

#[test]
fn wrong_inputs_are_refused_with_their_shapes() {
    let device = test_device::device();
    let generator = trained(&small(), 16, &device);
    let photo = |shape| tensor::<4>(shape, 17, &device);
    let run = |shape, text: Option<&TextCondition>| {
        let base = generator.forward_base(photo(shape), text, Pass::Eval);
        let adapted = generator.forward(photo(shape), text, Pass::Eval);
        assert_eq!(base.is_err(), adapted.is_err());
        adapted
    };
    run([2, 3, 16, 16], None).unwrap();
    run([1, 3, 24, 16], None).unwrap();
    for shape in [
        [1, 1, 16, 16],
        [1, 4, 16, 16],
        [0, 3, 16, 16],
        [1, 3, 17, 16],
        [1, 3, 16, 12],
        [1, 3, 8, 8],
    ] {
        let error = run(shape, None).map(drop).unwrap_err().to_string();
        assert!(
            error.contains(&format!("photo of shape {shape:?}")),
            "{error}"
        );
        assert!(error.contains("[B, 3, 16, 16]"), "{error}");
    }
    let mut narrow = context(4, 18, &device);
    let error = run([2, 3, 16, 16], Some(&narrow)).map(drop).unwrap_err();
    assert!(
        error.to_string().contains("tokens of shape [2, 2, 4]"),
        "{error}"
    );
    narrow = context(5, 18, &device);
    let error = run([3, 3, 16, 16], Some(&narrow)).map(drop).unwrap_err();
    assert!(error.to_string().contains("[1 or 3, L, 5]"), "{error}");
    narrow.mask = narrow.mask.slice([0..2, 0..1]);
    let error = run([2, 3, 16, 16], Some(&narrow)).map(drop).unwrap_err();
    assert!(
        error.to_string().contains("mask of shape [2, 1]"),
        "{error}"
    );
}

#[test]
fn the_summary_counts_what_there_is() {
    let generator =
        HybridGenerator::new(&GeneratorConfig::paper(), 0, &test_device::device()).unwrap();
    let summary = generator.summary();
    assert_eq!(summary.weights(), 7_059_971);
    assert_eq!(summary.adapter(), 227_259);
    assert_eq!(summary.null_values, 3_072);
    let layer = |name: &str| summary.layers.iter().find(|l| l.name == name).unwrap();
    assert_eq!(layer("down3").output, "[B, 256, 32, 32]");
    // 3·3·256·256 + 256, its batch norm, and the layer norm before the attention.
    assert_eq!(layer("down3").weights, 590_080 + 512 + 512);
    assert_eq!(layer("transformer.attn1.to_q").output, "[B, 1024, 256]");
    assert_eq!(layer("transformer.attn2.to_k").output, "[B, L, 256]");
    assert_eq!(layer("head").output, "[B, 3, 256, 256]");
    assert_eq!(
        (layer("head").rank, layer("head").lora),
        (Some(3), 3 * (64 * 49 + 3))
    );
    let adapter = generator.read_weights().unwrap();
    let values: usize = adapter.values().map(|t| t.data.len()).sum();
    assert_eq!(values, summary.adapter());
    let table = summary.to_string();
    assert_eq!(table.lines().count(), 1 + 1 + 24 + 1 + 3);
    assert!(table.contains("7,059,971") && table.contains("227,259"));
    assert!(table.contains("values of the null tokens         3,072"));

    let e2gan = LoraConfig {
        layers: LayerSet::AllButResBlocks,
        ..LoraConfig::rank(6)
    };
    let summary = generator.with_lora(&e2gan, 0).unwrap().summary();
    assert_eq!(summary.weights(), 7_059_971);
    let layer = |name: &str| summary.layers.iter().find(|l| l.name == name).unwrap();
    assert_eq!(
        (layer("res1.conv1").rank, layer("res1.conv1").norms),
        (None, 0)
    );
    assert_eq!(summary.adapter(), 227_259 - 6 * (6 * 2560 + 512));
}
