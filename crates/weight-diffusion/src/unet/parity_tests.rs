//! Blocks against Hugging Face diffusers on PyTorch (tools/unet_fixtures.py): outputs and gradients.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use tensor_file::load_safetensors;
use weight_blocks::module::gradients_to_named;
use weight_blocks::{NamedTensors, load_named};

use super::attention::{Context, TransformerBlock};
use super::blocks::ResBlock;
use super::init::Init;

fn fixture() -> NamedTensors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/unet_blocks.safetensors");
    load_safetensors(&path).unwrap().0
}

/// The tensors below `prefix`, without it.
fn below(all: &NamedTensors, prefix: &str) -> NamedTensors {
    let strip = |(name, tensor): (&String, &_)| {
        Some((name.strip_prefix(prefix)?.to_owned(), Clone::clone(tensor)))
    };
    all.iter().filter_map(strip).collect()
}

fn tensor<const D: usize>(all: &NamedTensors, name: &str, device: &Device) -> Tensor<D> {
    let value = &all[name];
    let shape: [usize; D] = value.shape.clone().try_into().unwrap();
    Tensor::from_data(TensorData::new(value.data.clone(), shape), device)
}

/// Within 1e-4 of the larger of 1 and the value.
fn near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let tolerance = 1e-4 * e.abs().max(1.0);
        assert!((f - e).abs() <= tolerance, "{what} {i}: {f} is not {e}");
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

fn compare_gradients<M: Module>(kind: &str, block: &M, all: &NamedTensors, found: &mut Gradients) {
    let found = gradients_to_named(block, found).unwrap();
    let expected = below(all, &format!("{kind}/gradient/"));
    let names = |tensors: &NamedTensors| tensors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (name, expected) in &expected {
        near(
            &format!("{kind}: gradient of {name}"),
            &found[name].data,
            &expected.data,
        );
        assert_eq!(found[name].shape, expected.shape, "{name}");
    }
}

#[test]
fn transformer_blocks_are_those_of_diffusers() {
    let all = fixture();
    let device = Device::flex().autodiff();
    let block = TransformerBlock::new(8, 6, 2, 2, &mut Init::new(1, &device));
    let block = load_named(block, &below(&all, "transformer/weight/")).unwrap();
    let x = tensor::<3>(&all, "transformer/x", &device).require_grad();
    let tokens = tensor::<3>(&all, "transformer/context", &device).require_grad();
    let mask = tensor::<2>(&all, "transformer/mask", &device).greater_elem(0.5);
    let context = Context::new(tokens.clone(), mask);
    let output = block.forward(x.clone(), &context);
    let expected = &all["transformer/output"].data;
    near(
        "output",
        &values(output.clone().without_autodiff()),
        expected,
    );

    let probe = tensor::<3>(&all, "transformer/probe", &device);
    let mut gradients = (output * probe).sum().backward();
    for (name, input) in [("gradient_x", &x), ("gradient_context", &tokens)] {
        let found = values(input.grad(&gradients).unwrap());
        near(name, &found, &all[&format!("transformer/{name}")].data);
    }
    compare_gradients("transformer", &block, &all, &mut gradients);
}

#[test]
fn residual_blocks_are_those_of_diffusers() {
    let all = fixture();
    let device = Device::flex().autodiff();
    for (kind, outputs) in [("residual", 12), ("residual_same", 8)] {
        let block = ResBlock::new(8, outputs, 10, 4, &mut Init::new(1, &device));
        let block = load_named(block, &below(&all, &format!("{kind}/weight/"))).unwrap();
        let x = tensor::<3>(&all, &format!("{kind}/x"), &device).require_grad();
        let embedding = tensor::<2>(&all, &format!("{kind}/embedding"), &device).require_grad();
        let output = block.forward(x.clone(), embedding.clone());
        let expected = &all[&format!("{kind}/output")].data;
        near(kind, &values(output.clone().without_autodiff()), expected);

        let probe = tensor::<3>(&all, &format!("{kind}/probe"), &device);
        let mut gradients = (output * probe).sum().backward();
        let found = values(x.grad(&gradients).unwrap());
        near(
            "gradient of x",
            &found,
            &all[&format!("{kind}/gradient_x")].data,
        );
        let found = values(embedding.grad(&gradients).unwrap());
        let expected = &all[&format!("{kind}/gradient_embedding")].data;
        near("gradient of the embedding", &found, expected);
        compare_gradients(kind, &block, &all, &mut gradients);
    }
}
