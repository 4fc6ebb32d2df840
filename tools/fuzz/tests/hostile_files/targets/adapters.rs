//! Generators, adapters and checkpoints of the reference implementations.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fuzz_harness::Folder;
use gan_baselines::{ResnetConfig, ResnetGenerator};
use lora_gan::{
    BaseGenerator, GeneratorConfig, HybridGenerator, NormKind, Pass, PatchGan, PatchGanConfig,
};
use weight_blocks::WeightSpace;

use super::{of_crate, one, reseal, target, text, written};
use crate::run::Target;

pub(super) fn config() -> GeneratorConfig {
    GeneratorConfig {
        image_size: 16,
        widths: [4, 6, 8],
        heads: 2,
        context_width: 5,
        ..GeneratorConfig::compact()
    }
}

pub(super) fn generator() -> HybridGenerator {
    HybridGenerator::new(&config(), 1, &Device::flex())
        .unwrap()
        .valid()
}

fn base_folder() -> Folder {
    written(|dir| {
        BaseGenerator::save(dir, &generator(), None).unwrap();
    })
}

fn base() -> BaseGenerator {
    let dir = tempfile::tempdir().unwrap();
    BaseGenerator::save(dir.path(), &generator(), None).unwrap();
    BaseGenerator::load(dir.path(), &Device::flex()).unwrap()
}

fn run(generator: &HybridGenerator) {
    let size = generator.config().image_size;
    if size <= 64 {
        let photo = Tensor::zeros([1, 3, size, size], &Device::flex());
        let _ = generator
            .forward(photo, None, Pass::Eval)
            .unwrap()
            .into_data();
    }
}

fn pix2pix(norm: NormKind, dropout: f64) -> ResnetGenerator {
    let config = ResnetConfig {
        width: 2,
        blocks: 1,
        norm,
        dropout,
        channels: 3,
    };
    ResnetGenerator::new(&config, 0, &Device::flex()).unwrap()
}

fn fixture(name: &str) -> std::path::PathBuf {
    of_crate("gan-baselines", "tests/fixtures").join(name)
}

pub(super) fn targets() -> Vec<Target> {
    let mut bases = target("base_generator", vec![base_folder()], |dir| {
        let base = BaseGenerator::load(dir, &Device::flex()).map_err(text)?;
        run(&base.generator);
        Ok(())
    });
    bases.reseal = |folder| reseal(folder, "generator.safetensors", "generator.json");

    let base = base();
    let adapter = written(|dir| {
        let weights = base.generator.read_weights().unwrap();
        base.save_adapter(dir.join("adapter.safetensors"), &weights)
            .unwrap();
    });
    let peft = written(|dir| base.generator.save_peft(dir, Some("abc")).unwrap());
    let own = base.clone();
    let adapters = target("adapter", vec![adapter], move |dir| {
        let path = dir.join("adapter.safetensors");
        let (weights, _) = own.load_adapter(&path).map_err(text)?;
        let mut generator = own.generator.clone();
        generator.load_weights(&weights).map_err(text)?;
        run(&generator);
        Ok(())
    });
    let pefts = target("peft", vec![peft], move |dir| {
        let adapted = base.generator.load_peft(dir, Some("abc")).map_err(text)?;
        run(&adapted);
        Ok(())
    });

    let batch = pix2pix(NormKind::Batch, 0.5);
    let instance = pix2pix(NormKind::Instance, 0.0);
    let load = move |dir: &Path| {
        let path = |name: &str| dir.join(name);
        let old = path("old.pth");
        let loaded = if old.exists() {
            instance.clone().load_state_dict(&old)
        } else {
            batch.clone().load_state_dict(path("net.pth"))
        };
        loaded.map(drop).map_err(text)
    };
    let files = vec![
        one("net.pth", &fixture("resnet.pth")),
        one("net.pth", &fixture("resnet_legacy.pth")),
        one("old.pth", &fixture("resnet_old_instance.pth")),
    ];
    let pth = target("pth", files, load);

    let judge_config = PatchGanConfig {
        width: 4,
        layers: 1,
        ..PatchGanConfig::compact()
    };
    let judge = PatchGan::new(&judge_config, 4, &Device::flex()).unwrap();
    let file = written(|dir| judge.save_state_dict(&dir.join("D.safetensors")).unwrap());
    let state = target("state_dict", vec![file], move |dir| {
        let loaded = judge.clone().load_state_dict(dir.join("D.safetensors"));
        loaded.map(drop).map_err(text)
    });
    vec![bases, adapters, pefts, pth, state]
}
