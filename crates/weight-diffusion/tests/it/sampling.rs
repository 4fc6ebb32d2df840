//! Sampling in one and in several steps.

use burn::tensor::{Bool, Int, Tensor, TensorData};
use weight_diffusion::diffusion::{Sampler, multi_step};
use weight_diffusion::encoded_text::TextCondition;
use weight_diffusion::{
    Denoiser, Error, NoiseSchedule, Parameterization, SampleOptions, UNet1dConfig, one_step,
};

use crate::common::device;

const SAMPLERS: [Sampler; 3] = [Sampler::Ddim, Sampler::Ancestral, Sampler::DpmSolver];

/// Predicts one fixed noise, whatever it sees.
struct Fixed(Vec<f32>);

impl Denoiser for Fixed {
    fn predict_noise(
        &self,
        noisy: Tensor<2>,
        _: Tensor<1, Int>,
        _: Tensor<1, Int>,
        _: &TextCondition,
    ) -> Tensor<2> {
        let [rows, size] = noisy.dims();
        row(&self.0).expand([rows, size])
    }

    fn block_size(&self) -> usize {
        self.0.len()
    }

    fn context_width(&self) -> usize {
        1
    }
}

fn row(values: &[f32]) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [1, values.len()]);
    Tensor::from_data(data, &device())
}

fn no_text() -> TextCondition {
    TextCondition {
        tokens: Tensor::zeros([1, 1, 1], &device()),
        mask: Tensor::<2, Bool>::full([1, 1], false, &device()),
    }
}

/// Relative to the larger of 1 and the value: at the noise end a recovered value is in the hundreds.
fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!(
            (f - e).abs() <= tolerance * e.abs().max(1.0),
            "{f} is not {e}"
        );
    }
}

#[test]
fn zero_terminal_snr_keeps_the_start_and_ends_in_noise() {
    let plain = NoiseSchedule::ddpm();
    let mut json = serde_json::to_value(&plain).unwrap();
    json["zero_terminal_snr"] = true.into();
    let schedule: NoiseSchedule = serde_json::from_value(json).unwrap();
    assert!(schedule.has_zero_terminal_snr());
    assert_eq!(schedule.alpha(999), 0.0);
    assert_eq!(schedule.sigma(999), 1.0);
    assert!((schedule.alpha(0) - plain.alpha(0)).abs() < 1e-12);
    let built = plain.with_zero_terminal_snr();
    assert_eq!(built, schedule);
    assert_eq!(built.with_zero_terminal_snr(), schedule);
    let json = serde_json::to_string(&schedule).unwrap();
    let again: NoiseSchedule = serde_json::from_str(&json).unwrap();
    assert_eq!(again, schedule);
    let config = UNet1dConfig {
        schedule,
        parameterization: Parameterization::Epsilon,
        ..UNet1dConfig::compact()
    };
    match config.validate() {
        Err(Error::Config { field, .. }) => assert_eq!(field, "parameterization"),
        other => panic!("{other:?}"),
    }
    for parameterization in [
        Parameterization::Skip,
        Parameterization::Velocity,
        Parameterization::Sample,
    ] {
        let other = UNet1dConfig {
            parameterization,
            ..config.clone()
        };
        other.validate().unwrap();
    }
}

#[test]
fn a_schedule_of_unknown_fields_is_refused() {
    let parse = |json: &str| serde_json::from_str::<NoiseSchedule>(json);
    let linear = r#"{"kind":"linear","start":0.0001,"end":0.02}"#;
    let good = parse(&format!(r#"{{"betas":{linear},"steps":1000}}"#)).unwrap();
    assert_eq!(good, NoiseSchedule::ddpm());
    let misspelt = format!(r#"{{"betas":{linear},"steps":1000,"zero_terminal_SNR":true}}"#);
    let error = parse(&misspelt).unwrap_err().to_string();
    assert!(error.contains("zero_terminal_SNR"), "{error}");
    let stop = linear.replace("}", r#","stop":0.1}"#);
    let error = parse(&format!(r#"{{"betas":{stop},"steps":1000}}"#)).unwrap_err();
    assert!(error.to_string().contains("stop"), "{error}");
}

/// DDIM on DDPM's schedule, without a text.
fn ddim(
    denoiser: &dyn Denoiser,
    blocks: usize,
    steps: usize,
    options: &SampleOptions,
) -> Result<Vec<f32>, Error> {
    let (schedule, how) = (NoiseSchedule::ddpm(), (Sampler::Ddim, steps));
    multi_step(denoiser, &no_text(), blocks, &schedule, how, options)
}

/// Knows the clean weights, so that every ε̂ is exact.
struct Oracle(Vec<f32>);

impl Denoiser for Oracle {
    fn predict_noise(
        &self,
        noisy: Tensor<2>,
        t: Tensor<1, Int>,
        _: Tensor<1, Int>,
        _: &TextCondition,
    ) -> Tensor<2> {
        let schedule = NoiseSchedule::ddpm();
        let t = t.try_into_vec_as::<i64>().unwrap()[0] as usize;
        let [rows, size] = noisy.dims();
        let clean = row(&self.0).expand([rows, size]);
        (noisy - clean.mul_scalar(schedule.alpha(t))).div_scalar(schedule.sigma(t))
    }

    fn block_size(&self) -> usize {
        self.0.len()
    }

    fn context_width(&self) -> usize {
        1
    }
}

#[test]
fn exact_noise_recovers_the_weights_in_any_number_of_steps() {
    let clean = [0.5f32, -1.5, 0.0, 2.0];
    let denoiser = Oracle(clean.to_vec());
    let schedule = NoiseSchedule::ddpm();
    let options = SampleOptions {
        t: 600,
        batch_size: 2,
        ..SampleOptions::noise_end(&schedule)
    };
    let expected = clean.repeat(3);
    let found = one_step(&denoiser, &no_text(), 3, &schedule, &options).unwrap();
    assert_near(&found, &expected, 1e-4);
    for steps in [1, 2, 7, 50] {
        for sampler in SAMPLERS {
            let how = (sampler, steps);
            let found = multi_step(&denoiser, &no_text(), 3, &schedule, how, &options).unwrap();
            assert_near(&found, &expected, 1e-4);
        }
    }
}

#[test]
fn no_timestep_occurs_twice() {
    let clean = [0.5f32, -1.5, 0.0, 2.0];
    let denoiser = Oracle(clean.to_vec());
    let schedule = NoiseSchedule::ddpm();
    for t in [0usize, 1, 2, 7, 30] {
        let options = SampleOptions {
            t,
            ..SampleOptions::noise_end(&schedule)
        };
        for sampler in SAMPLERS {
            let run = |steps| {
                multi_step(
                    &denoiser,
                    &no_text(),
                    1,
                    &schedule,
                    (sampler, steps),
                    &options,
                )
            };
            let most = t.max(1);
            let found = run(most).unwrap();
            assert!(found.iter().all(|v| v.is_finite()), "{sampler:?} {t}");
            assert_near(&found, &clean, 1e-3);
            match run(most + 1) {
                Err(Error::Config { field, .. }) => assert_eq!(field, "steps"),
                other => panic!("{sampler:?} {t}: {other:?}"),
            }
        }
    }
    // A t past the schedule is said before as many steps are listed.
    let far = SampleOptions {
        t: usize::MAX,
        ..SampleOptions::noise_end(&schedule)
    };
    assert!(ddim(&denoiser, 1, usize::MAX, &far).is_err());
}

#[test]
fn one_ddim_step_is_the_direct_recovery() {
    let denoiser = Fixed(vec![0.3, -0.2, 1.0]);
    let schedule = NoiseSchedule::ddpm();
    let options = SampleOptions::noise_end(&schedule);
    let direct = one_step(&denoiser, &no_text(), 5, &schedule, &options).unwrap();
    assert_eq!(ddim(&denoiser, 5, 1, &options).unwrap(), direct);
}

#[test]
fn only_ancestral_sampling_adds_noise_and_batches_do_not_change_it() {
    let denoiser = Fixed(vec![0.3, -0.2, 1.0]);
    let schedule = NoiseSchedule::ddpm();
    let with = |sampler, batch_size, seed| {
        let options = SampleOptions {
            batch_size,
            seed,
            t: 600,
            ..SampleOptions::noise_end(&schedule)
        };
        multi_step(&denoiser, &no_text(), 5, &schedule, (sampler, 4), &options).unwrap()
    };
    for sampler in SAMPLERS {
        assert_eq!(with(sampler, 2, 1), with(sampler, 64, 1), "{sampler:?}");
        assert_ne!(with(sampler, 2, 1), with(sampler, 2, 2), "{sampler:?}");
    }
    assert_ne!(with(Sampler::Ddim, 2, 1), with(Sampler::Ancestral, 2, 1));
    assert_ne!(with(Sampler::Ddim, 2, 1), with(Sampler::DpmSolver, 2, 1));
}

#[test]
fn batch_size_does_not_change_the_noise() {
    let denoiser = Fixed(vec![0.0; 4]);
    let schedule = NoiseSchedule::ddpm();
    let with = |batch_size, noises| {
        let options = SampleOptions {
            batch_size,
            noises,
            seed: 9,
            t: 500,
            ..SampleOptions::noise_end(&schedule)
        };
        one_step(&denoiser, &no_text(), 7, &schedule, &options).unwrap()
    };
    assert_eq!(with(1, 1), with(3, 1));
    assert_eq!(with(1, 2), with(64, 2));
    assert_ne!(with(1, 1), with(1, 2));
}

#[test]
fn wrong_options_are_refused() {
    let denoiser = Fixed(vec![0.0; 4]);
    let schedule = NoiseSchedule::ddpm();
    let good = SampleOptions::noise_end(&schedule);
    assert_eq!(good.t, 999);
    for bad in [
        SampleOptions { t: 1000, ..good },
        SampleOptions { noises: 0, ..good },
        SampleOptions {
            noises: 1 << 63,
            ..good
        },
        SampleOptions {
            batch_size: 0,
            ..good
        },
        SampleOptions {
            guidance: f64::NAN,
            ..good
        },
        SampleOptions {
            guidance: -1.0,
            ..good
        },
    ] {
        assert!(one_step(&denoiser, &no_text(), 1, &schedule, &bad).is_err());
    }
    assert!(ddim(&denoiser, 1, 0, &good).is_err());
    assert!(ddim(&denoiser, 1, 1000, &good).is_err());
    let two = TextCondition {
        tokens: Tensor::zeros([2, 1, 1], &device()),
        mask: Tensor::<2, Bool>::full([2, 1], true, &device()),
    };
    assert!(one_step(&denoiser, &two, 1, &schedule, &good).is_err());
}
