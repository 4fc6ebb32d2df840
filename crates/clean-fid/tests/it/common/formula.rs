//! Numbers that `tools/clean_fid_fixtures.py` computes in the same way, so that they need not be shipped.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// Entry `index` of the tensor called `name`.
pub(crate) struct Formula(u32);

impl Formula {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.bytes().fold(0x811c_9dc5, |state, byte| {
            (state ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        }))
    }

    pub(crate) fn hash(&self, index: usize) -> u32 {
        let mut x = (index as u32)
            .wrapping_mul(0x9e37_79b9)
            .wrapping_add(self.0);
        x ^= x >> 16;
        x = x.wrapping_mul(0x7feb_352d);
        x ^= x >> 15;
        x = x.wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    }

    /// In 0..1.
    pub(crate) fn uniform(&self, index: usize) -> f64 {
        f64::from(self.hash(index) >> 8) / f64::from(1 << 24)
    }
}

/// Bytes of a noise image, `height × width × 3`.
pub(crate) fn noise_image(name: &str, height: usize, width: usize) -> Vec<u8> {
    let formula = Formula::new(name);
    (0..height * width * 3)
        .map(|i| (formula.hash(i) >> 24) as u8)
        .collect()
}

/// A safetensors file of InceptionV3 with the weights of the formula; `shapes` is JSON of names and shapes.
pub(crate) fn inception_file(shapes: &str, leave_out: &str) -> Vec<u8> {
    let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_str(shapes).unwrap();
    let tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .filter(|(name, _)| name != leave_out)
        .map(|(name, shape)| {
            if name.ends_with("num_batches_tracked") {
                return (name, Dtype::I64, shape, vec![0; 8]);
            }
            let formula = Formula::new(&name);
            let count: usize = shape.iter().product();
            let fan_in: usize = shape.iter().skip(1).product();
            let bound = (6.0 / fan_in as f64).sqrt();
            let data = (0..count)
                .flat_map(|i| {
                    let u = formula.uniform(i);
                    let value = if name.ends_with("conv.weight") {
                        (2.0 * u - 1.0) * bound
                    } else if name.ends_with("bn.weight") || name.ends_with("running_var") {
                        0.8 + 0.4 * u
                    } else {
                        0.2 * u - 0.1
                    };
                    (value as f32).to_le_bytes()
                })
                .collect();
            (name, Dtype::F32, shape, data)
        })
        .collect();
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        let view = TensorView::new(*dtype, shape.clone(), data).unwrap();
        (name.as_str(), view)
    });
    safetensors::serialize(views, None).unwrap()
}
