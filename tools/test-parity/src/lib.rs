//! Comparison of networks with values of the reference libraries, for this workspace's tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use tensor_file::{HostTensor, NamedTensors, load_safetensors, save_safetensors};
use weight_blocks::module::gradients_to_named;
use weight_blocks::{load_named, module_to_named};

/// The bound for networks and losses: largest difference, relative to the reference's largest value.
pub const TOLERANCE: f32 = 1e-4;

/// The tensors of a fixture, by name.
#[derive(Debug)]
pub struct Fixture(NamedTensors);

impl Fixture {
    /// Reads a safetensors file.
    pub fn load(path: &Path) -> Self {
        Self(load_safetensors(path).unwrap().0)
    }

    /// The tensor `name`.
    pub fn host(&self, name: &str) -> &HostTensor {
        &self.0[name]
    }

    /// The tensor `name` on a device.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let tensor = self.host(name);
        let shape: [usize; D] = tensor.shape.clone().try_into().unwrap();
        Tensor::from_data(TensorData::new(tensor.data.clone(), shape), device)
    }

    /// The tensors called `prefix/NAME`, by NAME.
    pub fn under(&self, prefix: &str) -> NamedTensors {
        self.0
            .iter()
            .filter_map(|(name, tensor)| {
                let rest = name.strip_prefix(prefix)?.strip_prefix('/')?;
                Some((rest.to_owned(), tensor.clone()))
            })
            .collect()
    }

    /// A file with the weights under `prefix`, for the loaders under test.
    pub fn weights_file(&self, prefix: &str) -> tempfile::TempPath {
        let file = tempfile::Builder::new()
            .suffix(".safetensors")
            .tempfile()
            .unwrap()
            .into_temp_path();
        save_safetensors(&file, &self.under(prefix), &BTreeMap::new()).unwrap();
        file
    }

    /// `module` with all of the weights under `prefix`, which have the module's names.
    pub fn fill<M: Module>(&self, module: M, prefix: &str) -> M {
        let weights = self.under(prefix);
        let shapes = |tensors: &NamedTensors| -> Vec<(String, Vec<usize>)> {
            let shape = |(name, t): (&String, &HostTensor)| (name.clone(), t.shape.clone());
            tensors.iter().map(shape).collect()
        };
        assert_eq!(shapes(&module_to_named(&module).unwrap()), shapes(&weights));
        load_named(module, &weights).unwrap()
    }
}

/// A tensor on the host.
pub fn host<const D: usize>(x: Tensor<D>) -> HostTensor {
    let shape = x.dims().to_vec();
    let data = x.without_autodiff().into_data().try_into_vec::<f32>();
    HostTensor::new(shape, data.unwrap()).unwrap()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Largest difference, relative to the reference's largest value.
pub fn error(found: &HostTensor, reference: &HostTensor) -> f32 {
    error_against(found, reference, largest(&reference.data))
}

fn error_against(found: &HostTensor, reference: &HostTensor, scale: f32) -> f32 {
    assert_eq!(found.shape, reference.shape);
    assert!(found.data.iter().all(|v| v.is_finite()));
    let differences: Vec<f32> = found
        .data
        .iter()
        .zip(&reference.data)
        .map(|(a, b)| a - b)
        .collect();
    largest(&differences) / scale
}

/// Asserts that the [`error`] is at most `tolerance`.
pub fn close(what: &str, found: &HostTensor, reference: &HostTensor, tolerance: f32) {
    let error = error(found, reference);
    eprintln!("{what}: {error:.1e}");
    assert!(error <= tolerance, "{what}: {error:e}");
}

/// Compares every gradient of the reference. One that is zero but for the reference's rounding (a
/// bias before an instance norm) is measured against the largest of all.
pub fn close_all(what: &str, found: &NamedTensors, reference: &NamedTensors, tolerance: f32) {
    let overall = reference
        .values()
        .map(|t| largest(&t.data))
        .fold(0.0, f32::max);
    let mut worst = (0.0, String::new());
    for (name, reference) in reference {
        let own = largest(&reference.data);
        let scale = if own < 1e-9 * overall { overall } else { own };
        let zero = HostTensor {
            shape: reference.shape.clone(),
            data: vec![0.0; reference.data.len()],
        };
        let found = match found.get(name) {
            Some(found) => found,
            // Nothing depends on it: no gradient is a gradient of zero.
            None if own == 0.0 => &zero,
            None => panic!("{what}: no gradient of {name}"),
        };
        let error = error_against(found, reference, scale);
        assert!(error <= tolerance, "{what} {name}: {error:e}");
        if error > worst.0 {
            worst = (error, name.clone());
        }
    }
    eprintln!(
        "{what}: {} tensors, worst {:.1e} ({})",
        reference.len(),
        worst.0,
        worst.1
    );
}

/// The gradients of `module` under the names of `rename`.
pub fn gradients<M: Module>(
    module: &M,
    gradients: &mut Gradients,
    rename: impl Fn(&str) -> String,
) -> NamedTensors {
    gradients_to_named(module, gradients)
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| (rename(&name), tensor))
        .collect()
}
