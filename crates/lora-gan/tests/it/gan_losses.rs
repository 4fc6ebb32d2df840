//! Adversarial, pixel and perceptual losses against PyTorch (tools/gan_fixtures.py).

use burn::tensor::Tensor;
use burn::tensor::activation::tanh;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use lora_gan::losses::{FeatureDistance, FeatureMaps, PerceptualLoss};
use lora_gan::{Error, GanLoss, l1_loss};
use test_parity::{close, host};

use crate::fixture;

const TOLERANCE: f32 = 1e-5;

const ALL: [(GanLoss, &str); 5] = [
    (GanLoss::Vanilla, "vanilla"),
    (GanLoss::NonSaturating, "non_saturating"),
    (GanLoss::LeastSquares, "least_squares"),
    (GanLoss::Hinge, "hinge"),
    (GanLoss::Wasserstein, "wasserstein"),
];

#[test]
fn values_and_gradients_equal_pytorch() {
    let fixture = fixture("gan_losses.safetensors");
    let device = test_device::device().autodiff();
    let leaf = |name| fixture.tensor::<4>(name, &device).require_grad();
    for (loss, name) in ALL {
        let check = |what: &str, found| {
            let what = format!("{name}/{what}");
            close(&what, &found, fixture.host(&what), TOLERANCE);
        };
        let (real, fake) = (leaf("real"), leaf("fake"));
        let value = loss.discriminator(real.clone(), fake.clone());
        check("discriminator", host(value.clone()));
        let grads = value.backward();
        check("real", host(real.grad(&grads).unwrap()));
        check("fake", host(fake.grad(&grads).unwrap()));
        let fake = leaf("fake");
        let value = loss.generator(fake.clone());
        check("generator", host(value.clone()));
        let grads = value.backward();
        check("generator_fake", host(fake.grad(&grads).unwrap()));
    }
}

#[test]
fn names_are_stable_and_vanilla_is_the_default() {
    for (loss, name) in ALL {
        assert_eq!(serde_json::to_string(&loss).unwrap(), format!("\"{name}\""));
    }
    assert_eq!(GanLoss::default(), GanLoss::Vanilla);
}

/// The fixture's two convolutions with tanh.
struct Convolutions([Tensor<4>; 2]);

impl FeatureMaps for Convolutions {
    fn feature_maps(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let conv = |x, i: usize, stride, pad| {
            let options = ConvOptions::new([stride; 2], [pad; 2], [1, 1], 1);
            tanh(conv2d(x, self.0[i].clone(), None, options))
        };
        let first = conv(images, 0, 1, 1);
        vec![first.clone(), conv(first, 1, 2, 0)]
    }
}

#[test]
fn pixel_and_perceptual_losses_equal_pytorch() {
    let fixture = fixture("gan_losses.safetensors");
    let device = test_device::device().autodiff();
    let network = Convolutions([0, 1].map(|i| fixture.tensor(&format!("kernel{i}"), &device)));
    let edited = || fixture.tensor::<4>("edited", &device).require_grad();
    let target = || fixture.tensor::<4>("target", &device).require_grad();
    for (distance, name) in [(FeatureDistance::L1, "l1"), (FeatureDistance::L2, "l2")] {
        let loss = PerceptualLoss {
            distance,
            weights: vec![0.5, 2.0],
        };
        let (edited, target) = (edited(), target());
        let value = loss
            .forward(&network, edited.clone(), target.clone())
            .unwrap();
        let what = format!("perceptual_{name}");
        close(&what, &host(value.clone()), fixture.host(&what), TOLERANCE);
        let grads = value.backward();
        let what = format!("perceptual_{name}_grad");
        let gradient = host(edited.grad(&grads).unwrap());
        close(&what, &gradient, fixture.host(&what), TOLERANCE);
        assert!(target.grad(&grads).is_none());
    }
    let edited = edited();
    let value = l1_loss(edited.clone(), target());
    close("l1", &host(value.clone()), fixture.host("l1"), TOLERANCE);
    let gradient = host(edited.grad(&value.backward()).unwrap());
    close("l1_grad", &gradient, fixture.host("l1_grad"), TOLERANCE);
}

#[test]
fn a_perceptual_loss_refuses_other_numbers_of_maps() {
    let device = test_device::device();
    let images = || Tensor::<4>::ones([1, 3, 8, 8], &device);
    let kernels = [
        Tensor::ones([1, 3, 3, 3], &device),
        Tensor::ones([1, 1, 3, 3], &device),
    ];
    let loss = PerceptualLoss {
        weights: vec![1.0; 3],
        ..PerceptualLoss::default()
    };
    let error = loss
        .forward(&Convolutions(kernels), images(), images())
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Config {
                field: "weights",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("3 numbers"), "{error}");

    struct Nothing;
    impl FeatureMaps for Nothing {
        fn feature_maps(&self, _: Tensor<4>) -> Vec<Tensor<4>> {
            Vec::new()
        }
    }
    let empty = PerceptualLoss::default().forward(&Nothing, images(), images());
    assert!(empty.is_err());
}
