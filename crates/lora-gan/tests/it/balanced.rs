//! Transposed convolutions whose output phases are balanced.

use burn::module::Module;
use burn::tensor::Tensor;
use lora_gan::{GeneratorConfig, HybridGenerator, Pass};
use weight_blocks::{WeightSpace, module_to_named};

use crate::common::{distance, small, small_paper, tensor, trained, values};

fn configs() -> [GeneratorConfig; 2] {
    [small(), small_paper()].map(|config| GeneratorConfig {
        balanced_up: true,
        ..config
    })
}

/// The largest difference of two pixels of a channel in the middle of the image.
fn unevenness(edited: Tensor<4>) -> f32 {
    let [_, channels, height, width] = edited.dims();
    let middle = edited.slice([
        0..1,
        0..channels,
        height / 2 - 8..height / 2 + 8,
        width / 2 - 8..width / 2 + 8,
    ]);
    let pixels = middle.reshape([channels, 256]);
    let range = pixels.clone().max_dim(1) - pixels.min_dim(1);
    values(range).into_iter().fold(0.0, f32::max)
}

#[test]
fn a_flat_photo_is_edited_to_a_flat_one() {
    let device = test_device::device();
    let photo = Tensor::<4>::full([1, 3, 160, 160], 0.3, &device);
    for config in configs() {
        let config = GeneratorConfig {
            image_size: 160,
            ..config
        };
        let edit = |config: &GeneratorConfig| {
            let network = trained(config, 1, &device);
            unevenness(network.forward(photo.clone(), None, Pass::Eval).unwrap())
        };
        let balanced = edit(&config);
        assert!(balanced < 1e-4, "{balanced}");
        let other = edit(&GeneratorConfig {
            balanced_up: false,
            ..config
        });
        assert!(other > 0.01, "{other}");
    }
}

#[test]
fn merged_exported_and_imported_it_edits_alike() {
    let device = test_device::device();
    let photo = tensor([2, 3, 16, 16], 7, &device);
    let dir = tempfile::tempdir().unwrap();
    for config in configs() {
        let network = trained(&config, 2, &device);
        let edit =
            |network: &HybridGenerator| network.forward(photo.clone(), None, Pass::Eval).unwrap();
        let expected = edit(&network);
        let merged = network.clone().merge_adapter();
        assert!(distance(edit(&merged), expected.clone()) < 1e-5);
        network.export(dir.path()).unwrap();
        let imported = HybridGenerator::import(dir.path(), &device).unwrap();
        assert!(distance(edit(&imported), expected.clone()) < 1e-5);
        let peft = dir.path().join("peft");
        network.save_peft(&peft, None).unwrap();
        // A PEFT folder holds the factors as they are, for the base they belong to.
        let base = network
            .clone()
            .with_lora(&config.lora, config.lora_seed)
            .unwrap();
        let back = base.load_peft(&peft, None).unwrap();
        assert!(distance(edit(&back), expected.clone()) < 1e-5);
        // The exported kernels are balanced, so a program that knows nothing of it edits alike too.
        let plain = GeneratorConfig {
            balanced_up: false,
            ..config
        };
        let plain = HybridGenerator::new(&plain, 0, &device).unwrap();
        let plain = weight_blocks::load_named(plain, &module_to_named(&imported).unwrap()).unwrap();
        assert!(distance(edit(&plain), expected) < 1e-5);
    }
}

#[test]
fn the_gradient_of_down_is_that_of_the_edits() {
    let device = test_device::device();
    for config in configs() {
        let mut network = trained(&config, 3, &device).train().train_adapter();
        let photo = tensor([1, 3, 16, 16], 9, &device.clone().autodiff());
        let loss = |network: &HybridGenerator| {
            let edited = network.forward(photo.clone(), None, Pass::Eval).unwrap();
            edited.square().sum()
        };
        let gradient = network
            .adapter_gradients(&mut loss(&network).backward())
            .unwrap();
        let weights = network.read_weights().unwrap();
        let (name, step) = ("up2.lora_A.weight", 1e-3);
        let slope: f32 = gradient[name]
            .data
            .iter()
            .map(|g| g * g)
            .sum::<f32>()
            .sqrt();
        assert!(slope > 1e-3, "{slope}");
        let mut at = |sign: f32| {
            let mut moved = weights.clone();
            let tensor = moved.get_mut(name).unwrap();
            for (value, g) in tensor.data.iter_mut().zip(&gradient[name].data) {
                *value += sign * step * g / slope;
            }
            network.load_weights(&moved).unwrap();
            loss(&network).into_scalar::<f32>()
        };
        let measured = (at(1.0) - at(-1.0)) / (2.0 * step);
        assert!(
            (measured - slope).abs() < 0.01 * slope,
            "{measured} {slope}"
        );
    }
}
