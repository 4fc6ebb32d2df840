//! Training states and the weight generator.

use burn::tensor::Device;
use encoded_text::TextCondition;
use finetune::{ConceptTrainer, PairSet, PretrainBatch, PretrainConfig, Pretrainer, Recipe};
use fuzz_harness::Folder;
use image::RgbImage;
use lora_gan::PatchGanConfig;
use weight_blocks::{GroupingRule, Normalization, Normalizer, WeightSpace};
use weight_diffusion::data::NormStats;
use weight_diffusion::encoded_text::{EncodedPrompt, EncoderId};
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, NoiseSchedule, Parameterization, Precision,
    SampleOptions, TrainConfig, UNet1d, UNet1dConfig, WeightGenerator,
};

use super::adapters::generator;
use super::zoos::{WIDTH, layout, weights};
use super::{reseal, target, text, written};
use crate::run::Target;

fn recipe() -> Recipe {
    Recipe {
        epochs: 3,
        batch_size: 2,
        discriminator: PatchGanConfig {
            width: 4,
            layers: 1,
            ..PatchGanConfig::compact()
        },
        ..Recipe::compact()
    }
}

fn pairs() -> PairSet {
    let photo = RgbImage::from_fn(16, 16, |x, y| image::Rgb([(x * 9) as u8, (y * 5) as u8, 7]));
    PairSet::new(&[(photo.clone(), photo)], 16, &Device::flex()).unwrap()
}

fn concept_state() -> Target {
    let base = generator();
    let start = base.read_weights().unwrap();
    let pairs = pairs();
    let state = written(|dir| {
        let device = Device::flex();
        let mut trainer = ConceptTrainer::new(&base, &start, recipe(), &device).unwrap();
        trainer.epoch(&pairs).unwrap();
        trainer.save_state(dir).unwrap();
    });
    target("concept_state", vec![state], move |dir| {
        let resumed = ConceptTrainer::resume(&base, &start, recipe(), &Device::flex(), dir);
        let mut trainer = resumed.map_err(text)?;
        trainer.epoch(&pairs).map_err(text)?;
        trainer.save_state(dir).map_err(text)
    })
}

fn pretrain_state() -> Target {
    let config = || PretrainConfig {
        steps: 4,
        batch_size: 2,
        ..PretrainConfig::compact()
    };
    let device = Device::flex();
    let condition = TextCondition {
        tokens: burn::tensor::Tensor::zeros([1, 2, 5], &device),
        mask: burn::tensor::Tensor::full([1, 2], true, &device),
    };
    let batch = PretrainBatch {
        text: condition,
        pairs: pairs(),
    };
    let state = written(|dir| {
        let mut trainer = Pretrainer::new(generator(), config(), &Device::flex()).unwrap();
        trainer.step(&batch).unwrap();
        trainer.save_state(dir).unwrap();
    });
    let base = generator();
    target("pretrain_state", vec![state], move |dir| {
        let resumed = Pretrainer::resume(base.clone(), config(), &Device::flex(), dir);
        let mut trainer = resumed.map_err(text)?;
        trainer.step(&batch).map_err(text)?;
        trainer.save_state(dir).map_err(text)
    })
}

fn unet() -> UNet1dConfig {
    UNet1dConfig {
        block_size: 16,
        patch_size: 4,
        base_channels: 8,
        multipliers: [1, 1, 1],
        downsample: true,
        heads: 2,
        ff_multiplier: 2,
        norm_groups: 4,
        encoding_size: 8,
        embedding_size: 8,
        context_width: WIDTH,
        block_heads: None,
        parameterization: Parameterization::Skip,
        schedule: NoiseSchedule::ddpm(),
    }
}

fn dataset() -> BlockDataset {
    let layout = layout(GroupingRule::Appended);
    let flat: Vec<Vec<f32>> = (0..2)
        .map(|i| layout.encode(&weights(&layout, i)).unwrap())
        .collect();
    let flats = flat.iter().map(Vec::as_slice);
    let normalizer = Normalizer::fit(&layout, Normalization::PerLayer, flats).unwrap();
    let text = |seed: usize| EncodedPrompt::new(vec![0.1 * seed as f32; WIDTH], 1);
    let entries = flat.into_iter().enumerate().collect();
    BlockDataset::new(layout, normalizer, vec![text(1), text(2)], WIDTH, entries).unwrap()
}

fn trainer_state() -> Target {
    let data = dataset();
    let config = TrainConfig {
        steps: 20,
        batch_size: 4,
        micro_batch: 4,
        ..TrainConfig::compact()
    };
    let state = written(|dir| {
        let device = Device::flex();
        let mut trainer = BlockTrainer::new(config, &unet(), data.spec(), 1, &device).unwrap();
        trainer.step(&data).unwrap();
        trainer.save_state(dir).unwrap();
    });
    let mut states = target("trainer_state", vec![state], move |dir| {
        let resumed = BlockTrainer::resume(dir, &data.spec(), &Device::flex());
        let mut trainer = resumed.map_err(text)?;
        // A valid state may ask for batches as large as it likes.
        if trainer.config().batch_size <= 64 && trainer.config().micro_batch <= 1 << 20 {
            trainer.step(&data).map_err(text)?;
        }
        trainer.save_state(dir).map_err(text)
    });
    states.reseal = |folder: &mut Folder| {
        let tensors = folder.keys().find(|name| name.ends_with(".safetensors"));
        if let Some(tensors) = tensors.cloned() {
            let record = folder.keys().find(|name| name.ends_with(".json")).cloned();
            reseal(folder, &tensors, &record.unwrap_or_default());
        }
    };
    states
}

fn weight_generator() -> Target {
    let folder = |precision, elementwise| {
        written(|dir| {
            let data = dataset();
            let layout = layout(GroupingRule::Appended);
            let normalizer = if elementwise {
                let flat = layout.encode(&weights(&layout, 1)).unwrap();
                let flats = [flat.as_slice(), flat.as_slice()];
                Normalizer::fit(&layout, Normalization::Elementwise, flats).unwrap()
            } else {
                data.normalizer().clone()
            };
            let spec = EncoderId {
                name: "test".into(),
                digest: "0123456789abcdef".into(),
                width: WIDTH,
            };
            let unet = UNet1d::new(&unet(), 1, &Device::flex()).unwrap();
            let norm = NormStats {
                mean: 1.0,
                std: 0.5,
            };
            let options = SampleOptions::noise_end(&NoiseSchedule::ddpm());
            let made = WeightGenerator::new(unet, layout, normalizer, spec, norm, "base", options);
            made.unwrap().save(dir, precision).unwrap();
        })
    };
    let folders = vec![
        folder(Precision::Full, false),
        folder(Precision::Half, true),
    ];
    let mut generators = target("weight_generator", folders, |dir| {
        let generator = WeightGenerator::load(dir, &Device::flex()).map_err(text)?;
        let prompt = EncodedPrompt::new(vec![0.3; generator.encoder().width], 1);
        let prediction = generator.predict(&prompt, &generator.defaults(), &Device::flex());
        let prediction = prediction.map_err(text)?;
        let _ = prediction.norm_warning();
        Ok(())
    });
    generators.reseal = |folder| {
        reseal(
            folder,
            "weight_generator.safetensors",
            "weight_generator.json",
        )
    };
    generators
}

pub(super) fn targets() -> Vec<Target> {
    vec![
        concept_state(),
        pretrain_state(),
        trainer_state(),
        weight_generator(),
    ]
}
