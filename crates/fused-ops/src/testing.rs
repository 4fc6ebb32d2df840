//! Comparing a kernel with its composition of tensor operations.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Values of mean 0 and variance 1, the same for the same seed and shape.
pub(crate) fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let root = 3f32.sqrt();
    let values = (0..shape.iter().product())
        .map(|_| rng.random_range(-root..root))
        .collect();
    Tensor::from_data(TensorData::new::<f32, _>(values, shape), &Device::flex())
}

/// Outputs and gradients of all `used` inputs, of the given lengths, agree.
pub(crate) fn compare(
    lengths: &[usize],
    used: &[bool],
    kernel: impl Fn(&[Tensor<1>]) -> Tensor<1>,
    composed: impl Fn(&[Tensor<1>]) -> Tensor<1>,
) {
    let inputs: Vec<Tensor<1>> = (lengths.iter().zip(1..))
        .map(|(length, seed)| random([*length], seed))
        .collect();
    close(
        "output without autodiff",
        kernel(&inputs),
        composed(&inputs),
    );

    let run = |layer: &dyn Fn(&[Tensor<1>]) -> Tensor<1>, probe: Option<Tensor<1>>| {
        let leaves: Vec<Tensor<1>> = (inputs.iter())
            .map(|input| input.clone().autodiff().require_grad())
            .collect();
        let output = layer(&leaves);
        let probe = probe.unwrap_or_else(|| random(output.dims(), 0));
        let grads = (output.clone() * probe.clone().autodiff()).sum().backward();
        let gradients: Vec<Option<Tensor<1>>> =
            leaves.iter().map(|leaf| leaf.grad(&grads)).collect();
        (output.without_autodiff(), gradients, probe)
    };
    let (output, gradients, probe) = run(&kernel, None);
    let (expected, expected_gradients, _) = run(&composed, Some(probe));
    close("output", output, expected);
    for (i, used) in used.iter().enumerate() {
        match (&gradients[i], &expected_gradients[i]) {
            (Some(found), Some(expected)) if *used => {
                close(
                    &format!("gradient of input {i}"),
                    found.clone(),
                    expected.clone(),
                );
            }
            (None, None) if !used => {}
            (found, expected) => panic!(
                "input {i}: a gradient from the kernel {}, from the composition {}",
                found.is_some(),
                expected.is_some()
            ),
        }
    }
}

/// Largest difference at most 2e-5 of the largest value.
pub(crate) fn close(what: &str, found: Tensor<1>, expected: Tensor<1>) {
    let largest = expected.clone().abs().max().into_scalar::<f32>();
    let difference = (found - expected).abs().max().into_scalar::<f32>();
    assert!(
        difference <= 2e-5 * largest.max(1.0),
        "{what}: off by {difference} where values go up to {largest}"
    );
}
