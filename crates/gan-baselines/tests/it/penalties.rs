//! R1 and WGAN-GP against PyTorch's `create_graph=True` (tools/gan_fixtures.py).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gan_baselines::{CoModConfig, CoModDiscriminator, Critic, Error, gradient_penalty, r1_penalty};
use lora_gan::{NormKind, PatchGan, PatchGanConfig};
use test_parity::{Fixture, TOLERANCE, close, close_all, gradients, host};
use weight_blocks::NamedTensors;

use crate::fixture;

/// Value and gradients of both penalties, those of names in `biases` within a bound of their own.
fn check<C: Critic>(
    what: &str,
    fixture: &Fixture,
    critic: &C,
    rename: impl Fn(&str) -> String,
    biases: (&str, f32),
) {
    let device = test_device::device().autodiff();
    let photo = || fixture.tensor::<4>("photo", &device);
    let x = || fixture.tensor::<4>("x", &device);
    let penalties = [
        ("r1", r1_penalty(critic, photo(), x(), 10.0).unwrap()),
        // Between an image and itself there is one point.
        (
            "gp",
            gradient_penalty(critic, photo(), x(), x(), 10.0, 7).unwrap(),
        ),
    ];
    for (kind, penalty) in penalties {
        let what = format!("{what} {kind}");
        close(&what, &host(penalty.clone()), fixture.host(kind), TOLERANCE);
        let found = gradients(critic, &mut penalty.backward(), &rename);
        let (bias, weight): (NamedTensors, NamedTensors) = fixture
            .under(kind)
            .into_iter()
            .partition(|(name, _)| name.ends_with(biases.0));
        close_all(&format!("{what} by weights"), &found, &weight, TOLERANCE);
        close_all(&format!("{what} by biases"), &found, &bias, biases.1);
    }
}

/// Names of `NLayerDiscriminator`, by those of the Rust module.
fn patchgan_name(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let i: usize = parts[1].parse().unwrap();
    let at = if i == 0 { 0 } else { 3 * i - 1 };
    match parts.as_slice() {
        [_, _, "norm", leaf] => format!("model.{}.{leaf}", at + 1),
        [_, _, leaf] => format!("model.{at}.{leaf}"),
        other => panic!("{other:?}"),
    }
}

fn patchgan(norm: NormKind) -> (PatchGan, Fixture) {
    let name = if norm == NormKind::Batch {
        "batch"
    } else {
        "instance"
    };
    let fixture = fixture(&format!("penalty_patchgan_{name}.safetensors"));
    let config = PatchGanConfig {
        width: 4,
        layers: 3,
        norm,
    };
    let critic = PatchGan::new(&config, 0, &test_device::device().autodiff()).unwrap();
    let critic = critic
        .load_state_dict(&fixture.weights_file("weight"))
        .unwrap();
    (critic, fixture)
}

#[test]
fn penalties_of_a_patchgan_equal_pytorch() {
    for (norm, name) in [(NormKind::Batch, "batch"), (NormKind::Instance, "instance")] {
        let (critic, fixture) = patchgan(norm);
        check(name, &fixture, &critic, patchgan_name, ("bias", TOLERANCE));
    }
}

#[test]
fn penalties_of_comods_discriminator_equal_pytorch() {
    let fixture = fixture("penalty_comod.safetensors");
    let config = CoModConfig {
        image_size: 16,
        width_base: 32,
        width_max: 8,
        minibatch_group: 2,
        ..CoModConfig::compact()
    };
    let critic = CoModDiscriminator::new(&config, 0, &test_device::device().autodiff()).unwrap();
    let critic = fixture.fill(critic, "weight");
    // A bias moves the gradient by the minibatch deviation only, by sums that all but cancel: PyTorch
    // itself, in float32 on this fixture, is 2e-4 off its float64 values.
    check("comod", &fixture, &critic, str::to_owned, ("bias", 1e-3));
}

/// D(x) = w · Σx² / 2 for an image x: ∇D = w·x.
#[derive(Module, Debug)]
struct Bowl {
    w: burn::module::Param<Tensor<1>>,
}

impl Critic for Bowl {
    fn sum(&self, _: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<1>, Error> {
        Ok(edited.square().sum().mul_scalar(0.5) * self.w.val())
    }

    fn sum_along(
        &self,
        _: Tensor<4>,
        edited: Tensor<4>,
        direction: Tensor<4>,
    ) -> Result<Tensor<1>, Error> {
        Ok((edited * direction).sum() * self.w.val())
    }
}

#[test]
fn wgan_gp_takes_seeded_points_between_real_and_fake() {
    let device = test_device::device().autodiff();
    let bowl = Bowl {
        w: burn::module::Param::from_tensor(Tensor::from_floats([2.0], &device)),
    };
    // One pixel per image, 0 (fake) to 4 (real): at the share u the gradient is 8u.
    let real = Tensor::<4>::full([2000, 1, 1, 1], 4.0, &device);
    let fake = real.zeros_like();
    let run = |seed| {
        let penalty =
            gradient_penalty(&bowl, real.clone(), real.clone(), fake.clone(), 1.0, seed).unwrap();
        let value = host(penalty.clone()).data[0];
        let slope = gradients(&bowl, &mut penalty.backward(), str::to_owned)["w"].data[0];
        (value, slope)
    };
    let (value, slope) = run(3);
    // E (8u − 1)² = 64/3 − 8 + 1 = 14.33; its derivative by w is E 2(8u − 1)·4u = 64/3 − 4 = 17.33.
    // Deviations are about 15 per point, so 0.35 for the mean; four of them are 1.4.
    assert!((value - 14.333).abs() < 1.4, "{value}");
    assert!((slope - 17.333).abs() < 1.4, "{slope}");
    assert_eq!(run(3), (value, slope));
    assert_ne!(run(4).0, value);
}

#[test]
fn no_gradient_reaches_the_images_and_zero_gradients_stay_finite() {
    let device = test_device::device().autodiff();
    let bowl = Bowl {
        w: burn::module::Param::from_tensor(Tensor::from_floats([2.0], &device)),
    };
    let zero = Tensor::<4>::zeros([1, 1, 2, 2], &device).require_grad();
    let penalty =
        gradient_penalty(&bowl, zero.clone(), zero.clone(), zero.clone(), 1.0, 0).unwrap();
    assert_eq!(host(penalty.clone()).data, [1.0]);
    let mut grads = penalty.backward();
    assert!(zero.grad(&grads).is_none());
    assert_eq!(gradients(&bowl, &mut grads, str::to_owned)["w"].data, [0.0]);
}

#[test]
fn a_device_without_autodiff_and_other_shapes_are_refused() {
    let plain = test_device::device();
    let critic = PatchGan::new(&PatchGanConfig::compact(), 0, &plain).unwrap();
    let image = |n, device: &Device| Tensor::<4>::zeros([n, 3, 64, 64], device);
    let error = r1_penalty(&critic, image(1, &plain), image(1, &plain), 10.0).unwrap_err();
    assert!(error.to_string().contains("autodiff device"), "{error}");
    let (critic, _) = patchgan(NormKind::Instance);
    let device = plain.autodiff();
    let image = |n| image(n, &device);
    let error = gradient_penalty(&critic, image(1), image(1), image(2), 10.0, 0).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    let error = r1_penalty(&critic, image(2), image(1), 10.0).unwrap_err();
    assert!(
        matches!(error, Error::Network(lora_gan::Error::Input { .. })),
        "{error}"
    );
}
