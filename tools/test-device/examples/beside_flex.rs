//! Prints how far a device's results are from flex's in the operations that were found to go wrong: long sums, enlarged
//! images, and EfficientNet-Lite0's kinds of convolution (docs/devices.md).
//!
//! ```sh
//! TEST_DEVICE=wgpu cargo run --release -p test-device --features wgpu --example beside_flex
//! ```

use std::error::Error;

use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Distribution, Tensor};

/// Prints the relative L2 distance of `found` to `expected`.
fn compare<const D: usize>(
    what: &str,
    expected: Tensor<D>,
    found: Tensor<D>,
) -> Result<(), Box<dyn Error>> {
    let expected = expected.into_data().try_into_vec::<f32>()?;
    let found = found.into_data().try_into_vec::<f32>()?;
    let norm = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
    };
    let distance = norm(&mut expected.iter().zip(&found).map(|(a, b)| a - b));
    println!(
        "{:.1e}  {what}",
        distance / norm(&mut expected.iter().copied())
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let (flex, device) = (Device::flex(), test_device::device());
    flex.seed(0);
    let random =
        |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &flex);
    for n in [100_000, 1_000_000, 1_200_003] {
        let x = random([1, 1, 1, n]);
        let sum = |x: Tensor<4>| x.square().sum();
        compare(
            &format!("sum of {n} squares"),
            sum(x.clone()),
            sum(x.to_device(&device)),
        )?;
    }
    let image = Tensor::<4>::random([2, 3, 128, 128], Distribution::Default, &flex);
    for to in [96, 224] {
        let resized = |x: Tensor<4>| {
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(false)
                .with_output_size([to, to]);
            interpolate(x, options)
        };
        compare(
            &format!("bilinear, 128 to {to} pixels"),
            resized(image.clone()),
            resized(image.clone().to_device(&device)),
        )?;
    }
    for (inputs, outputs, groups, kernel, stride, size, before, after) in [
        (3, 32, 1, 3, 2, 96, 0, 1),
        (3, 32, 1, 3, 2, 97, 1, 1),
        (32, 32, 32, 3, 1, 48, 1, 1),
        (96, 96, 96, 3, 2, 48, 0, 1),
        (144, 144, 144, 5, 2, 24, 1, 2),
        (240, 240, 240, 5, 1, 12, 2, 2),
        (32, 16, 1, 1, 1, 48, 0, 0),
        (320, 1280, 1, 1, 1, 3, 0, 0),
    ] {
        let (x, weight) = (
            random([2, inputs, size, size]),
            random([outputs, inputs / groups, kernel, kernel]),
        );
        let convolved = |x: Tensor<4>, weight: Tensor<4>| {
            let padding = [(before, after); 2];
            let options = ConvOptions::new_with_padding([stride; 2], padding, [1, 1], groups);
            conv2d(x, weight, None, options)
        };
        compare(
            &format!(
                "convolution {inputs} to {outputs}, {groups} groups, {kernel}×{kernel}, stride {stride}"
            ),
            convolved(x.clone(), weight.clone()),
            convolved(x.to_device(&device), weight.to_device(&device)),
        )?;
    }
    Ok(())
}
