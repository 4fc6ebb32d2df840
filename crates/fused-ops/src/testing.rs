//! Comparing a kernel with its composition of tensor operations.

use burn::tensor::{Device, Distribution, Tensor};

/// Outputs and gradients of all `used` inputs, of the given lengths, agree.
pub(crate) fn compare(
    lengths: &[usize],
    used: &[bool],
    kernel: impl Fn(&[Tensor<1>]) -> Tensor<1>,
    composed: impl Fn(&[Tensor<1>]) -> Tensor<1>,
) {
    let plain = Device::flex();
    let random =
        |length: usize| Tensor::<1>::random([length], Distribution::Normal(0.0, 1.0), &plain);
    let inputs: Vec<Tensor<1>> = lengths.iter().map(|length| random(*length)).collect();
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
        let probe = probe.unwrap_or_else(|| random(output.dims()[0]));
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
