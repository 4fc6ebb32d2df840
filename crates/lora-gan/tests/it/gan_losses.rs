//! Adversarial and pixel losses against PyTorch (tools/gan_fixtures.py).

use lora_gan::{GanLoss, l1_loss};
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

#[test]
fn the_pixel_loss_equals_pytorch() {
    let fixture = fixture("gan_losses.safetensors");
    let device = test_device::device().autodiff();
    let edited = fixture.tensor::<4>("edited", &device).require_grad();
    let value = l1_loss(edited.clone(), fixture.tensor("target", &device));
    close("l1", &host(value.clone()), fixture.host("l1"), TOLERANCE);
    let gradient = host(edited.grad(&value.backward()).unwrap());
    close("l1_grad", &gradient, fixture.host("l1_grad"), TOLERANCE);
}
