#!/usr/bin/env python3
"""Repeats one task in PyTorch, told on standard input; compare.py starts it.

    python tools/pytorch_reference/worker.py --dir out/side-by-side/predict-compact [--compile] [--threads 2]

Says `ready`, then answers a line with a line: `run N` with the mean seconds of N repetitions, `output` with the path of a
safetensors file, `peak` with the process's memory in MiB (its peak, VmHWM, and what it had before the task was opened), `flops` with the floating-point operations of one
repetition as PyTorch counts them (products, convolutions and attention, forward and backward), until `quit`.
"""

import argparse
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
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
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
                for _ in range(int(count)):
                    task.run()
                reply((time.perf_counter() - started) / max(int(count), 1))
            case ["output"]:
                path = Path(args.dir) / f"output-{'compile' if args.compile else 'eager'}.safetensors"
                save_file({name: value.detach().float().contiguous() for name, value in task.output().items()}, path)
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
