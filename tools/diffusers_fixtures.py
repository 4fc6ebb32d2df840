#!/usr/bin/env python3
"""Reference values for weight-diffusion's schedules and samplers, from Hugging Face diffusers.

    pip install -r tools/requirements-diffusers.txt
    python tools/diffusers_fixtures.py crates/weight-diffusion/tests/fixtures/diffusers.json

alphas_cumprod of three schedules at 21 timesteps, and DDIMScheduler.step (eta 0, no clipping, epsilon prediction) on
small vectors: the next sample and the predicted original sample.
"""

import json
import sys
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler

SCHEDULES = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 2e-2},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 1.2e-2},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}
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


def main():
    target = Path(sys.argv[1])
    generator = torch.Generator().manual_seed(0)
    schedules = {}
    for name, options in SCHEDULES.items():
        bar = DDPMScheduler(num_train_timesteps=STEPS, **options).alphas_cumprod
        schedules[name] = [float(bar[t]) for t in TIMES]
    cases = [
        ddim_case(name, options, 10, index, generator)
        for name, options in SCHEDULES.items()
        for index in (1, 5, 9)
    ]
    fixture = {
        "made_with": f"diffusers {diffusers.__version__}, torch {torch.__version__}",
        "times": TIMES,
        "alphas_cumprod": schedules,
        "ddim": cases,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
