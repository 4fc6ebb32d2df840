//! pix2pix checkpoints: as torch wrote them (tools/gan_fixtures.py), damaged, and written here.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use gan_baselines::{Error, ResnetConfig, ResnetGenerator};
use lora_gan::state_dict::StateDictFile;
use lora_gan::{NormKind, Pass, PatchGan, PatchGanConfig};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tensor_file::{HostTensor, load_safetensors, save_safetensors};
use test_parity::{close, host};
use weight_blocks::module_to_named;

use crate::{fixture, path};

fn config(norm: NormKind, dropout: f64) -> ResnetConfig {
    ResnetConfig {
        width: 2,
        blocks: 1,
        norm,
        dropout,
        channels: 3,
    }
}

fn new(norm: NormKind, dropout: f64) -> ResnetGenerator {
    ResnetGenerator::new(&config(norm, dropout), 0, &test_device::device()).unwrap()
}

/// The file's bytes changed by `change`, under a name that ends in `suffix`.
fn changed(name: &str, suffix: &str, change: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempPath {
    let mut bytes = std::fs::read(path(name)).unwrap();
    change(&mut bytes);
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.into_temp_path()
}

fn message(result: Result<ResnetGenerator, Error>, file: &Path) -> String {
    let message = result.unwrap_err().to_string();
    assert!(message.contains(&file.display().to_string()), "{message}");
    message
}

#[test]
fn pth_files_of_three_ages_load() {
    let fixture = fixture("resnet_pth.safetensors");
    let photo = || fixture.tensor::<4>("photo", &test_device::device());
    for (file, norm, dropout, expected) in [
        ("resnet.pth", NormKind::Batch, 0.5, "batch_dropout"),
        ("resnet_legacy.pth", NormKind::Batch, 0.5, "batch_dropout"),
        (
            "resnet_old_instance.pth",
            NormKind::Instance,
            0.0,
            "instance",
        ),
    ] {
        let generator = new(norm, dropout).load_state_dict(path(file)).unwrap();
        let edited = host(generator.forward(photo(), Pass::Eval).unwrap());
        close(file, &edited, fixture.host(expected), 1e-5);
    }
}

#[test]
fn what_is_written_is_read_back_under_the_originals_names() {
    let dir = tempfile::tempdir().unwrap();
    let generator = new(NormKind::Batch, 0.5)
        .load_state_dict(path("resnet.pth"))
        .unwrap();
    let file = dir.path().join("G.safetensors");
    generator.save_state_dict(&file).unwrap();
    let (written, _) = load_safetensors(&file).unwrap();
    assert_eq!(written["model.10.conv_block.6.weight"].shape, [8, 8, 3, 3]);
    assert_eq!(written["model.14.weight"].shape, [4, 2, 3, 3]);
    let again = new(NormKind::Batch, 0.5).load_state_dict(&file).unwrap();
    assert_eq!(
        module_to_named(&again).unwrap(),
        module_to_named(&generator).unwrap()
    );
    let device = test_device::device();
    let judge = PatchGan::new(&PatchGanConfig::compact(), 4, &device).unwrap();
    let file = dir.path().join("D.safetensors");
    judge.save_state_dict(&file).unwrap();
    let again = PatchGan::new(&PatchGanConfig::compact(), 5, &device).unwrap();
    let again = again.load_state_dict(&file).unwrap();
    assert_eq!(
        module_to_named(&again).unwrap(),
        module_to_named(&judge).unwrap()
    );
}

#[test]
fn counters_of_batch_norms_in_safetensors_are_passed_over() {
    let generator = new(NormKind::Batch, 0.5);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("G.safetensors");
    generator.save_state_dict(&file).unwrap();
    // As `safetensors.torch.save_file(net.state_dict())` leaves it: a scalar of 64 bits per batch norm.
    let add = |name: &str| {
        let bytes = std::fs::read(&file).unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        let count = 7i64.to_le_bytes();
        let mut views = read.tensors();
        views.push((
            name.to_owned(),
            TensorView::new(Dtype::I64, Vec::new(), &count).unwrap(),
        ));
        std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
    };
    add("model.2.num_batches_tracked");
    let again = new(NormKind::Batch, 0.5).load_state_dict(&file).unwrap();
    assert_eq!(
        module_to_named(&again).unwrap(),
        module_to_named(&generator).unwrap()
    );
    // Any other integer is still refused.
    add("model.2.counter");
    let message = message(new(NormKind::Batch, 0.5).load_state_dict(&file), &file);
    assert!(message.contains("`model.2.counter`"), "{message}");
}

#[test]
fn nan_is_refused_by_file_tensor_and_position() {
    let file = path("resnet_nan.pth");
    let message = message(new(NormKind::Instance, 0.0).load_state_dict(&file), &file);
    assert!(message.contains("`model.1.weight`"), "{message}");
    assert!(message.contains("NaN at position 3"), "{message}");
}

#[test]
fn tensors_of_another_network_are_named() {
    let file = path("resnet.pth");
    let load = |config: &ResnetConfig| {
        let generator = ResnetGenerator::new(config, 0, &test_device::device()).unwrap();
        message(generator.load_state_dict(&file), &file)
    };
    let fitting = config(NormKind::Batch, 0.5);
    let wider = ResnetConfig {
        width: 4,
        ..fitting.clone()
    };
    assert!(load(&wider).contains("has shape"));
    let longer = ResnetConfig {
        blocks: 2,
        ..fitting.clone()
    };
    assert!(load(&longer).contains("tensor `model."));
    let without_dropout = ResnetConfig {
        dropout: 0.0,
        ..fitting.clone()
    };
    assert!(load(&without_dropout).contains("conv_block"));
    // Missing, surplus and misshapen ones, in files of our own.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("G.safetensors");
    new(NormKind::Batch, 0.5).save_state_dict(&file).unwrap();
    let (whole, _) = load_safetensors(&file).unwrap();
    let refused = |change: &dyn Fn(&mut BTreeMap<String, HostTensor>), part: &str| {
        let mut tensors = whole.clone();
        change(&mut tensors);
        save_safetensors(&file, &tensors, &BTreeMap::new()).unwrap();
        let message = message(new(NormKind::Batch, 0.5).load_state_dict(&file), &file);
        assert!(message.contains(part), "{message}");
    };
    refused(
        &|t| drop(t.remove("model.2.running_var")),
        "`model.2.running_var` is missing",
    );
    refused(
        &|t| drop(t.insert("model.99.weight".into(), t["model.2.weight"].clone())),
        "`model.99.weight` is not one of the network's",
    );
    refused(
        &|t| {
            if let Some(tensor) = t.get_mut("model.18.weight") {
                tensor.shape.swap(0, 1);
            }
        },
        "`model.18.weight` has shape [2, 3, 7, 7], the network needs [3, 2, 7, 7]",
    );
}

#[test]
fn damaged_files_are_errors() {
    for name in ["resnet.pth", "resnet_legacy.pth", "resnet_old_instance.pth"] {
        let length = std::fs::read(path(name)).unwrap().len();
        for at in (0..length).step_by(211) {
            let file = changed(name, ".pth", |bytes| bytes.truncate(at));
            message(new(NormKind::Batch, 0.5).load_state_dict(&file), &file);
        }
        // Flipped bits may hit a value, which nothing can tell; there must be no panic.
        for at in (0..length).step_by(97) {
            let file = changed(name, ".pth", |bytes| bytes[at] ^= 0x55);
            let _ = new(NormKind::Batch, 0.5).load_state_dict(&file);
        }
    }
    let missing = Path::new("no/such/file.pth");
    let result = new(NormKind::Batch, 0.5).load_state_dict(missing);
    assert!(message(result, missing).contains("No such file"));
    let text = changed("gan_parameter_counts.json", ".pth", |_| {});
    message(new(NormKind::Batch, 0.5).load_state_dict(&text), &text);
    // The content tells, not the name.
    let renamed = changed("resnet.pth", ".safetensors", |_| {});
    new(NormKind::Batch, 0.5).load_state_dict(&renamed).unwrap();
}

#[test]
fn a_file_far_larger_than_the_network_is_not_read() {
    let file = tempfile::Builder::new()
        .suffix(".safetensors")
        .tempfile()
        .unwrap();
    // Sparse: it takes no room on the disk.
    file.as_file().set_len(1 << 40).unwrap();
    let result = new(NormKind::Batch, 0.5).load_state_dict(file.path());
    assert!(message(result, file.path()).contains("more than the"));
}

/// The tensors of `resnet.pth` under the names that `rename` gives them, in each of its copies; and some of other objects.
fn renamed(file: &Path, rename: &dyn Fn(&str) -> Vec<String>, others: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("G.safetensors");
    let generator = new(NormKind::Batch, 0.5).load_state_dict(path("resnet.pth"));
    generator.unwrap().save_state_dict(&plain).unwrap();
    let mut tensors = BTreeMap::new();
    for (name, tensor) in load_safetensors(&plain).unwrap().0 {
        for copy in rename(&name) {
            // The average differs from the weights.
            let mut tensor = tensor.clone();
            if copy.contains("ema") {
                tensor.data.iter_mut().for_each(|value| *value *= 0.5);
            }
            tensors.insert(copy, tensor);
        }
    }
    for name in others {
        let tensor = HostTensor::new(vec![2], vec![0.0; 2]).unwrap();
        tensors.insert((*name).to_owned(), tensor);
    }
    save_safetensors(file, &tensors, &BTreeMap::new()).unwrap();
}

/// A weight of the network, by which its copies are told apart.
fn weight(generator: &ResnetGenerator) -> Vec<f32> {
    let named = module_to_named(generator).unwrap();
    named["stem.weight"].data.clone()
}

#[test]
fn wrapped_names_load() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("G.safetensors");
    let expected = new(NormKind::Batch, 0.5).load_state_dict(path("resnet.pth"));
    let expected = weight(&expected.unwrap());
    for prefix in [
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "_fsdp_wrapped_module.",
        "state_dict.",
        "params.module.",
        "checkpoint.netG._orig_mod.",
    ] {
        let rename = |name: &str| vec![format!("{prefix}{name}")];
        renamed(&file, &rename, &[]);
        let generator = new(NormKind::Batch, 0.5).load_state_dict(&file).unwrap();
        assert_eq!(weight(&generator), expected, "{prefix}");
    }
    // A part of the network was compiled.
    let rename = |name: &str| vec![name.replace("model.10.", "model.10._orig_mod.")];
    renamed(&file, &rename, &["n_averaged"]);
    let generator = new(NormKind::Batch, 0.5).load_state_dict(&file).unwrap();
    assert_eq!(weight(&generator), expected);
    // The same tensor twice.
    renamed(
        &file,
        &|name| vec![name.to_owned(), format!("module.{name}")],
        &[],
    );
    let text = message(new(NormKind::Batch, 0.5).load_state_dict(&file), &file);
    assert!(text.contains("are the same tensor"), "{text}");
}

#[test]
fn one_of_several_objects_is_taken_by_name_or_if_it_alone_fits() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("esrgan.safetensors");
    let load = |part: Option<&str>| {
        let place = StateDictFile::new(&file);
        let place = match part {
            Some(key) => place.part(key),
            None => place,
        };
        new(NormKind::Batch, 0.5).load_state_dict(place)
    };
    // A discriminator beside it: only one fits.
    let rename = |name: &str| vec![format!("netG.module.{name}")];
    let others = [
        "netD.model.0.weight",
        "netD.model.1.weight",
        "optimizer.state.0.exp_avg",
    ];
    renamed(&file, &rename, &others);
    let generator = weight(&load(None).unwrap());
    assert_eq!(weight(&load(Some("netG")).unwrap()), generator);
    let text = message(load(Some("netG_A")), &file);
    assert!(
        text.contains("no `netG_A`") && text.contains("`netD`, `netG`, `optimizer`"),
        "{text}"
    );
    let text = message(load(Some("netD")), &file);
    assert!(text.contains("`netD.model."), "{text}");

    // Two that fit: the weights and their average.
    let rename = |name: &str| {
        vec![
            format!("params.{name}"),
            format!("params_ema._orig_mod.{name}"),
        ]
    };
    renamed(&file, &rename, &[]);
    let text = message(load(None), &file);
    assert!(text.contains("`params`, `params_ema`"), "{text}");
    let (plain, average) = (
        load(Some("params")).unwrap(),
        load(Some("params_ema")).unwrap(),
    );
    assert_eq!(weight(&plain), generator);
    assert_ne!(weight(&average), generator);

    // None that fits.
    renamed(&file, &|_| Vec::new(), &others);
    let text = message(load(None), &file);
    assert!(text.contains("`netD.model."), "{text}");
    renamed(&file, &|_| Vec::new(), &["netD.main.0.weight", "epoch.a"]);
    let text = message(load(None), &file);
    assert!(text.contains("it holds `epoch`, `netD`"), "{text}");
}
