//! Schedules, predictions and steps compared with Hugging Face diffusers (tools/diffusers_fixtures.py).

use burn::tensor::{Bool, Int, Tensor, TensorData};
use serde::Deserialize;

use super::solver::{ancestral_step, ddim_step, dpm_solver_step};
use super::{BetaSchedule, Denoiser, NoiseSchedule, Parameterization};
use encoded_text::TextCondition;

#[derive(Deserialize)]
struct Fixture {
    times: Vec<usize>,
    alphas_cumprod: std::collections::BTreeMap<String, Vec<f64>>,
    ddim: Vec<Case>,
    ancestral: Vec<Ancestral>,
    dpm_solver: Vec<Trajectory>,
    predictions: Vec<Prediction>,
    min_snr: Vec<MinSnr>,
}

#[derive(Deserialize)]
struct Prediction {
    schedule: String,
    prediction_type: String,
    t: usize,
    to: i64,
    sample: Vec<f32>,
    output: Vec<f32>,
    original: Vec<f32>,
    ddim: Option<Vec<f32>>,
    noise: Vec<f32>,
    ddpm: Vec<f32>,
    ddpm_to: usize,
    clean: Vec<f32>,
    velocity: Vec<f32>,
    solver: Option<Vec<f32>>,
    solver_t: Option<usize>,
    solver_to: Option<usize>,
}

#[derive(Deserialize)]
struct MinSnr {
    schedule: String,
    gamma: f64,
    snr: Vec<f64>,
    epsilon: Vec<f64>,
    v_prediction: Vec<f64>,
    sample: Vec<f64>,
}

#[derive(Deserialize)]
struct Ancestral {
    schedule: String,
    t: usize,
    to: usize,
    sample: Vec<f32>,
    prediction: Vec<f32>,
    noise: Vec<f32>,
    next: Vec<f32>,
}

#[derive(Deserialize)]
struct Trajectory {
    schedule: String,
    times: Vec<usize>,
    start: Vec<f32>,
    cleans: Vec<Vec<f32>>,
    after: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Case {
    schedule: String,
    t: usize,
    to: Option<usize>,
    sample: Vec<f32>,
    noise: Vec<f32>,
    next: Vec<f32>,
    original: Vec<f32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/diffusers.json")).unwrap()
}

fn schedule(name: &str) -> NoiseSchedule {
    if let Some(name) = name.strip_suffix("_zero_snr") {
        return schedule(name).with_zero_terminal_snr();
    }
    match name {
        "sigmoid" => NoiseSchedule::new(
            BetaSchedule::Sigmoid {
                start: 1e-4,
                end: 2e-2,
            },
            1000,
        )
        .unwrap(),
        "linear" => NoiseSchedule::ddpm(),
        "scaled_linear" => NoiseSchedule::new(
            BetaSchedule::ScaledLinear {
                start: 8.5e-4,
                end: 1.2e-2,
            },
            1000,
        )
        .unwrap(),
        "cosine" => NoiseSchedule::cosine(),
        _ => panic!("no schedule {name}"),
    }
}

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
    Tensor::from_data(data, &test_device::device())
}

fn no_text() -> TextCondition {
    TextCondition {
        tokens: Tensor::zeros([1, 1, 1], &test_device::device()),
        mask: Tensor::<2, Bool>::full([1, 1], false, &test_device::device()),
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
fn alphas_cumprod_equal_diffusers() {
    let fixture = fixture();
    for (name, values) in &fixture.alphas_cumprod {
        let schedule = schedule(name);
        for (&t, &expected) in fixture.times.iter().zip(values) {
            let found = schedule.alpha_cumprod(t);
            assert!(
                (found - expected).abs() < 1e-5,
                "{name} {t}: {found} {expected}"
            );
            // Near the noise end absolute differences say little; diffusers sums in 32 bits, and its
            // rescaling subtracts two small numbers.
            let tolerance = if name.ends_with("_zero_snr") {
                2e-2
            } else {
                1e-3
            };
            assert!(
                found == expected || (found / expected - 1.0).abs() < tolerance,
                "{name} {t}: {found} {expected}"
            );
            assert!((schedule.alpha(t).powi(2) + schedule.sigma(t).powi(2) - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn ddim_steps_equal_diffusers() {
    for case in fixture().ddim {
        let schedule = schedule(&case.schedule);
        let denoiser = Fixed(case.noise);
        let noisy = row(&case.sample);
        let n = Tensor::<1, Int>::from_ints([0], &test_device::device());
        let clean = denoiser.recover(noisy.clone(), case.t, n, &no_text(), &schedule);
        let host = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();
        // ᾱ in 32 bits is off by 1e-5 of itself at t = 800; the rest is rounding.
        assert_near(&host(clean.clone()), &case.original, 3e-5);
        let next = ddim_step(noisy, clean, case.t, case.to, &schedule);
        assert_near(&host(next), &case.next, 3e-5);
    }
}

#[test]
fn ancestral_steps_equal_diffusers() {
    for case in fixture().ancestral {
        let schedule = schedule(&case.schedule);
        let denoiser = Fixed(case.prediction);
        let noisy = row(&case.sample);
        let n = Tensor::<1, Int>::from_ints([0], &test_device::device());
        let clean = denoiser.recover(noisy.clone(), case.t, n, &no_text(), &schedule);
        let to = Some(case.to);
        let next = ancestral_step(noisy, clean, row(&case.noise), case.t, to, &schedule);
        let found = next.try_into_vec_as::<f32>().unwrap();
        assert_near(&found, &case.next, 3e-5);
    }
}

#[test]
fn dpm_solver_trajectories_equal_diffusers() {
    for case in fixture().dpm_solver {
        let schedule = schedule(&case.schedule);
        let mut x = row(&case.start);
        let mut before = None;
        for (i, &t) in case.times.iter().enumerate() {
            let clean = row(&case.cleans[i]);
            let to = case.times.get(i + 1).copied();
            x = dpm_solver_step(x, clean.clone(), before, t, to, &schedule);
            before = Some((clean, t));
            let found = x.clone().try_into_vec_as::<f32>().unwrap();
            assert_near(&found, &case.after[i], 5e-5);
        }
    }
}

#[test]
fn sample_and_v_predictions_step_as_in_diffusers() {
    let host = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();
    let mut steps = 0;
    for case in fixture().predictions {
        let schedule = schedule(&case.schedule);
        // Skip differs from Velocity in what the network sees, not in what it says.
        let kinds: &[Parameterization] = match case.prediction_type.as_str() {
            "sample" => &[Parameterization::Sample],
            _ => &[Parameterization::Velocity, Parameterization::Skip],
        };
        for kind in kinds {
            let recover = |t| kind.recover(row(&case.sample), row(&case.output), t, &schedule);
            let clean = recover(case.t);
            assert_near(&host(clean.clone()), &case.original, 1e-5);
            let to = usize::try_from(case.to).ok();
            if let (Some(expected), Some(_)) = (&case.ddim, to) {
                let next = ddim_step(row(&case.sample), clean.clone(), case.t, to, &schedule);
                assert_near(&host(next), expected, 1e-5);
                steps += 1;
            }
            let (noise, to) = (row(&case.noise), Some(case.ddpm_to));
            let next = ancestral_step(row(&case.sample), clean, noise, case.t, to, &schedule);
            assert_near(&host(next), &case.ddpm, 1e-5);
            steps += 1;
            if let (Some(expected), Some(t)) = (&case.solver, case.solver_t) {
                let sample = row(&case.sample);
                let next = dpm_solver_step(sample, recover(t), None, t, case.solver_to, &schedule);
                assert_near(&host(next), expected, 1e-5);
                steps += 1;
            }
        }
    }
    assert!(steps > 150, "{steps}");
}

#[test]
fn velocities_and_noisy_weights_are_diffusers() {
    for case in fixture().predictions {
        let schedule = schedule(&case.schedule);
        let (alpha, sigma) = (schedule.alpha(case.t) as f32, schedule.sigma(case.t) as f32);
        let pairs = case.noise.iter().zip(&case.clean);
        let velocity: Vec<f32> = pairs.map(|(e, w)| alpha * e - sigma * w).collect();
        assert_near(&velocity, &case.velocity, 1e-5);
        let mut noisy = case.noise.clone();
        schedule.add_noise(&case.clean, &mut noisy, case.t);
        let recovered =
            Parameterization::Velocity.recover(row(&noisy), row(&velocity), case.t, &schedule);
        assert_near(
            &recovered.try_into_vec_as::<f32>().unwrap(),
            &case.clean,
            1e-5,
        );
    }
}

#[test]
fn min_snr_weights_are_those_of_diffusers_training() {
    let fixture = fixture();
    for case in &fixture.min_snr {
        let schedule = schedule(&case.schedule);
        for (i, &t) in fixture.times.iter().enumerate() {
            let near = |what: &str, found: f64, expected: f64, tolerance: f64| {
                assert!(
                    (found - expected).abs() <= tolerance * expected.abs().max(1.0),
                    "{what} {} {t}: {found} {expected}",
                    case.schedule
                );
            };
            let snr = schedule.snr(t);
            // The ratio itself has few of ᾱ's 32 bits left where ᾱ is next to 1.
            let bar = case.snr[i] / (1.0 + case.snr[i]);
            near("ᾱ", snr / (1.0 + snr), bar, 1e-6);
            for (kind, expected) in [
                (Parameterization::Epsilon, case.epsilon[i]),
                (Parameterization::Velocity, case.v_prediction[i]),
                (Parameterization::Skip, case.v_prediction[i]),
                (Parameterization::Sample, case.sample[i]),
            ] {
                near(
                    "weight",
                    kind.min_snr_weight(snr, case.gamma),
                    expected,
                    1e-5,
                );
            }
        }
    }
}
