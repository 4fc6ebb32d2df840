#!/usr/bin/env python3
"""Reference values for weight-diffusion's schedules and samplers, from Hugging Face diffusers.

    pip install -r tools/requirements-diffusers.txt
    python tools/diffusers_fixtures.py crates/weight-diffusion/tests/fixtures/diffusers.json

alphas_cumprod of the schedules at 21 timesteps, plain and rescaled to zero terminal SNR; DDIMScheduler.step (eta 0, no
clipping, epsilon prediction) on small vectors: the next sample and the predicted original sample; DDPMScheduler.step with
its noise; whole DPMSolverMultistepScheduler trajectories (dpmsolver++, order 2, midpoint) of fixed predictions. Steps of all
three schedulers with prediction_type sample and v_prediction, also at zero terminal SNR, and get_velocity, the target of v; here the
schedulers' products of alphas are computed in 64 bits, since in 32 bits they are off by more than 1e-5 of themselves. Weights of
min-SNR-gamma: compute_snr of diffusers.training_utils, and from it the lines of
examples/text_to_image/train_text_to_image.py (epsilon, v_prediction) and min(snr, gamma) for sample (Hang et al. 2023, Eq. 4).
"""

import json
import sys
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr
from diffusers.training_utils import compute_snr

SCHEDULES = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 2e-2},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 1.2e-2},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "sigmoid": {"beta_schedule": "sigmoid", "beta_start": 1e-4, "beta_end": 2e-2},
}
# Of these three schedulers only DDPMScheduler knows sigmoid.
SOLVED = {name: options for name, options in SCHEDULES.items() if name != "sigmoid"}
STEPS = 1000
TIMES = [0, 1, 2, 5, 10, 50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 850, 900, 950, 990, 998, 999]


def ddim_case(name, options, inference_steps, index, generator):
    scheduler = DDIMScheduler(
        num_train_timesteps=STEPS,
        clip_sample=False,
        set_alpha_to_one=True,
        prediction_type="epsilon",
        **options,
    )
    scheduler.set_timesteps(inference_steps)
    t = int(scheduler.timesteps[index])
    following = t - STEPS // inference_steps
    sample = torch.randn(6, generator=generator)
    noise = torch.randn(6, generator=generator)
    out = scheduler.step(noise, t, sample, eta=0.0)
    return {
        "schedule": name,
        "t": t,
        "to": following if following >= 0 else None,
        "sample": sample.tolist(),
        "noise": noise.tolist(),
        "next": out.prev_sample.tolist(),
        "original": out.pred_original_sample.tolist(),
    }


def ancestral_case(name, options, inference_steps, index, generator):
    scheduler = DDPMScheduler(
        num_train_timesteps=STEPS,
        clip_sample=False,
        variance_type="fixed_small",
        prediction_type="epsilon",
        **options,
    )
    scheduler.set_timesteps(inference_steps)
    t = int(scheduler.timesteps[index])
    sample = torch.randn(1, 6, generator=generator)
    prediction = torch.randn(1, 6, generator=generator)
    seed = 100 + index
    noise = torch.randn(1, 6, generator=torch.Generator().manual_seed(seed))
    out = scheduler.step(prediction, t, sample, generator=torch.Generator().manual_seed(seed))
    return {
        "schedule": name,
        "t": t,
        "to": t - STEPS // inference_steps,
        "sample": sample[0].tolist(),
        "prediction": prediction[0].tolist(),
        "noise": noise[0].tolist(),
        "next": out.prev_sample[0].tolist(),
    }


def solver_case(name, options, inference_steps, generator):
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=STEPS,
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        lower_order_final=False,
        final_sigmas_type="zero",
        prediction_type="sample",
        **options,
    )
    scheduler.set_timesteps(inference_steps)
    sample = torch.randn(6, generator=generator)
    start = sample.tolist()
    cleans, after = [], []
    for t in scheduler.timesteps:
        clean = torch.randn(6, generator=generator)
        sample = scheduler.step(clean, t, sample).prev_sample
        cleans.append(clean.tolist())
        after.append(sample.tolist())
    return {
        "schedule": name,
        "times": [int(t) for t in scheduler.timesteps],
        "start": start,
        "cleans": cleans,
        "after": after,
    }


def in_64_bits(scheduler, plain):
    """The scheduler with alphas_cumprod in 64 bits; `plain` is one without rescaling, whose betas it has."""
    betas = plain.betas.double()
    if scheduler.config.rescale_betas_zero_snr:
        betas = rescale_zero_terminal_snr(betas)
    scheduler.alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
    return scheduler


def prediction_cases(name, options, prediction_type, generator):
    """One output of the network as the three schedulers take it, on the way from 999 down in 10 steps."""
    common = {"num_train_timesteps": STEPS, "prediction_type": prediction_type, "timestep_spacing": "linspace", **options}
    ddim = DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **common)
    ddpm = DDPMScheduler(clip_sample=False, variance_type="fixed_small", **common)
    solver = DPMSolverMultistepScheduler(
        algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint", lower_order_final=False, final_sigmas_type="zero", **common
    )
    plain = DDPMScheduler(**{**common, "rescale_betas_zero_snr": False})
    for scheduler in (ddim, ddpm, solver):
        in_64_bits(scheduler, plain)
    cases = []
    for index in (0, 1, 5, 8):
        sample = torch.randn(1, 6, generator=generator)
        output = torch.randn(1, 6, generator=generator)
        clean = torch.randn(1, 6, generator=generator)
        noise = torch.randn(1, 6, generator=torch.Generator().manual_seed(index))
        for scheduler in (ddim, ddpm, solver):
            scheduler.set_timesteps(10)
        t = int(ddpm.timesteps[index])
        assert t == int(ddim.timesteps[index])
        to = t - STEPS // 10
        ddim_out = ddim.step(output, t, sample, eta=0.0)
        ddpm_out = ddpm.step(output, t, sample, generator=torch.Generator().manual_seed(index))
        case = {
            "schedule": name,
            "prediction_type": prediction_type,
            "t": t,
            "to": to,
            "sample": sample[0].tolist(),
            "output": output[0].tolist(),
            "original": ddim_out.pred_original_sample[0].tolist(),
            "ddim": ddim_out.prev_sample[0].tolist() if to >= 0 else None,
            "noise": noise[0].tolist(),
            "ddpm": ddpm_out.prev_sample[0].tolist(),
            "ddpm_to": int(ddpm.previous_timestep(t)),
            "clean": clean[0].tolist(),
            "velocity": ddpm.get_velocity(clean, noise, torch.tensor([t]))[0].tolist(),
        }
        if "rescale_betas_zero_snr" not in options:
            # Of first order, from this timestep to the scheduler's next one.
            solver_t = solver.timesteps[index]
            solver_out = solver.step(output, solver_t, sample)
            case["solver"] = solver_out.prev_sample[0].tolist()
            case["solver_t"] = int(solver_t)
            case["solver_to"] = int(solver.timesteps[index + 1])
        cases.append(case)
    return cases


def min_snr_cases(name, options):
    scheduler = DDPMScheduler(num_train_timesteps=STEPS, **options)
    timesteps = torch.tensor(TIMES)
    snr = compute_snr(scheduler, timesteps)
    cases = []
    for gamma in (1.0, 5.0):
        least = torch.stack([snr, gamma * torch.ones_like(snr)], dim=1).min(dim=1)[0]
        cases.append(
            {
                "schedule": name,
                "gamma": gamma,
                "snr": snr.tolist(),
                "epsilon": (least / snr).tolist(),
                "v_prediction": (least / (snr + 1)).tolist(),
                "sample": least.tolist(),
            }
        )
    return cases


def main():
    target = Path(sys.argv[1])
    generator = torch.Generator().manual_seed(0)
    schedules = {}
    for name, options in SCHEDULES.items():
        for suffix, rescale in (("", False), ("_zero_snr", True)):
            bar = DDPMScheduler(num_train_timesteps=STEPS, rescale_betas_zero_snr=rescale, **options).alphas_cumprod
            schedules[name + suffix] = [float(bar[t]) for t in TIMES]
    cases = [
        ddim_case(name, options, 10, index, generator)
        for name, options in SOLVED.items()
        for index in (1, 5, 9)
    ]
    fixture = {
        "made_with": f"diffusers {diffusers.__version__}, torch {torch.__version__}",
        "times": TIMES,
        "alphas_cumprod": schedules,
        "ddim": cases,
        "ancestral": [
            ancestral_case(name, options, 10, index, generator)
            for name, options in SCHEDULES.items()
            for index in (1, 5, 8)
        ],
        "dpm_solver": [solver_case(name, options, 6, generator) for name, options in SOLVED.items()],
    }
    zero_snr = {name + "_zero_snr": {**options, "rescale_betas_zero_snr": True} for name, options in SOLVED.items()}
    fixture["predictions"] = [
        case
        for name, options in {**SOLVED, **zero_snr}.items()
        for prediction_type in ("sample", "v_prediction")
        for case in prediction_cases(name, options, prediction_type, generator)
    ]
    fixture["min_snr"] = [case for name, options in SCHEDULES.items() for case in min_snr_cases(name, options)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
