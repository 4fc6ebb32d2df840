//! Co-Mod-GAN against StyleGAN2's PyTorch layers (tools/gan_fixtures.py).

use burn::module::Module;
use burn::tensor::Tensor;
use gan_baselines::comod::latents;
use gan_baselines::{CoModConfig, CoModDiscriminator, CoModGenerator, Error};
use lora_gan::Pass;
use test_parity::{TOLERANCE, close, close_all, error, gradients, host};
use weight_blocks::module_to_named;

use crate::{fixture, path};

fn small() -> CoModConfig {
    CoModConfig {
        image_size: 16,
        latent: 6,
        style: 10,
        mapping_layers: 2,
        width_base: 32,
        width_max: 8,
        dropout: 0.5,
        minibatch_group: 2,
    }
}

#[test]
fn a_misspelt_field_is_named() {
    let text = serde_json::to_string(&small()).unwrap();
    assert_eq!(serde_json::from_str::<CoModConfig>(&text).unwrap(), small());
    let text = text.replacen('{', "{\"drop_out\":0.5,", 1);
    let error = serde_json::from_str::<CoModConfig>(&text).unwrap_err();
    assert!(error.to_string().contains("drop_out"), "{error}");
}

#[test]
fn generator_forward_and_backward_equal_pytorch() {
    let device = test_device::device().autodiff();
    let fixture = fixture("comod_generator.safetensors");
    let generator = CoModGenerator::new(&small(), 0, &device).unwrap();
    let generator = fixture.fill(generator, "weight");
    let photo = fixture.tensor::<4>("photo", &device).require_grad();
    let z = fixture.tensor::<2>("z", &device).require_grad();
    let edited = generator
        .forward(photo.clone(), z.clone(), Pass::Eval)
        .unwrap();
    close(
        "edited",
        &host(edited.clone()),
        fixture.host("output"),
        TOLERANCE,
    );
    let cotangent = fixture.tensor::<4>("cotangent", &device);
    let mut grads = (edited * cotangent).sum().backward();
    let by_photo = host(photo.grad(&grads).unwrap());
    close("by photo", &by_photo, fixture.host("grad_photo"), TOLERANCE);
    let by_z = host(z.grad(&grads).unwrap());
    close("by z", &by_z, fixture.host("grad_z"), TOLERANCE);
    let found = gradients(&generator, &mut grads, str::to_owned);
    let reference = fixture.under("grad");
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        reference.keys().collect::<Vec<_>>()
    );
    close_all("by weights", &found, &reference, TOLERANCE);
}

#[test]
fn discriminator_forward_and_backward_equal_pytorch() {
    let device = test_device::device().autodiff();
    let fixture = fixture("comod_discriminator.safetensors");
    let judge = CoModDiscriminator::new(&small(), 0, &device).unwrap();
    let judge = fixture.fill(judge, "weight");
    let photo = fixture.tensor::<4>("photo", &device).require_grad();
    let edited = fixture.tensor::<4>("edited", &device).require_grad();
    let logits = judge.forward(photo.clone(), edited.clone()).unwrap();
    close(
        "logits",
        &host(logits.clone()),
        fixture.host("output"),
        TOLERANCE,
    );
    let cotangent = fixture.tensor::<2>("cotangent", &device);
    let mut grads = (logits * cotangent).sum().backward();
    for (input, key) in [(photo, "grad_photo"), (edited, "grad_edited")] {
        let gradient = host(input.grad(&grads).unwrap());
        close(key, &gradient, fixture.host(key), TOLERANCE);
    }
    let found = gradients(&judge, &mut grads, str::to_owned);
    close_all("by weights", &found, &fixture.under("grad"), TOLERANCE);
}

#[test]
fn a_training_pass_adds_seeded_noise_and_dropout() {
    let device = test_device::device();
    let fixture = fixture("comod_generator.safetensors");
    let build = |dropout| {
        let config = CoModConfig { dropout, ..small() };
        CoModGenerator::new(&config, 0, &device).unwrap()
    };
    let photo = || fixture.tensor::<4>("photo", &device);
    let z = || fixture.tensor::<2>("z", &device);
    let run = |net: &CoModGenerator, pass| host(net.forward(photo(), z(), pass).unwrap());
    // New strengths are zero: without dropout a training pass is an evaluation.
    let new = build(0.0);
    assert_eq!(run(&new, Pass::Train { seed: 1 }), run(&new, Pass::Eval));
    let noisy = fixture.fill(build(0.0), "weight");
    let dropping = build(0.5);
    for net in [&noisy, &dropping] {
        let first = run(net, Pass::Train { seed: 1 });
        assert_eq!(first, run(net, Pass::Train { seed: 1 }));
        assert!(error(&first, &run(net, Pass::Train { seed: 2 })) > 1e-3);
        assert!(error(&first, &run(net, Pass::Eval)) > 1e-3);
    }
    // Each image of a batch gets noise of its own.
    let twice = |x: Tensor<4>| Tensor::cat(vec![x.clone().narrow(0, 0, 1), x.narrow(0, 0, 1)], 0);
    let z = Tensor::cat(vec![z().narrow(0, 0, 1), z().narrow(0, 0, 1)], 0);
    let pair = noisy
        .forward(twice(photo()), z, Pass::Train { seed: 1 })
        .unwrap();
    let [a, b] = [0, 1].map(|i| host(pair.clone().narrow(0, i, 1)));
    assert!(error(&a, &b) > 1e-3);
}

#[test]
fn full_size_networks_have_pytorchs_counts() {
    let text = std::fs::read_to_string(path("gan_parameter_counts.json")).unwrap();
    let counts: std::collections::BTreeMap<String, usize> = serde_json::from_str(&text).unwrap();
    let device = test_device::device();
    let config = CoModConfig::paper();
    let generator = CoModGenerator::new(&config, 0, &device).unwrap();
    // One stored noise at 4×4 and two at each larger size, buffers in PyTorch.
    let noise = 16 + (3..=8).map(|r| 2 << (2 * r)).sum::<usize>();
    assert_eq!(
        generator.num_params(),
        counts["comod_generator_256"] + noise
    );
    let judge = CoModDiscriminator::new(&config, 0, &device).unwrap();
    assert_eq!(judge.num_params(), counts["comod_discriminator_256"]);
}

#[test]
fn signals_keep_their_scale_at_the_start() {
    // What the gains of equalised learning rate and of the activation are for.
    let device = test_device::device();
    let config = CoModConfig::compact();
    let generator = CoModGenerator::new(&config, 5, &device).unwrap();
    let photo = latents(2, 3 * 64 * 64, 1, &device).reshape([2, 3, 64, 64]);
    let z = latents(2, config.latent, 2, &device);
    let edited = host(generator.forward(photo.clone(), z, Pass::Eval).unwrap());
    let power = edited.data.iter().map(|v| v * v).sum::<f32>() / edited.data.len() as f32;
    assert!((0.1..30.0).contains(&power), "{power}");
    let named = module_to_named(&generator).unwrap();
    let mapping = &named["mapping.layers.1.weight"].data;
    let power = mapping.iter().map(|v| v * v).sum::<f32>() / mapping.len() as f32;
    assert!((power.sqrt() - 100.0).abs() < 4.0, "{power}");
    assert!(
        named["synthesis.conv.conv.affine.bias"]
            .data
            .iter()
            .all(|v| *v == 1.0)
    );
    assert_eq!(named["synthesis.conv.noise_strength"].data, [0.0]);
    let again = CoModGenerator::new(&config, 5, &device).unwrap();
    assert_eq!(named, module_to_named(&again).unwrap());
}

#[test]
fn weights_and_noise_survive_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let device = test_device::device();
    let file = dir.path().join("G.safetensors");
    let generator = CoModGenerator::new(&small(), 1, &device).unwrap();
    generator.save_state_dict(&file).unwrap();
    let other = || CoModGenerator::new(&small(), 2, &device).unwrap();
    let again = other().load_state_dict(&file).unwrap();
    assert_eq!(
        module_to_named(&again).unwrap(),
        module_to_named(&generator).unwrap()
    );
    let judge = CoModDiscriminator::new(&small(), 1, &device).unwrap();
    let message = judge.load_state_dict(&file).unwrap_err().to_string();
    assert!(
        message.contains("G.safetensors") && message.contains("tensor `"),
        "{message}"
    );
    let (mut tensors, _) = tensor_file::load_safetensors(&file).unwrap();
    tensors.get_mut("encoder.conv.weight").unwrap().data[2] = f32::NAN;
    tensor_file::save_safetensors(&file, &tensors, &Default::default()).unwrap();
    let message = other().load_state_dict(&file).unwrap_err().to_string();
    assert!(
        message.contains("encoder.conv.weight") && message.contains("NaN"),
        "{message}"
    );
}

#[test]
fn unsuitable_tensors_and_configurations_are_refused() {
    let device = test_device::device();
    let generator = CoModGenerator::new(&small(), 0, &device).unwrap();
    let judge = CoModDiscriminator::new(&small(), 0, &device).unwrap();
    let image = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &device);
    let refused = |result: Result<Vec<usize>, Error>, part: &str| match result {
        Err(error @ Error::Input { .. }) => {
            assert!(error.to_string().contains(part), "{error}");
        }
        other => panic!("{other:?}"),
    };
    let run = |photo, z: [usize; 2]| {
        let z = Tensor::<2>::zeros(z, &device);
        let edited = generator.forward(image(photo), z, Pass::Eval);
        edited.map(|t| t.dims().to_vec())
    };
    refused(run([2, 3, 32, 32], [2, 6]), "image_size");
    refused(run([2, 1, 16, 16], [2, 6]), "[B, 3, 16, 16]");
    refused(run([2, 3, 16, 16], [2, 7]), "[2, 6]");
    refused(run([2, 3, 16, 16], [1, 6]), "[2, 6]");
    let decide = |photo, edited| {
        let logits = judge.forward(image(photo), image(edited));
        logits.map(|t| t.dims().to_vec())
    };
    refused(decide([2, 3, 16, 16], [1, 3, 16, 16]), "batch of 2");
    refused(decide([2, 3, 8, 8], [2, 3, 8, 8]), "image_size");
    refused(decide([3, 3, 16, 16], [3, 3, 16, 16]), "multiple of 2");
    assert_eq!(decide([1, 3, 16, 16], [1, 3, 16, 16]).unwrap(), [1, 1]);
    type Change = fn(&mut CoModConfig);
    let changes: [(&str, Change); 8] = [
        ("image_size", |c| c.image_size = 48),
        ("image_size", |c| c.image_size = 4),
        ("latent", |c| c.latent = 0),
        ("style", |c| c.style = 0),
        ("mapping_layers", |c| c.mapping_layers = 0),
        ("width_base", |c| c.width_base = 0),
        ("width_max", |c| c.width_max = 0),
        ("dropout", |c| c.dropout = -0.1),
    ];
    for (name, change) in changes {
        let mut config = small();
        change(&mut config);
        match CoModGenerator::new(&config, 0, &device) {
            Err(Error::Config { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {:?}", other.map(drop)),
        }
        assert!(CoModDiscriminator::new(&config, 0, &device).is_err());
    }
}
