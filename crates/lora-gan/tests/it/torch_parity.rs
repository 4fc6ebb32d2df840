//! The hybrid generator and its gradients against PyTorch and PEFT (`tools/generator_fixtures.py`).

use std::path::{Path, PathBuf};

use crate::common::{ADAPTED, Forward, PRETRAINING, values};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use encoded_text::TextCondition;
use lora_gan::{HybridGenerator, Pass};
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::module::gradients_to_named;
use weight_blocks::{NamedTensors, WeightSpace, module_to_named};

const TOLERANCE: f32 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/generator")
}

struct Fixture {
    tensors: NamedTensors,
}

impl Fixture {
    fn open(name: &str) -> Self {
        let path = folder().join(format!("{name}.safetensors"));
        Self {
            tensors: load_safetensors(&path).unwrap().0,
        }
    }

    /// Tensors below `prefix`, by our names.
    fn below(&self, prefix: &str) -> NamedTensors {
        (self.tensors.iter())
            .filter_map(|(name, tensor)| {
                let name = name.strip_prefix(prefix)?.replace(".conv.", ".");
                Some((name, tensor.clone()))
            })
            .collect()
    }

    fn get<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let tensor = &self.tensors[name];
        let shape: [usize; D] = tensor.shape.clone().try_into().unwrap();
        Tensor::from_data(TensorData::new(tensor.data.clone(), shape), device)
    }

    /// The network of the tensors `w.*`, through a folder as PyTorch would write it.
    fn network(&self, config: &str) -> HybridGenerator {
        let text = std::fs::read_to_string(folder().join("configs.json")).unwrap();
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        let manifest = serde_json::json!({
            "format": "lora-gan/hybrid-generator", "version": 1, "config": all[config],
        });
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), manifest.to_string()).unwrap();
        let weights: NamedTensors = (self.tensors.iter())
            .filter_map(|(name, t)| Some((name.strip_prefix("w.")?.to_owned(), t.clone())))
            .collect();
        let path = dir.path().join("model.safetensors");
        save_safetensors(&path, &weights, &Default::default()).unwrap();
        HybridGenerator::import(dir.path(), &test_device::device()).unwrap()
    }

    fn context(&self, mask: bool, device: &Device) -> TextCondition {
        let shape = [2, 3];
        let all = vec![true; 6];
        let own = self.tensors["mask"].data.iter().map(|v| *v > 0.5).collect();
        let mask = if mask { own } else { all };
        TextCondition {
            tokens: self.get("tokens", device),
            mask: Tensor::from_data(TensorData::new(mask, shape), device),
        }
    }
}

/// Largest difference over the reference's largest value.
fn relative(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    // `f32::max` passes NaN over.
    assert!(ours.iter().chain(theirs).all(|v| v.is_finite()));
    let largest = theirs.iter().fold(0f32, |m, v| m.max(v.abs()));
    let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    apart.fold(0f32, f32::max) / largest
}

#[track_caller]
fn close(what: &str, ours: &[f32], theirs: &[f32]) {
    let error = relative(ours, theirs);
    assert!(error <= TOLERANCE, "{what}: {error}");
}

/// One pass as the script's `step`, compared to what it saved under `case`; gives the gradients.
fn step(
    fixture: &Fixture,
    case: &str,
    generator: &HybridGenerator,
    context: Option<&TextCondition>,
    (forward, pass): Forward,
) -> burn::tensor::Gradients {
    let device = test_device::device().autodiff();
    let photo = fixture.get::<4>("photo", &device).require_grad();
    let out = forward(generator, photo.clone(), context, pass).unwrap();
    let reference = |name: &str| &fixture.tensors[&format!("{case}.{name}")].data;
    close(
        &format!("{case}.out"),
        &values(out.clone()),
        reference("out"),
    );
    let loss = (out - fixture.get("target", &device)).square().mean();
    close(
        &format!("{case}.loss"),
        &values(loss.clone()),
        reference("loss"),
    );
    let gradients = loss.backward();
    let by_photo = values(photo.grad(&gradients).unwrap());
    close(
        &format!("{case}.grad_photo"),
        &by_photo,
        reference("grad_photo"),
    );
    gradients
}

/// Compares one pass in pretraining, all gradients included; gives the tensors after it.
fn pretraining_step(
    fixture: &Fixture,
    generator: &HybridGenerator,
    case: &str,
    context: Option<&TextCondition>,
) -> NamedTensors {
    let mut gradients = step(fixture, case, generator, context, PRETRAINING);
    let ours = gradients_to_named(generator, &mut gradients).unwrap();
    let theirs = fixture.below(&format!("{case}.grad."));
    let mut compared = 0;
    for (name, tensor) in &theirs {
        // A bias before a batch norm by the batch's statistics changes nothing, and what reads a zero
        // token gets no gradient: rounding only.
        if tensor.data.iter().all(|v| v.abs() < 1e-6) {
            assert!(ours[name].data.iter().all(|v| v.abs() < 1e-6), "{name}");
            continue;
        }
        close(&format!("{case} {name}"), &ours[name].data, &tensor.data);
        compared += 1;
    }
    // 24 weights, 5 biases that matter (head, two projections, two of the feed-forward), γ and β of 16
    // norms. Without text the null tokens as well; where a zero token is read, neither the
    // cross-attention's four weights nor the norm before it.
    let expected = match (case, &generator.null_context) {
        ("text", _) => 61,
        (_, Some(_)) => 62,
        (_, None) => 55,
    };
    assert_eq!(compared, expected, "{case}");
    module_to_named(generator).unwrap()
}

#[test]
fn pretraining_equals_pytorch_in_training_mode() {
    for config in ["compact", "paper"] {
        let fixture = Fixture::open(&format!("base-{config}"));
        let generator = fixture.network(config).train().train_base();
        let context = fixture.context(true, &test_device::device().autodiff());
        let after = pretraining_step(&fixture, &generator, "text", Some(&context));
        pretraining_step(&fixture, &generator, "none", None);

        // Running statistics after the pass; Burn's variance is the biased one, PyTorch's is not.
        let mean = &fixture.tensors["after.stem.norm.running_mean"].data;
        close("running_mean", &after["stem.norm.running_mean"].data, mean);
    }
}

#[test]
fn an_adapted_network_and_its_gradients_equal_pytorch_with_peft() {
    for config in ["compact", "paper"] {
        let fixture = Fixture::open(&format!("adapted-{config}"));
        let mut generator = fixture.network(config);
        let adapter = fixture.below("a.");
        assert_eq!(adapter.len(), 24 * 2 + 16 * 2);
        generator.load_weights(&adapter).unwrap();
        let generator = generator.train().train_adapter();
        let device = test_device::device().autodiff();
        for (case, context) in [
            ("none", None),
            ("text", Some(fixture.context(false, &device))),
            ("masked", Some(fixture.context(true, &device))),
        ] {
            let mut gradients = step(&fixture, case, &generator, context.as_ref(), ADAPTED);
            let ours = generator.adapter_gradients(&mut gradients).unwrap();
            let theirs = fixture.below(&format!("{case}.grad."));
            assert!(theirs.keys().all(|name| ours.contains_key(name)));
            for (name, tensor) in &ours {
                match theirs.get(name) {
                    // One token, or a zero one: the softmax is constant, so no gradient reaches q and k.
                    Some(theirs) if theirs.data.iter().all(|v| v.abs() < 1e-9) => {
                        assert!(tensor.data.iter().all(|v| v.abs() < 1e-9), "{case} {name}");
                    }
                    Some(theirs) => close(&format!("{case} {name}"), &tensor.data, &theirs.data),
                    None => panic!("{case}: no reference for {name}"),
                }
            }
        }
        // Unlike a merged pass, an adapter matters.
        let base = fixture.network(config);
        let photo = fixture.get("photo", &test_device::device());
        let plain = values(base.forward(photo, None, Pass::Eval).unwrap());
        assert!(relative(&plain, &fixture.tensors["none.out"].data) > 0.05);
    }
}

#[test]
fn a_folder_by_peft_gives_pefts_images() {
    let fixture = Fixture::open("peft");
    let base = fixture.network("compact");
    let adapted = base.load_peft(&folder().join("peft"), None).unwrap();
    let device = test_device::device();
    let photo = || fixture.get::<4>("photo", &device);
    let none = adapted.forward(photo(), None, Pass::Eval).unwrap();
    close("none", &values(none), &fixture.tensors["out.none"].data);
    let context = fixture.context(true, &device);
    let masked = adapted
        .forward(photo(), Some(&context), Pass::Eval)
        .unwrap();
    close(
        "masked",
        &values(masked),
        &fixture.tensors["out.masked"].data,
    );
    let plain = values(base.forward(photo(), None, Pass::Eval).unwrap());
    assert!(relative(&plain, &fixture.tensors["out.none"].data) > 0.05);

    // Ranks and scales by pattern, and what is not adapted.
    let pair = adapted.transformer.attn2.to_k.lora.as_ref().unwrap();
    assert_eq!(pair.up.dims(), [8, 3]);
    assert!((pair.scale - 5.0 / 3f64.sqrt()).abs() < 1e-12);
    let pair = adapted.stem.lora.as_ref().unwrap();
    assert!((pair.scale - 1.0 / 2f64.sqrt()).abs() < 1e-12);
    assert_eq!(pair.dropout, 0.25);
    assert_eq!(adapted.down2.lora.as_ref().unwrap().down.dims(), [4, 54]);
    assert!(adapted.res2.conv1.lora.is_none() && adapted.up1.lora.is_none());
}
