//! The two terms that the adversarial losses and Eq. 4 are made of.

use burn::tensor::Tensor;

/// Mean binary cross-entropy on logits against one label for all, in the form that never
/// overflows: `max(x, 0) − x·y + ln(1 + e^−|x|)` (PyTorch's `BCEWithLogitsLoss`).
pub fn bce_with_logits<const D: usize>(logits: Tensor<D>, real: bool) -> Tensor<1> {
    let size = logits.clone().abs();
    let tail = size.clone().neg().exp().log1p();
    // max(±x, 0) as (|x| ± x)/2: the same value, and the gradient ±1/2 at 0, where both a ReLU's and
    // the tail's are 0.
    let hinge = if real { size - logits } else { size + logits };
    (hinge.mul_scalar(0.5) + tail).mean()
}

/// Mean absolute difference.
pub fn l1_loss(edited: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    (edited - target).abs().mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn logits(values: [f32; 2]) -> Tensor<4> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([1, 1, 1, 2])
    }

    #[test]
    fn bce_equals_the_literal_values() {
        // ln(1 + e^-2) = 0.126928, ln(1 + e^1) = 1.313262
        let loss = bce_with_logits(logits([2.0, -1.0]), true).into_scalar::<f32>();
        assert!(
            (loss - (0.126_928 + 1.313_262) / 2.0).abs() < 1e-5,
            "{loss}"
        );
        let loss = bce_with_logits(logits([2.0, -1.0]), false).into_scalar::<f32>();
        assert!(
            (loss - (2.126_928 + 0.313_262) / 2.0).abs() < 1e-5,
            "{loss}"
        );
    }

    #[test]
    fn bce_stays_finite_on_huge_logits() {
        let loss = bce_with_logits(logits([1e30, -1e30]), true).into_scalar::<f32>();
        assert!(loss.is_finite());
    }
}
