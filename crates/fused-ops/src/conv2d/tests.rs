use burn::tensor::Tensor;
use burn::tensor::module as burn_module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::{AdaptedConv2d, ConvKind, LowRank, conv_transpose2d, conv2d};
use crate::Activation;
use crate::testing::{compare, random};

fn flat(x: Tensor<4>) -> Tensor<1> {
    x.flatten(0, 3)
}

/// Input `[B, C, H, W]`, weight, stride and padding.
type Case = ([usize; 4], [usize; 4], usize, usize);

fn length(dims: [usize; 4]) -> usize {
    dims.iter().product()
}

#[test]
fn convolutions_agree_with_burns() {
    let cases: [Case; 12] = [
        ([2, 5, 9, 7], [4, 5, 3, 3], 1, 1),
        ([2, 5, 10, 8], [4, 5, 3, 3], 2, 1),
        ([1, 6, 9, 11], [3, 6, 4, 4], 2, 1),
        ([2, 3, 8, 8], [5, 3, 4, 4], 1, 1),
        ([1, 2, 12, 9], [4, 2, 7, 7], 1, 0),
        ([3, 4, 6, 5], [7, 4, 1, 1], 1, 0),
        ([2, 4, 6, 5], [3, 4, 1, 1], 2, 0),
        // More pixels and more gathered values than a share takes.
        ([2, 30, 40, 36], [9, 30, 3, 3], 1, 1),
        ([2, 40, 34, 38], [6, 40, 4, 4], 2, 1),
        // A narrow small side.
        ([2, 16, 80, 20], [3, 16, 7, 7], 1, 3),
        ([2, 16, 9, 9], [1, 16, 4, 4], 1, 1),
        ([9, 8, 9, 10], [2, 8, 3, 3], 3, 2),
    ];
    for (input, kernel, stride, padding) in cases {
        for (bias, activation) in [
            (false, Activation::None),
            (true, Activation::None),
            (true, Activation::Relu),
            (false, Activation::LeakyRelu(0.2)),
        ] {
            let layer = |fused: bool| {
                move |t: &[Tensor<1>]| {
                    let x = t[0].clone().reshape(input);
                    let weight = t[1].clone().reshape(kernel);
                    let bias = bias.then(|| t[2].clone());
                    flat(if fused {
                        conv2d(x, weight, bias, stride, padding, activation)
                    } else {
                        let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
                        activation.apply(burn_module::conv2d(x, weight, bias, options))
                    })
                }
            };
            let lengths = [length(input), length(kernel), kernel[0]];
            compare(&lengths, &[true, true, bias], layer(true), layer(false));
        }
    }
}

#[test]
fn transposed_convolutions_agree_with_burns() {
    let cases: [(Case, usize); 7] = [
        (([2, 5, 5, 7], [5, 4, 3, 3], 2, 1), 1),
        (([2, 4, 6, 5], [4, 3, 4, 4], 2, 1), 0),
        (([1, 3, 8, 6], [3, 5, 3, 3], 1, 1), 0),
        (([2, 6, 5, 5], [6, 2, 3, 3], 2, 0), 0),
        (([1, 4, 4, 5], [4, 4, 2, 2], 3, 0), 1),
        (([2, 24, 20, 18], [24, 10, 4, 4], 2, 1), 0),
        (([1, 2, 9, 9], [2, 16, 3, 3], 1, 1), 0),
    ];
    for ((input, kernel, stride, padding), more) in cases {
        for (bias, activation) in [(false, Activation::None), (true, Activation::Relu)] {
            let layer = |fused: bool| {
                move |t: &[Tensor<1>]| {
                    let x = t[0].clone().reshape(input);
                    let weight = t[1].clone().reshape(kernel);
                    let bias = bias.then(|| t[2].clone());
                    flat(if fused {
                        conv_transpose2d(x, weight, bias, stride, padding, more, activation)
                    } else {
                        let options = ConvTransposeOptions::new(
                            [stride; 2],
                            [padding; 2],
                            [more; 2],
                            [1, 1],
                            1,
                        );
                        activation.apply(burn_module::conv_transpose2d(x, weight, bias, options))
                    })
                }
            };
            let lengths = [length(input), length(kernel), kernel[1]];
            compare(&lengths, &[true, true, bias], layer(true), layer(false));
        }
    }
}

/// Input, weight, and the kind of convolution.
const ADAPTED: [([usize; 4], [usize; 4], ConvKind); 6] = {
    const fn down(stride: usize, padding: usize) -> ConvKind {
        ConvKind::Down { stride, padding }
    }
    const fn up(stride: usize, padding: usize, output_padding: usize) -> ConvKind {
        ConvKind::Up {
            stride,
            padding,
            output_padding,
        }
    }
    [
        ([2, 12, 20, 18], [9, 12, 3, 3], down(1, 1)),
        ([2, 12, 20, 18], [9, 12, 3, 3], down(2, 1)),
        ([2, 3, 12, 12], [8, 3, 7, 7], down(1, 3)),
        ([2, 12, 12, 12], [3, 12, 7, 7], down(1, 3)),
        ([2, 12, 6, 7], [12, 5, 3, 3], up(2, 1, 1)),
        ([2, 10, 7, 6], [10, 5, 4, 4], up(2, 1, 0)),
    ]
};

fn adapted(
    (input, kernel, kind): ([usize; 4], [usize; 4], ConvKind),
    (gain, update, activation): (bool, bool, Activation),
    bias_factor: f64,
    fused: bool,
) -> (Vec<usize>, impl Fn(&[Tensor<1>]) -> Tensor<1>) {
    let [a, b, kh, kw] = kernel;
    let (inputs, outputs) = match kind {
        ConvKind::Down { .. } => (b, a),
        ConvKind::Up { .. } => (a, b),
    };
    let (rank, fan_in) = (2, inputs * kh * kw);
    let lengths = vec![
        length(input),
        length(kernel),
        outputs,
        outputs,
        rank * fan_in,
        outputs * rank,
    ];
    let layer = move |t: &[Tensor<1>]| {
        let layer = AdaptedConv2d {
            weight: t[1].clone().reshape(kernel),
            bias: t[2].clone().mul_scalar(bias_factor),
            gain: gain.then(|| t[3].clone()),
            update: update.then(|| LowRank {
                down: t[4].clone().reshape([rank, fan_in]),
                up: t[5].clone().reshape([outputs, rank]),
                scale: 0.7,
            }),
            kind,
            activation,
        };
        let x = t[0].clone().reshape(input);
        flat(if fused {
            layer.forward(x)
        } else {
            layer.compose(x)
        })
    };
    (lengths, layer)
}

#[test]
fn adapted_layers_agree_with_the_merged_convolution() {
    for case in ADAPTED {
        for activation in [
            Activation::None,
            Activation::Relu,
            Activation::LeakyRelu(0.2),
        ] {
            for (gain, update) in [(true, true), (false, true), (true, false), (false, false)] {
                let options = (gain, update, activation);
                let (lengths, fused) = adapted(case, options, 1.0, true);
                let (_, composed) = adapted(case, options, 1.0, false);
                let used = [true, true, true, gain, update, update];
                compare(&lengths, &used, fused, composed);
            }
        }
    }
}

/// The gain's gradient is read off the output, whose digits a bias a million times larger would leave no room for.
#[test]
fn gradients_of_gains_survive_large_biases() {
    for activation in [Activation::None, Activation::Relu] {
        for case in [ADAPTED[0], ADAPTED[4]] {
            let options = (true, true, activation);
            let (lengths, fused) = adapted(case, options, 1e6, true);
            let (_, composed) = adapted(case, options, 1e6, false);
            compare(&lengths, &[true; 6], fused, composed);
        }
    }
}

/// Threads share work, and their number must not show.
#[test]
fn threads_do_not_change_values() {
    let (x, weight) = (random([3, 24, 33, 31], 1), random([17, 24, 3, 3], 2));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let x = x.clone().autodiff().require_grad();
            let weight = weight.clone().autodiff().require_grad();
            let y = conv2d(x.clone(), weight.clone(), None, 1, 1, Activation::Relu);
            let grads = y.clone().square().sum().backward();
            [
                y.without_autodiff(),
                x.grad(&grads).unwrap(),
                weight.grad(&grads).unwrap(),
            ]
            .map(|t| t.into_data().try_to_vec::<f32>().unwrap())
        })
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(5));
}
