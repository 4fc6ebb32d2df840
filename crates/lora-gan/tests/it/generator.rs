//! The generator against a second implementation that keeps LoRA, norms and convolutions apart.

use crate::common::{
    ADAPTED, bits, context, distance, is_lora, small, small_paper, tensor, trained, uniform, values,
};
use burn::module::Module;
use burn::tensor::activation::{gelu, relu, softmax, tanh};
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use encoded_text::TextCondition;
use lora_gan::{Error, GeneratorConfig, HybridGenerator, LoraConfig, Pass, RankRule};
use weight_blocks::{HostTensor, NamedTensors, WeightSpace, module_to_named};

/// The network layer by layer from its named tensors, as figure and papers draw it. With LoRA,
/// every adapted layer is the base's plus `up(down(x))`, two layers of their own.
struct Reference {
    weights: NamedTensors,
    config: GeneratorConfig,
    lora: bool,
    device: Device,
}

impl Reference {
    fn new(generator: &HybridGenerator, config: &GeneratorConfig, lora: bool) -> Self {
        Self {
            weights: module_to_named(generator).unwrap(),
            config: config.clone(),
            lora,
            device: test_device::device(),
        }
    }

    fn get<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        let data = self.weights[name].data.clone();
        Tensor::from_data(TensorData::new(data, shape), &self.device)
    }

    fn vector(&self, name: &str) -> Tensor<1> {
        self.get(name, [self.weights[name].data.len()])
    }

    fn rank(&self) -> usize {
        match self.config.lora.rank {
            RankRule::Uniform(rank) => rank,
            RankRule::Share { .. } => panic!("not used here"),
        }
    }

    fn scale(&self) -> f64 {
        self.config.lora.alpha.unwrap() / self.rank() as f64
    }

    /// Convolution, LoRA's two convolutions, batch norm on the running statistics.
    fn conv(&self, name: &str, x: Tensor<4>, stride: usize) -> Tensor<4> {
        let shape = &self.weights[&format!("{name}.weight")].shape;
        let [f, c, k, _] = shape.as_slice() else {
            panic!("{shape:?}")
        };
        let (f, c, k) = (*f, *c, *k);
        let pad = (k - 1) / 2;
        let reflect = self.config.reflect_padding && ["stem", "head"].contains(&name);
        let (x, pad) = if reflect {
            (x.pad((pad, pad, pad, pad), PadMode::Reflect), 0)
        } else {
            (x, pad)
        };
        let options = || ConvOptions::new([stride; 2], [pad; 2], [1, 1], 1);
        let weight = self.get(&format!("{name}.weight"), [f, c, k, k]);
        let bias = self.vector(&format!("{name}.bias"));
        let mut y = conv2d(x.clone(), weight, Some(bias), options());
        if self.lora {
            let r = self.rank();
            let down = self.get(&format!("{name}.lora_A.weight"), [r, c, k, k]);
            let up = self.get(&format!("{name}.lora_B.weight"), [f, r, 1, 1]);
            let inner = conv2d(x, down, None, options());
            let update = conv2d(inner, up, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1));
            y = y + update * self.scale();
        }
        self.norm(name, y)
    }

    /// The same for a transposed convolution: LoRA's `down` is one too, c → r.
    fn conv_transpose(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let shape = &self.weights[&format!("{name}.weight")].shape;
        let [c, f, k, _] = shape.as_slice() else {
            panic!("{shape:?}")
        };
        let (c, f, k) = (*c, *f, *k);
        // Twice the size: 2·(H − 1) − 2 + k + output padding.
        let out = if k == 3 { [1, 1] } else { [0, 0] };
        let options = || ConvTransposeOptions::new([2, 2], [1, 1], out, [1, 1], 1);
        let weight = self.get(&format!("{name}.weight"), [c, f, k, k]);
        let bias = self.vector(&format!("{name}.bias"));
        let mut y = conv_transpose2d(x.clone(), weight, Some(bias), options());
        if self.lora {
            let r = self.rank();
            let down = self.get(&format!("{name}.lora_A.weight"), [r, c, k, k]);
            let up = self.get(&format!("{name}.lora_B.weight"), [f, r, 1, 1]);
            let inner = conv_transpose2d(x, down.swap_dims(0, 1), None, options());
            let update = conv2d(inner, up, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1));
            y = y + update * self.scale();
        }
        self.norm(name, y)
    }

    fn norm(&self, name: &str, y: Tensor<4>) -> Tensor<4> {
        if !self.weights.contains_key(&format!("{name}.norm.weight")) {
            return y;
        }
        let channel = |part: &str| {
            let v = self.vector(&format!("{name}.norm.{part}"));
            let n = v.dims()[0];
            v.reshape([1, n, 1, 1])
        };
        let deviation = (channel("running_var") + 1e-5).sqrt();
        (y - channel("running_mean")) / deviation * channel("weight") + channel("bias")
    }

    fn linear(&self, name: &str, x: Tensor<3>) -> Tensor<3> {
        let shape = &self.weights[&format!("{name}.weight")].shape;
        let (out, input) = (shape[0], shape[1]);
        let weight = self.get(&format!("{name}.weight"), [out, input]);
        let mut y = x.clone().matmul(weight.transpose().unsqueeze());
        if self.weights.contains_key(&format!("{name}.bias")) {
            y = y + self.vector(&format!("{name}.bias")).unsqueeze();
        }
        if self.lora {
            let r = self.rank();
            let down = self.get(&format!("{name}.lora_A.weight"), [r, input]);
            let up = self.get(&format!("{name}.lora_B.weight"), [out, r]);
            let inner = x.matmul(down.transpose().unsqueeze());
            y = y + inner.matmul(up.transpose().unsqueeze()) * self.scale();
        }
        y
    }

    fn layer_norm(&self, name: &str, x: Tensor<3>) -> Tensor<3> {
        let mean = x.clone().mean_dim(2);
        let centred = x - mean;
        let variance = centred.clone().square().mean_dim(2);
        let weight = self
            .vector(&format!("transformer.{name}.weight"))
            .unsqueeze();
        let bias = self.vector(&format!("transformer.{name}.bias")).unsqueeze();
        centred / (variance + 1e-5).sqrt() * weight + bias
    }

    /// One head at a time, over the first `keys` tokens of each sample.
    fn attention(&self, name: &str, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let name = format!("transformer.{name}");
        let width = x.dims()[2];
        let head = width / self.config.heads;
        let q = self.linear(&format!("{name}.to_q"), x);
        let k = self.linear(&format!("{name}.to_k"), context.clone());
        let v = self.linear(&format!("{name}.to_v"), context);
        let heads = (0..self.config.heads)
            .map(|h| {
                let part = |t: &Tensor<3>| t.clone().narrow(2, h * head, head);
                let scores = part(&q).matmul(part(&k).swap_dims(1, 2)) / (head as f64).sqrt();
                softmax(scores, 2).matmul(part(&v))
            })
            .collect();
        self.linear(&format!("{name}.to_out"), Tensor::cat(heads, 2))
    }

    fn residual(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.conv(&format!("{name}.conv1"), x.clone(), 1));
        x + self.conv(&format!("{name}.conv2"), y, 1)
    }

    fn transformer(&self, x: Tensor<4>, context: Tensor<3>) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let mut x = x.reshape([b, c, h * w]).swap_dims(1, 2);
        let y = self.layer_norm("norm1", x.clone());
        x = x + self.attention("attn1", y.clone(), y);
        let y = self.layer_norm("norm2", x.clone());
        x = x + self.attention("attn2", y, context);
        let y = self.linear("transformer.ff_in", self.layer_norm("norm3", x.clone()));
        let value = y.clone().narrow(2, 0, 4 * c);
        let gate = y.narrow(2, 4 * c, 4 * c);
        x = x + self.linear("transformer.ff_out", value * gelu(gate));
        x.swap_dims(1, 2).reshape([b, c, h, w])
    }

    fn forward(&self, photo: Tensor<4>, context: Option<Tensor<3>>) -> Tensor<4> {
        let batch = photo.dims()[0];
        let width = self.config.context_width;
        let context = context.unwrap_or_else(|| match self.config.null_tokens {
            0 => Tensor::zeros([batch, 1, width], &self.device),
            n => self.get("null_context", [1, n, width]).repeat_dim(0, batch),
        });
        let x = relu(self.conv("stem", photo, 1));
        let x = relu(self.conv("down1", x, 2));
        let x = relu(self.conv("down2", x, 2));
        let x = self.residual("res1", x);
        let x = self.residual("res2", x);
        let y = relu(self.conv("down3", x.clone(), 2));
        let y = self.transformer(y, context);
        let y = relu(self.conv_transpose("up3", y));
        let x = if self.config.bottleneck_skip {
            x + y
        } else {
            y
        };
        let x = self.residual("res3", x);
        let x = relu(self.conv_transpose("up2", x));
        let x = relu(self.conv_transpose("up1", x));
        tanh(self.conv("head", x, 1))
    }
}

#[test]
fn the_network_equals_the_layer_by_layer_reference() {
    let device = test_device::device();
    for (config, seed) in [(small(), 1), (small_paper(), 2)] {
        let generator = trained(&config, seed, &device);
        let photo = tensor([2, 3, 16, 16], 3, &device);
        let text = context(config.context_width, 4, &device);
        let adapted = Reference::new(&generator, &config, true);
        let base = Reference::new(&generator, &config, false);
        for text in [None, Some(&text)] {
            let tokens = text.map(|t| t.tokens.clone());
            let ours = generator.forward(photo.clone(), text, Pass::Eval).unwrap();
            let theirs = adapted.forward(photo.clone(), tokens.clone());
            assert!(distance(ours.clone(), theirs) < 1e-5);
            let plain = generator
                .forward_base(photo.clone(), text, Pass::Eval)
                .unwrap();
            let theirs = base.forward(photo.clone(), tokens);
            assert!(distance(plain.clone(), theirs) < 1e-5);
            // The adapter is no detail here, or the comparison would say nothing of it.
            assert!(distance(ours, plain) > 1e-2);
        }
    }
}

#[test]
fn a_zero_adapter_is_the_base() {
    let device = test_device::device();
    for config in [small(), small_paper(), GeneratorConfig::compact()] {
        let generator = HybridGenerator::new(&config, 5, &device).unwrap().valid();
        let photo = tensor([2, 3, config.image_size, config.image_size], 6, &device);
        let adapted = generator.forward(photo.clone(), None, Pass::Eval).unwrap();
        let base = generator.forward_base(photo, None, Pass::Eval).unwrap();
        assert!(distance(adapted, base.clone()) < 1e-5);
        // The output is a picture and not a constant.
        let values = values(base);
        let spread = values
            .iter()
            .fold(0f32, |m, v| m.max((v - values[0]).abs()));
        assert!(spread > 0.1, "{spread}");
    }
}

#[test]
fn a_merged_adapter_gives_the_same_outputs_at_every_layer() {
    let device = test_device::device();
    for (config, seed) in [(small(), 7), (small_paper(), 8)] {
        let generator = trained(&config, seed, &device);
        let photo = tensor([2, 3, 16, 16], 9, &device);
        let text = context(config.context_width, 10, &device);
        let run = |g: &HybridGenerator| g.forward(photo.clone(), Some(&text), Pass::Eval).unwrap();
        let merged = generator.clone().merge_adapter();
        assert!(distance(run(&generator), run(&merged)) < 1e-5);
        // No pair is left, so nothing of it is computed.
        assert!(!module_to_named(&merged).unwrap().keys().any(|n| is_lora(n)));
        assert_eq!(merged.read_weights().unwrap(), NamedTensors::new());
        // Merged into the base, so the base alone has it too.
        let base = merged
            .forward_base(photo.clone(), Some(&text), Pass::Eval)
            .unwrap();
        assert!(distance(run(&generator), base) < 1e-5);

        // One layer at a time, so that no layer hides behind another.
        let adapter = generator.read_weights().unwrap();
        let alone = |layer: &str| {
            let mut weights = adapter.clone();
            for (name, tensor) in &mut weights {
                if name.contains("lora_B") && !name.starts_with(&format!("{layer}.lora_B")) {
                    tensor.data.fill(0.0);
                }
            }
            let mut one = generator.clone();
            one.load_weights(&weights).unwrap();
            one
        };
        let none = run(&alone("no layer"));
        for group in generator.layer_groups() {
            let one = alone(&group.name);
            let ours = run(&one);
            assert!(
                distance(ours.clone(), none.clone()) > 1e-5,
                "{}",
                group.name
            );
            let merged = run(&one.merge_adapter());
            assert!(distance(ours, merged) < 1e-5, "{}", group.name);
        }
    }
}

#[test]
fn masked_tokens_have_no_influence() {
    let device = test_device::device();
    let config = small();
    let generator = trained(&config, 11, &device);
    let photo = tensor([2, 3, 16, 16], 12, &device);
    let tokens = |filler: f32, count: usize| {
        let real = tensor::<3>([2, 2, 5], 13, &device);
        let padding = Tensor::full([2, count, 5], filler, &device);
        let mask = [vec![true; 2], vec![false; count]].concat();
        TextCondition {
            tokens: Tensor::cat(vec![real, padding], 1),
            mask: Tensor::from_data(
                TensorData::new([mask.clone(), mask].concat(), [2, 2 + count]),
                &device,
            ),
        }
    };
    for (forward, pass) in [ADAPTED, (HybridGenerator::forward_base, Pass::Eval)] {
        let run =
            |text: &TextCondition| forward(&generator, photo.clone(), Some(text), pass).unwrap();
        let bare = run(&context(5, 13, &device));
        for text in [tokens(0.0, 1), tokens(100.0, 3)] {
            let far = distance(run(&text), bare.clone());
            assert!(far < 5e-6, "{far}");
        }
        // Unmasked, the same tokens matter.
        let mut seen = tokens(100.0, 3);
        seen.mask = Tensor::from_data(TensorData::new(vec![true; 10], [2, 5]), &device);
        assert!(distance(run(&seen), bare) > 1e-3);
    }
}

#[test]
fn one_context_serves_a_batch() {
    let device = test_device::device();
    let generator = trained(&small(), 14, &device);
    let photo = tensor::<4>([2, 3, 16, 16], 15, &device);
    let tokens = tensor::<3>([1, 3, 5], 16, &device);
    let mask = |n: usize| {
        let data = [true, true, false].repeat(n);
        Tensor::from_data(TensorData::new(data, [n, 3]), &device)
    };
    let shared = TextCondition {
        tokens: tokens.clone(),
        mask: mask(1),
    };
    let repeated = TextCondition {
        tokens: tokens.repeat_dim(0, 2),
        mask: mask(2),
    };
    let run = |text: &TextCondition| {
        generator
            .forward(photo.clone(), Some(text), Pass::Eval)
            .unwrap()
    };
    assert!(distance(run(&shared), run(&repeated)) < 1e-6);
    // And another text gives another picture.
    let other = TextCondition {
        tokens: tensor([1, 3, 5], 17, &device),
        mask: mask(1),
    };
    assert!(distance(run(&shared), run(&other)) > 1e-3);
}

#[test]
fn a_photo_does_not_depend_on_its_batch() {
    let device = test_device::device();
    let generator = trained(&small(), 18, &device);
    let photos = tensor::<4>([3, 3, 16, 16], 19, &device);
    let together = generator.forward(photos.clone(), None, Pass::Eval).unwrap();
    for i in 0..3 {
        let alone = generator
            .forward(photos.clone().narrow(0, i, 1), None, Pass::Eval)
            .unwrap();
        assert!(distance(alone, together.clone().narrow(0, i, 1)) < 1e-6);
    }
}

#[test]
fn seeds_fix_every_bit() {
    let device = test_device::device();
    let named = |config: &GeneratorConfig, seed| {
        module_to_named(&HybridGenerator::new(config, seed, &device).unwrap()).unwrap()
    };
    let a = named(&small(), 1);
    assert_eq!(
        crate::common::changed(&a, &named(&small(), 1)),
        Vec::<String>::new()
    );
    // Another base seed moves the frozen weights only: concepts share the LoRA's start.
    let other = crate::common::changed(&a, &named(&small(), 2));
    assert!(other.contains(&"stem.weight".to_owned()));
    assert!(other.contains(&"null_context".to_owned()));
    assert!(!other.iter().any(|name| crate::common::is_lora(name)));
    let lora = GeneratorConfig {
        lora_seed: 1,
        ..small()
    };
    let other = crate::common::changed(&a, &named(&lora, 1));
    assert_eq!(other.len(), 24);
    assert!(other.iter().all(|name| name.ends_with("lora_A.weight")));

    let photo = tensor([1, 3, 16, 16], 3, &device);
    let run = |seed| {
        let generator = HybridGenerator::new(&small(), seed, &device).unwrap();
        bits(generator.forward(photo.clone(), None, Pass::Eval).unwrap())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn outputs_stay_within_the_range_of_images() {
    let device = test_device::device();
    let mut generator = trained(&small(), 20, &device);
    let mut next = uniform(21);
    let mut wild = generator.read_weights().unwrap();
    for tensor in wild.values_mut() {
        tensor.data.fill_with(|| 2.0 * next());
    }
    generator.load_weights(&wild).unwrap();
    let photo = tensor([2, 3, 16, 16], 22, &device);
    let edited = generator.forward(photo, None, Pass::Eval).unwrap();
    assert_eq!(edited.dims(), [2, 3, 16, 16]);
    let edited = values(edited);
    let (low, high) = edited
        .iter()
        .fold((0f32, 0f32), |(l, h), v| (l.min(*v), h.max(*v)));
    assert!(
        edited.iter().all(|v| (-1.0..=1.0).contains(v)),
        "{low}..{high}"
    );
    assert!(edited.iter().any(|v| v.abs() > 0.99));
}

#[test]
fn impossible_configurations_name_the_field() {
    let c = GeneratorConfig::compact;
    for (config, field) in [
        (
            GeneratorConfig {
                image_size: 0,
                ..c()
            },
            "image_size",
        ),
        (
            GeneratorConfig {
                image_size: 8,
                ..c()
            },
            "image_size",
        ),
        (
            GeneratorConfig {
                image_size: 60,
                ..c()
            },
            "image_size",
        ),
        (
            GeneratorConfig {
                widths: [16, 0, 64],
                ..c()
            },
            "widths",
        ),
        (
            GeneratorConfig {
                edge_kernel: 4,
                ..c()
            },
            "edge_kernel",
        ),
        (
            GeneratorConfig {
                edge_kernel: 0,
                ..c()
            },
            "edge_kernel",
        ),
        (
            GeneratorConfig {
                up_kernel: 2,
                ..c()
            },
            "up_kernel",
        ),
        (
            GeneratorConfig {
                up_kernel: 5,
                ..c()
            },
            "up_kernel",
        ),
        // What a file could make this process allocate.
        (
            GeneratorConfig {
                widths: [16, 32, 1 << 20],
                ..c()
            },
            "widths",
        ),
        (
            GeneratorConfig {
                null_tokens: usize::MAX,
                ..c()
            },
            "null_tokens",
        ),
        (
            GeneratorConfig {
                image_size: 16_392,
                ..c()
            },
            "image_size",
        ),
        (GeneratorConfig { heads: 0, ..c() }, "heads"),
        (GeneratorConfig { heads: 3, ..c() }, "heads"),
        (
            GeneratorConfig {
                context_width: 0,
                ..c()
            },
            "context_width",
        ),
        (
            GeneratorConfig {
                lora: LoraConfig::rank(0),
                ..c()
            },
            "lora.rank",
        ),
        (
            GeneratorConfig {
                lora: LoraConfig {
                    alpha: Some(f64::NAN),
                    ..LoraConfig::rank(2)
                },
                ..c()
            },
            "lora.alpha",
        ),
    ] {
        match HybridGenerator::new(&config, 0, &test_device::device()) {
            Err(Error::Config { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{config:?}: {:?}", other.map(drop)),
        }
    }
    for config in [c(), GeneratorConfig::paper(), small(), small_paper()] {
        config.validate().unwrap();
    }
    // Other sizes than the configured one pass too, as the network is convolutional.
    let generator = HybridGenerator::new(&small(), 0, &test_device::device()).unwrap();
    let wide = generator
        .forward(
            tensor([1, 3, 16, 32], 0, &test_device::device()),
            None,
            Pass::Eval,
        )
        .unwrap();
    assert_eq!(wide.dims(), [1, 3, 16, 32]);
}

#[test]
fn the_presets_have_the_documented_counts() {
    let device = test_device::device();
    let count = |config: &GeneratorConfig, keep: fn(&str) -> bool| -> usize {
        let generator = HybridGenerator::new(config, 0, &device).unwrap();
        let named = module_to_named(&generator).unwrap();
        let kept = named.iter().filter(|(name, _)| keep(name));
        kept.map(|(_, t): (_, &HostTensor)| t.data.len()).sum()
    };
    let base = |name: &str| !is_lora(name) && !name.contains("running_") && name != "null_context";
    // The paper's 7.06 M. By hand, with biases: stem 9,472; down1 73,856; down2 295,168; down3 590,080;
    // six ResBlock convolutions 3,540,480; up3 590,080; up2 295,040; up1 73,792; head 9,411; γ and β of
    // the batch norms 5,376; self-attention 262,400; cross-attention 524,544; feed-forward 788,736;
    // layer norms 1,536.
    assert_eq!(count(&GeneratorConfig::paper(), base), 7_059_971);
    // Rank 6, and 3 in the head: 6·(fan in + channels out) of each layer less the head's other three,
    // and γ and β: 220,347 + 6,912. The paper's 0.2256 M are 0.7 % less.
    let adapter = |name: &str| is_lora(name) || crate::common::is_norm(name);
    let trained = count(&GeneratorConfig::paper(), adapter);
    assert_eq!(trained, 227_259);
    assert!((trained as f64 / 225_600.0 - 1.0).abs() < 0.01);
    // The null tokens stand in for the text encoder's output, and are counted apart.
    let null = |name: &str| name == "null_context";
    assert_eq!(count(&GeneratorConfig::paper(), null), 4 * 768);
    assert_eq!(count(&GeneratorConfig::compact(), base), 481_667);
}
