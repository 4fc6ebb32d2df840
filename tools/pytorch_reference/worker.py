#!/usr/bin/env python3
"""Repeats one task in PyTorch, told on standard input; compare.py starts it.

    python tools/pytorch_reference/worker.py --dir out/side-by-side/predict-compact [--compile] [--threads 2]
        [--device cuda] [--precision tf32]

Says `ready`, then answers a line with a line: `run N` with the mean seconds of N repetitions, `output` with the path of a
safetensors file, `peak` with the process's memory in MiB (its peak, VmHWM, and what it had before the task was opened), `flops` with the floating-point operations of one
repetition as PyTorch counts them (products, convolutions and attention, forward and backward), until `quit`.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from tasks import open_task


def memory_mib(figure):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(figure):
            return int(line.split()[1]) / 1024
    sys.exit(f"no {figure} in /proc/self/status")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", required=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision",
        choices=["f32", "tf32", "bf16"],
        default="f32",
        help="of products and convolutions: f32; tf32, if the card has it; bf16 by autocast",
    )
    parser.add_argument("--output", default="eager", help="suffix of the file that `output` writes (default: eager)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision != "f32"
    autocast = (
        torch.autocast(args.device.split(":")[0], dtype=torch.bfloat16)
        if args.precision == "bf16"
        else contextlib.nullcontext()
    )
    idle = torch.cuda.synchronize if args.device.startswith("cuda") else lambda: None
    before = memory_mib("VmRSS:")
    task = open_task(args.dir, args.compile)
    replies = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no reply

    def reply(line):
        print(line, file=replies, flush=True)

    reply("ready")
    for line in sys.stdin:
        match line.split():
            case ["run", count]:
                started = time.perf_counter()
                with autocast:
                    for _ in range(int(count)):
                        task.run()
                idle()
                reply((time.perf_counter() - started) / max(int(count), 1))
            case ["output"]:
                path = Path(args.dir) / f"output-{args.output}.safetensors"
                with autocast:
                    found = task.output()
                save_file({name: value.detach().float().cpu().contiguous() for name, value in found.items()}, path)
                reply(path)
            case ["peak"]:
                reply(f"{memory_mib('VmHWM:'):.1f} {before:.1f}")
            case ["flops"]:
                with FlopCounterMode(display=False) as counter:
                    task.run()
                reply(counter.get_total_flops())
            case ["quit"]:
                return
            case _:
                sys.exit(f"no command {line!r}")


if __name__ == "__main__":
    main()
