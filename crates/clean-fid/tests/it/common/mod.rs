//! Reading fixtures.

pub(crate) mod formula;

use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use clean_fid::FeatureSet;
use safetensors::SafeTensors;

pub(crate) struct Fixture(Vec<u8>);

impl Fixture {
    pub(crate) fn open(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name);
        Self(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    pub(crate) fn floats(&self, name: &str) -> (Vec<f32>, Vec<usize>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let values = view
            .data()
            .chunks_exact(4)
            .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        (values, view.shape().to_vec())
    }

    pub(crate) fn doubles(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.tensor(name)
            .unwrap()
            .data()
            .chunks_exact(8)
            .map(|c| f64::from_le_bytes(c.try_into().unwrap()))
            .collect()
    }

    pub(crate) fn bytes(&self, name: &str) -> (Vec<u8>, Vec<usize>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        (view.data().to_vec(), view.shape().to_vec())
    }

    /// Names that end in `suffix`, without it.
    pub(crate) fn names(&self, suffix: &str) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let mut names: Vec<String> = file
            .names()
            .iter()
            .filter_map(|name| name.strip_suffix(suffix).map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    pub(crate) fn metadata(&self, key: &str) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.0).unwrap();
        header.metadata().as_ref().unwrap()[key].clone()
    }

    pub(crate) fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (values, shape) = self.floats(name);
        Tensor::from_data(TensorData::new(values, shape), &test_device::device())
    }

    pub(crate) fn set(&self, name: &str) -> FeatureSet {
        let (values, shape) = self.floats(name);
        FeatureSet::from_rows(values, shape[1]).unwrap()
    }
}

/// A fixture that is not a safetensors file.
pub(crate) fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The weights in the repository.
pub(crate) fn asset() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../assets/efficientnet-lite0/efficientnet-lite0.safetensors")
}

pub(crate) fn assert_relative(ours: f64, theirs: f64, bound: f64, what: &str) {
    let error = (ours / theirs - 1.0).abs();
    assert!(
        error <= bound,
        "{what}: {ours} against {theirs}, off by {error:e}"
    );
}
