#!/usr/bin/env python3
"""Reference values for weight-diffusion's schedules and samplers, from Hugging Face diffusers.

    pip install -r tools/requirements-diffusers.txt
    python tools/diffusers_fixtures.py crates/weight-diffusion/tests/fixtures/diffusers.json

alphas_cumprod of the schedules at 21 timesteps, plain and rescaled to zero terminal SNR; DDIMScheduler.step (eta 0, no
clipping, epsilon prediction) on small vectors: the next sample and the predicted original sample; DDPMScheduler.step with
its noise; whole DPMSolverMultistepScheduler trajectories (dpmsolver++, order 2, midpoint) of fixed predictions.
"""

import json
import sys
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

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
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
