//! Whole networks trained from scratch: pix2pix and Co-Mod-GAN.

use crate::common::{negatives, recipe};
use burn::module::Module;
use finetune::{
    EpochLosses, Error, GanTrainer, ImageTranslator, PairDiscriminator, PairSet, Recipe, translate,
};
use gan_baselines::{
    CoModConfig, CoModDiscriminator, CoModGenerator, ResnetConfig, ResnetGenerator,
};
use lora_gan::{GanLoss, NormKind, PatchGan, PatchGanConfig};
use weight_blocks::module_to_named;

const SIZE: u32 = 16;

fn pix2pix(recipe: Recipe) -> GanTrainer<ResnetGenerator, PatchGan> {
    let device = test_device::device();
    let config = ResnetConfig {
        width: 6,
        blocks: 1,
        norm: NormKind::Batch,
        dropout: 0.5,
        ..ResnetConfig::compact()
    };
    let generator = ResnetGenerator::new(&config, 1, &device).unwrap();
    let discriminator = PatchGan::new(&recipe.discriminator, 2, &device).unwrap();
    GanTrainer::from_scratch(generator, discriminator, recipe).unwrap()
}

fn comod(recipe: Recipe) -> GanTrainer<CoModGenerator, CoModDiscriminator> {
    let device = test_device::device();
    let config = CoModConfig {
        image_size: SIZE as usize,
        latent: 8,
        style: 8,
        mapping_layers: 2,
        width_base: 64,
        width_max: 8,
        ..CoModConfig::compact()
    };
    let generator = CoModGenerator::new(&config, 1, &device).unwrap();
    let discriminator = CoModDiscriminator::new(&config, 2, &device).unwrap();
    GanTrainer::from_scratch(generator, discriminator, recipe).unwrap()
}

fn batch_norm(recipe: Recipe) -> Recipe {
    Recipe {
        discriminator: PatchGanConfig {
            norm: NormKind::Batch,
            layers: 2,
            ..recipe.discriminator
        },
        ..recipe
    }
}

fn with_r1(recipe: Recipe) -> Recipe {
    Recipe {
        gan_loss: GanLoss::NonSaturating,
        r1_gamma: 10.0,
        r1_every: 3,
        ..recipe
    }
}

fn wasserstein(recipe: Recipe) -> Recipe {
    Recipe {
        gan_loss: GanLoss::Wasserstein,
        gradient_penalty: 10.0,
        ..recipe
    }
}

/// Mean absolute difference to the targets after `epochs` epochs.
fn error_after<G, D>(trainer: &mut GanTrainer<G, D>, pairs: &PairSet, epochs: usize) -> f32
where
    G: ImageTranslator + Module,
    D: PairDiscriminator + Module,
{
    for _ in 0..epochs {
        trainer.epoch(pairs).unwrap();
    }
    let edited = translate(&trainer.generator(), &pairs.photos).unwrap();
    (edited - pairs.targets.clone())
        .abs()
        .mean()
        .into_scalar::<f32>()
}

fn weights<G, D>(trainer: &GanTrainer<G, D>) -> weight_blocks::NamedTensors
where
    G: ImageTranslator + Module,
    D: PairDiscriminator + Module,
{
    module_to_named(&trainer.generator()).unwrap()
}

#[test]
fn both_learn_to_invert_photos() {
    let pairs = negatives(SIZE, 8);
    let mut trainer = pix2pix(batch_norm(Recipe {
        lr_generator: 5e-3,
        ..recipe()
    }));
    let before = error_after(&mut trainer, &pairs, 0);
    let after = error_after(&mut trainer, &pairs, 40);
    assert!(after < 0.7 * before, "pix2pix: {before} to {after}");

    let mut trainer = comod(with_r1(Recipe {
        lr_generator: 5e-3,
        ..recipe()
    }));
    let before = error_after(&mut trainer, &pairs, 0);
    let after = error_after(&mut trainer, &pairs, 40);
    assert!(after < 0.7 * before, "Co-Mod-GAN: {before} to {after}");
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    fn check<G, D>(make: impl Fn() -> GanTrainer<G, D>)
    where
        G: ImageTranslator + Module,
        D: PairDiscriminator + Module,
    {
        let pairs = negatives(SIZE, 6);
        let mut whole = make();
        error_after(&mut whole, &pairs, 4);

        let dir = tempfile::tempdir().unwrap();
        let mut first = make();
        error_after(&mut first, &pairs, 2);
        first.save_state(dir.path()).unwrap();
        let mut second = make().resumed(dir.path()).unwrap();
        assert_eq!(second.epochs_done(), 2);
        error_after(&mut second, &pairs, 2);
        assert_eq!(weights(&second), weights(&whole));
    }
    check(|| pix2pix(batch_norm(recipe())));
    check(|| comod(with_r1(recipe())));
    check(|| pix2pix(wasserstein(recipe())));
}

#[test]
fn the_penalty_changes_the_discriminator_and_not_the_first_losses() {
    let pairs = negatives(SIZE, 4);
    let mut plain = pix2pix(recipe());
    let mut penalised = pix2pix(Recipe {
        r1_gamma: 10.0,
        ..recipe()
    });
    let (a, b) = (
        plain.epoch(&pairs).unwrap(),
        penalised.epoch(&pairs).unwrap(),
    );
    // One step per epoch here: its losses are those before the update.
    assert_eq!((a.l1, a.discriminator), (b.l1, b.discriminator));
    let (a, b) = (
        plain.epoch(&pairs).unwrap(),
        penalised.epoch(&pairs).unwrap(),
    );
    assert_ne!(a.discriminator, b.discriminator);
}

#[test]
fn a_wasserstein_critic_trains_with_its_gradient_penalty() {
    fn check<G, D>(make: impl Fn(Recipe) -> GanTrainer<G, D>)
    where
        G: ImageTranslator + Module,
        D: PairDiscriminator + Module,
    {
        let pairs = negatives(SIZE, 4);
        let weighted = |gradient_penalty| {
            let mut trainer = make(Recipe {
                gradient_penalty,
                ..wasserstein(recipe())
            });
            [(); 2].map(|()| trainer.epoch(&pairs).unwrap())
        };
        // The second weighs too little to be seen in 32 bits.
        let (penalised, plain) = (weighted(10.0), weighted(1e-30));
        let values = |epoch: &EpochLosses| [epoch.l1, epoch.gan, epoch.discriminator];
        assert!(penalised.iter().flat_map(values).all(f64::is_finite));
        // One step per epoch: the first losses are those before the update.
        let first = |epochs: &[EpochLosses; 2]| epochs[0].discriminator;
        assert_eq!(first(&penalised), first(&plain));
        assert_ne!(values(&penalised[1]), values(&plain[1]));
    }
    check(pix2pix);
    check(comod);
}

#[test]
fn a_recipe_that_cannot_train_and_photos_of_a_wrong_size_are_refused() {
    let device = test_device::device();
    for (field, recipe) in [
        (
            "r1_every",
            Recipe {
                r1_every: 0,
                ..recipe()
            },
        ),
        (
            "r1_gamma",
            Recipe {
                r1_gamma: f64::NAN,
                ..recipe()
            },
        ),
        (
            "gradient_penalty",
            Recipe {
                gan_loss: GanLoss::Wasserstein,
                ..recipe()
            },
        ),
        (
            "gradient_penalty",
            Recipe {
                gradient_penalty: 10.0,
                ..recipe()
            },
        ),
        (
            "gradient_penalty",
            Recipe {
                gradient_penalty: -1.0,
                ..wasserstein(recipe())
            },
        ),
    ] {
        let generator = ResnetGenerator::new(&ResnetConfig::compact(), 0, &device).unwrap();
        let discriminator = PatchGan::new(&recipe.discriminator, 0, &device).unwrap();
        match GanTrainer::from_scratch(generator, discriminator, recipe) {
            Err(Error::Recipe { field: found, .. }) => assert_eq!(found, field),
            _ => panic!("{field} was taken"),
        }
    }
    // Co-Mod-GAN is made for one size.
    let error = comod(recipe()).epoch(&negatives(32, 4)).unwrap_err();
    assert!(matches!(error, Error::Baseline(_)), "{error}");
}
