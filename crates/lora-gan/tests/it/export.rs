//! The exported generator, and adapters that record their base.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{bits, distance, small, small_paper, tensor, trained};
use lora_gan::{BaseGenerator, Error, HybridGenerator, Pass};
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::WeightSpace;

#[test]
fn an_export_is_the_merged_network() {
    let device = test_device::device();
    for config in [small(), small_paper()] {
        let generator = trained(&config, 1, &device);
        let dir = tempfile::tempdir().unwrap();
        generator.export(dir.path()).unwrap();
        let back = HybridGenerator::import(dir.path(), &device).unwrap();
        assert_eq!(back.config(), &config);
        let photo = tensor([2, 3, 16, 16], 2, &device);
        let run = |g: &HybridGenerator| g.forward(photo.clone(), None, Pass::Eval).unwrap();
        let merged = generator.clone().merge_adapter();
        assert_eq!(bits(run(&back)), bits(run(&merged)));
        let base = back.forward_base(photo.clone(), None, Pass::Eval).unwrap();
        assert!(distance(base, run(&generator)) < 1e-5);

        let (tensors, _) = load_safetensors(dir.path().join("model.safetensors")).unwrap();
        assert_eq!(tensors["stem.conv.weight"].shape[..2], [4, 3]);
        assert_eq!(tensors["res1.conv2.norm.running_var"].shape, [8]);
        // PyTorch's order for a transposed convolution: input, output.
        assert_eq!(tensors["up2.conv.weight"].shape[..2], [8, 6]);
        assert_eq!(tensors["transformer.attn2.to_k.weight"].shape, [8, 5]);
        assert!(!tensors.keys().any(|name| name.contains("lora")));
    }
}

#[test]
fn imports_that_do_not_fit_are_refused() {
    let refused = |edit: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        trained(&small(), 3, &test_device::device())
            .export(dir.path())
            .unwrap();
        edit(dir.path());
        let error = HybridGenerator::import(dir.path(), &test_device::device());
        error.map(drop).unwrap_err().to_string()
    };
    let tensors = |edit: fn(&mut weight_blocks::NamedTensors)| {
        refused(&|dir| {
            let path = dir.join("model.safetensors");
            let (mut tensors, _) = load_safetensors(&path).unwrap();
            edit(&mut tensors);
            save_safetensors(&path, &tensors, &BTreeMap::new()).unwrap();
        })
    };
    let config = |from: &str, to: &str| {
        refused(&|dir| {
            let path = dir.join("config.json");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from));
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
        })
    };
    for (part, error) in [
        (
            "`stem.conv.weight` holds NaN",
            tensors(|t| t.get_mut("stem.conv.weight").unwrap().data[0] = f32::NAN),
        ),
        (
            "`head.conv.bias` is missing",
            tensors(|t| drop(t.remove("head.conv.bias"))),
        ),
        (
            "`tail.conv.bias`",
            tensors(|t| {
                let bias = t["head.conv.bias"].clone();
                t.insert("tail.conv.bias".into(), bias);
            }),
        ),
        ("shape", config("\"edge_kernel\": 3", "\"edge_kernel\": 5")),
        ("`heads`", config("\"heads\": 2", "\"heads\": 3")),
        ("`head`", config("\"heads\"", "\"head\": 1, \"heads\"")),
        // Before anything is allocated for it.
        (
            "bytes for a generator",
            config("\"null_tokens\": 4", "\"null_tokens\": 8192"),
        ),
        (
            "format version 7",
            config("\"version\": 1", "\"version\": 7"),
        ),
        ("format", config("lora-gan/hybrid", "lora-gan/other")),
        (
            "config.json",
            refused(&|dir| fs::write(dir.join("config.json"), " ".repeat(2 << 20)).unwrap()),
        ),
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn an_adapter_records_its_base() {
    let device = test_device::device();
    let base = |seed| {
        let dir = tempfile::tempdir().unwrap();
        BaseGenerator::save(dir.path(), &trained(&small(), seed, &device), None).unwrap();
        BaseGenerator::load(dir.path(), &device).unwrap()
    };
    let (one, other) = (base(4), base(5));
    let adapter = trained(&small(), 6, &device).read_weights().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter.safetensors");
    one.save_adapter(&path, &adapter).unwrap();
    assert_eq!(one.load_adapter(&path).unwrap(), (adapter.clone(), None));
    match other.load_adapter(&path).unwrap_err() {
        Error::OtherBase {
            expected, found, ..
        } => assert_eq!(
            (expected, found),
            (other.digest.clone(), one.digest.clone())
        ),
        error => panic!("{error}"),
    }
    // A file that records none has to fit by names and shapes.
    save_safetensors(&path, &adapter, &BTreeMap::new()).unwrap();
    assert_eq!(other.load_adapter(&path).unwrap(), (adapter.clone(), None));
    let mut nan = adapter.clone();
    nan.get_mut("head.lora_B.weight").unwrap().data[0] = f32::INFINITY;
    // Such weights are not written, and the file that was there stays.
    match one.save_adapter(&path, &nan).unwrap_err() {
        Error::NotStorable { path: at, name, .. } => {
            assert_eq!((at, name.as_str()), (path.clone(), "head.lora_B.weight"));
        }
        error => panic!("{error}"),
    }
    assert_eq!(one.load_adapter(&path).unwrap(), (adapter.clone(), None));
    save_safetensors(&path, &nan, &BTreeMap::new()).unwrap();
    let error = one.load_adapter(&path).unwrap_err().to_string();
    assert!(error.contains("`head.lora_B.weight` holds inf"), "{error}");
    // Sparse: it takes no room on the disk.
    (fs::File::create(&path).unwrap()).set_len(1 << 40).unwrap();
    let error = one.load_adapter(&path).unwrap_err().to_string();
    assert!(error.contains("more than the"), "{error}");
}
