//! PatchGAN: patches, counts, conditioning, seeds; and the losses.

use crate::common::{bits, distance, tensor, uniform, values};
use burn::module::Module;
use burn::tensor::Tensor;
use lora_gan::losses::bce_with_logits;
use lora_gan::{Error, GanLoss, NormKind, PatchGan, PatchGanConfig, l1_loss};
use test_parity::{TOLERANCE, close_all, gradients, host};
use weight_blocks::{NamedTensors, module_to_named};

use crate::fixture;

#[test]
fn the_papers_discriminator_has_pix2pixs_layers() {
    let device = test_device::device();
    let paper = PatchGan::new(&PatchGanConfig::paper(), 0, &device).unwrap();
    // 4×4 kernels and biases: 6 → 64: 6,208; 64 → 128: 131,200; 128 → 256: 524,544; 256 → 512:
    // 2,097,664; 512 → 1: 8,193. γ and β of three instance norms: 2·(128 + 256 + 512) = 1,792.
    assert_eq!(paper.num_params(), 2_769_601);
    let compact = PatchGan::new(&PatchGanConfig::compact(), 0, &device).unwrap();
    // 6 → 16: 1,552; 16 → 32: 8,224; 32 → 64: 32,832; 64 → 1: 1,025; norms 2·(32 + 64) = 192.
    assert_eq!(compact.num_params(), 43_825);
    let photo = tensor::<4>([1, 3, 64, 64], 1, &device);
    assert_eq!(
        compact
            .forward(photo.clone(), photo.clone())
            .unwrap()
            .dims(),
        [1, 1, 14, 14]
    );
    // 256 → 128 → 64 → 32 → 31 → 30, as in pix2pix; 64 → 32 → 16 → 8 → 7 → 6.
    assert_eq!(
        paper.forward(photo.clone(), photo).unwrap().dims(),
        [1, 1, 6, 6]
    );
    let narrow = PatchGan::new(
        &PatchGanConfig {
            width: 1,
            layers: 3,
            ..PatchGanConfig::compact()
        },
        0,
        &device,
    )
    .unwrap();
    let photo = tensor::<4>([2, 3, 256, 256], 1, &device);
    assert_eq!(
        narrow.forward(photo.clone(), photo).unwrap().dims(),
        [2, 1, 30, 30]
    );
}

/// Rows and columns of the input that one logit in the middle sees.
fn receptive_field(layers: usize, size: usize) -> (usize, usize) {
    let device = test_device::device().autodiff();
    let config = PatchGanConfig {
        width: 2,
        layers,
        ..PatchGanConfig::compact()
    };
    let mut gan = PatchGan::new(&config, 3, &device).unwrap();
    // A norm looks at the whole plane; the patch is that of the convolutions.
    for layer in &mut gan.layers {
        layer.norm = None;
    }
    let photo = tensor::<4>([1, 3, size, size], 4, &device).require_grad();
    let edited = tensor::<4>([1, 3, size, size], 5, &device);
    let logits = gan.forward(photo.clone(), edited).unwrap();
    let at = logits.dims()[2] / 2;
    let logit = logits.slice([0..1, 0..1, at..at + 1, at..at + 1]).sum();
    let grads = logit.backward();
    let gradient = values(photo.grad(&grads).unwrap());
    let mut rows = std::collections::BTreeSet::new();
    let mut columns = std::collections::BTreeSet::new();
    for (i, _) in gradient.iter().enumerate().filter(|(_, g)| **g != 0.0) {
        rows.insert(i / size % size);
        columns.insert(i % size);
    }
    (rows.len(), columns.len())
}

#[test]
fn patches_have_the_documented_size() {
    assert_eq!(PatchGanConfig::paper().layers, 3);
    assert_eq!(receptive_field(3, 128), (70, 70));
    assert_eq!(PatchGanConfig::compact().layers, 2);
    assert_eq!(receptive_field(2, 64), (34, 34));
}

#[test]
fn the_smallest_image_follows_from_the_layers() {
    let device = test_device::device();
    let mut gan = PatchGan::new(&PatchGanConfig::paper(), 0, &device).unwrap();
    let image = |size| tensor::<4>([1, 3, size, size], 1, &device);
    gan.check_input(&image(24), &image(24)).unwrap();
    assert!(gan.check_input(&image(23), &image(23)).is_err());
    // The layers are anyone's to change.
    gan.layers.clear();
    gan.check_input(&image(3), &image(3)).unwrap();
}

#[test]
fn a_misspelt_field_is_named() {
    let text = r#"{"width": 4, "layers": 1, "norms": "batch"}"#;
    let error = serde_json::from_str::<PatchGanConfig>(text).unwrap_err();
    assert!(error.to_string().contains("norms"), "{error}");
}

#[test]
fn logits_depend_on_photo_and_edit_and_their_order() {
    let device = test_device::device();
    let gan = PatchGan::new(&PatchGanConfig::compact(), 0, &device).unwrap();
    let [a, b, c] = [6, 7, 8].map(|seed| tensor::<4>([1, 3, 64, 64], seed, &device));
    let judge =
        |photo: &Tensor<4>, edited: &Tensor<4>| gan.forward(photo.clone(), edited.clone()).unwrap();
    let logits = judge(&a, &b);
    for other in [judge(&c, &b), judge(&a, &c), judge(&b, &a)] {
        assert!(distance(logits.clone(), other) > 1e-2);
    }
}

#[test]
fn pairs_are_judged_one_by_one() {
    let device = test_device::device();
    let gan = PatchGan::new(&PatchGanConfig::compact(), 0, &device).unwrap();
    let photos = tensor::<4>([3, 3, 64, 64], 9, &device);
    let edits = tensor::<4>([3, 3, 64, 64], 10, &device);
    let together = gan.forward(photos.clone(), edits.clone()).unwrap();
    for i in 0..3 {
        let alone = gan.forward(
            photos.clone().narrow(0, i, 1),
            edits.clone().narrow(0, i, 1),
        );
        let alone = alone.unwrap();
        assert!(distance(alone, together.clone().narrow(0, i, 1)) < 1e-5);
    }
}

#[test]
fn initial_weights_are_pix2pixs_and_seeded() {
    let device = test_device::device();
    let new = |seed| PatchGan::new(&PatchGanConfig::compact(), seed, &device).unwrap();
    let weights = |gan: &PatchGan| -> Vec<u32> {
        gan.layers
            .iter()
            .flat_map(|l| bits(l.weight.val()))
            .collect()
    };
    assert_eq!(weights(&new(1)), weights(&new(1)));
    assert_ne!(weights(&new(1)), weights(&new(2)));
    let gan = new(1);
    let drawn: Vec<f32> = gan
        .layers
        .iter()
        .flat_map(|l| values(l.weight.val()))
        .collect();
    let n = drawn.len() as f64;
    let mean = drawn.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let deviation = (drawn.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n).sqrt();
    // N(0, 0.02) on 43,536 draws.
    assert!(
        mean.abs() < 5e-4 && (deviation - 0.02).abs() < 5e-4,
        "{mean} {deviation}"
    );
    // Normal and not uniform: 4.55 % lie beyond two deviations.
    let beyond = drawn.iter().filter(|v| v.abs() > 0.04).count() as f64 / n;
    assert!((beyond - 0.0455).abs() < 0.005, "{beyond}");
    assert!(
        gan.layers
            .iter()
            .flat_map(|l| values(l.bias.as_ref().unwrap().val()))
            .all(|v| v == 0.0)
    );
}

#[test]
fn impossible_shapes_are_refused() {
    for (width, layers, name) in [
        (0, 2, "width"),
        (8, 0, "layers"),
        (4097, 2, "width"),
        (8, 17, "layers"),
    ] {
        let config = PatchGanConfig {
            width,
            layers,
            ..PatchGanConfig::compact()
        };
        match PatchGan::new(&config, 0, &test_device::device()) {
            Err(Error::Config { field, .. }) => assert_eq!(field, name),
            other => panic!("{:?}", other.map(drop)),
        }
    }
}

fn grid(values: &[f32]) -> Tensor<4> {
    Tensor::<1>::from_floats(values, &test_device::device()).reshape([1, 1, 1, values.len() as i32])
}

fn close(loss: Tensor<1>, expected: f32) {
    let loss = loss.into_scalar::<f32>();
    assert!((loss - expected).abs() < 1e-6, "{loss} against {expected}");
}

#[test]
fn losses_have_literal_values() {
    // Undecided: ln 2 for everyone.
    let zero = || grid(&[0.0, 0.0]);
    close(bce_with_logits(zero(), true), std::f32::consts::LN_2);
    close(
        GanLoss::Vanilla.discriminator(zero(), zero()),
        std::f32::consts::LN_2,
    );
    close(GanLoss::Vanilla.generator(zero()), std::f32::consts::LN_2);
    // ln(1 + e⁻³) = 0.0485874, ln(1 + e³) = 3.0485874: right on both, wrong on both, half and half.
    close(
        GanLoss::Vanilla.discriminator(grid(&[3.0]), grid(&[-3.0])),
        0.048_587_35,
    );
    close(
        GanLoss::Vanilla.discriminator(grid(&[-3.0]), grid(&[3.0])),
        3.048_587_3,
    );
    close(
        GanLoss::Vanilla.discriminator(grid(&[3.0]), grid(&[3.0])),
        1.548_587_3,
    );
    // The generator wants its pairs taken for real.
    close(GanLoss::Vanilla.generator(grid(&[3.0])), 0.048_587_35);
    close(GanLoss::Vanilla.generator(grid(&[-3.0])), 3.048_587_3);
    // |1 − 0.5| + |−1 − 1| + 0 + |0.25 + 0.25| over four.
    close(
        l1_loss(grid(&[1.0, -1.0, 0.5, 0.25]), grid(&[0.5, 1.0, 0.5, -0.25])),
        0.75,
    );
}

#[test]
fn losses_are_symmetric() {
    let mut next = uniform(11);
    let a: Vec<f32> = (0..20).map(|_| 5.0 * next()).collect();
    let b: Vec<f32> = (0..20).map(|_| 5.0 * next()).collect();
    let negative = |v: &[f32]| grid(&v.iter().map(|x| -x).collect::<Vec<_>>());
    let value = |t: Tensor<1>| t.into_scalar::<f32>();
    let fake = value(bce_with_logits(grid(&a), false));
    close(bce_with_logits(negative(&a), true), fake);
    let one = value(GanLoss::Vanilla.discriminator(grid(&a), grid(&b)));
    close(
        GanLoss::Vanilla.discriminator(negative(&b), negative(&a)),
        one,
    );
    close(
        l1_loss(grid(&a), grid(&b)),
        value(l1_loss(grid(&b), grid(&a))),
    );
    close(l1_loss(grid(&a), grid(&a)), 0.0);
}

#[test]
fn the_gan_losses_gradient_is_the_sigmoids() {
    // d/dx ln(1 + e⁻ˣ) = −1/(1 + eˣ): −0.5 at 0, −0.9525741 at −3, −0.0474259 at 3; over three values.
    let x = Tensor::<1>::from_floats([0.0, -3.0, 3.0], &test_device::device().autodiff())
        .require_grad();
    let grads = GanLoss::Vanilla
        .generator(x.clone().reshape([1, 1, 1, 3]))
        .backward();
    let gradient = values(x.grad(&grads).unwrap());
    for (g, expected) in gradient.iter().zip([-0.5, -0.952_574_1, -0.047_425_87]) {
        assert!((g - expected / 3.0).abs() < 1e-6, "{gradient:?}");
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

fn running(tensors: &NamedTensors, rename: impl Fn(&str) -> String) -> NamedTensors {
    tensors
        .iter()
        .filter(|(name, _)| name.contains("running_"))
        .map(|(name, tensor)| (rename(name), tensor.clone()))
        .collect()
}

#[test]
fn patchgan_forward_backward_and_statistics_equal_pytorch() {
    let device = test_device::device().autodiff();
    for (norm, name, layers) in [
        (NormKind::Batch, "batch", 3),
        (NormKind::Instance, "instance", 3),
        (NormKind::InstanceAffine, "instance_affine", 2),
    ] {
        let fixture = fixture(&format!("patchgan_{name}.safetensors"));
        let config = PatchGanConfig {
            width: 4,
            layers,
            norm,
        };
        let judge = PatchGan::new(&config, 9, &device).unwrap();
        let judge = judge
            .load_state_dict(&fixture.weights_file("weight"))
            .unwrap();
        let photo = fixture.tensor::<4>("photo", &device).require_grad();
        let edited = fixture.tensor::<4>("edited", &device).require_grad();
        let logits = judge.forward(photo.clone(), edited.clone()).unwrap();
        test_parity::close(
            name,
            &host(logits.clone()),
            fixture.host("output"),
            TOLERANCE,
        );
        let cotangent = fixture.tensor::<4>("cotangent", &device);
        let mut grads = (logits * cotangent).sum().backward();
        for (input, key) in [(photo, "grad_photo"), (edited, "grad_edited")] {
            let gradient = host(input.grad(&grads).unwrap());
            test_parity::close(
                &format!("{name} {key}"),
                &gradient,
                fixture.host(key),
                TOLERANCE,
            );
        }
        close_all(
            &format!("{name} by weights"),
            &gradients(&judge, &mut grads, patchgan_name),
            &fixture.under("grad"),
            TOLERANCE,
        );
        let after = running(&module_to_named(&judge).unwrap(), patchgan_name);
        assert_eq!(after.len(), fixture.under("after").len());
        close_all(
            &format!("{name} statistics"),
            &after,
            &fixture.under("after"),
            TOLERANCE,
        );
    }
}

#[test]
fn unsuitable_images_are_refused() {
    let device = test_device::device();
    let judge = PatchGan::new(&PatchGanConfig::compact(), 0, &device).unwrap();
    let image = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &device);
    for (photo, edited) in [
        ([1, 3, 11, 64], [1, 3, 11, 64]),
        ([1, 1, 64, 64], [1, 1, 64, 64]),
        ([1, 3, 64, 64], [2, 3, 64, 64]),
    ] {
        let result = judge.forward(image(photo), image(edited));
        assert!(matches!(result, Err(Error::Input { .. })), "{photo:?}");
    }
    assert!(
        judge
            .forward(image([1, 3, 12, 12]), image([1, 3, 12, 12]))
            .is_ok()
    );
}

#[test]
fn state_dicts_are_told_by_their_content() {
    let device = test_device::device();
    let [judge, other] =
        [0, 1].map(|seed| PatchGan::new(&PatchGanConfig::compact(), seed, &device).unwrap());
    let expected = module_to_named(&judge).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["D.safetensors", "D.ckpt", "D.bin", "D.pth", "D"] {
        let file = dir.path().join(name);
        judge.save_state_dict(&file).unwrap();
        let read = other.clone().load_state_dict(&file).unwrap();
        assert_eq!(module_to_named(&read).unwrap(), expected, "{name}");
    }
    // As `torch.save` begins.
    let zipped = dir.path().join("zipped.safetensors");
    std::fs::write(&zipped, b"PK\x03\x04, and no more").unwrap();
    let error = other.clone().load_state_dict(&zipped).unwrap_err();
    #[cfg(feature = "pytorch")]
    let told = matches!(error, Error::File(tensor_file::Error::Pytorch { .. }));
    #[cfg(not(feature = "pytorch"))]
    let told = matches!(error, Error::NoPytorch { .. });
    assert!(told, "{error}");
    // A safetensors file that is cut off stays one.
    let cut = dir.path().join("cut.pth");
    let bytes = std::fs::read(dir.path().join("D")).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let error = other.load_state_dict(&cut).unwrap_err();
    let told = matches!(error, Error::File(tensor_file::Error::Safetensors { .. }));
    assert!(told, "{error}");
}

#[test]
fn older_discriminator_configurations_still_parse() {
    let config: PatchGanConfig = serde_json::from_str(r#"{"width":16,"layers":2}"#).unwrap();
    assert_eq!(config, PatchGanConfig::compact());
    let text = r#"{"width":64,"layers":3,"norm":"batch"}"#;
    let config: PatchGanConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config, PatchGanConfig::pix2pix(NormKind::Batch));
}
