#!/usr/bin/env python3
"""Time and memory of LoRA files of millions of values, from a folder of them to a generated file.

    cargo build --release --examples
    pip install -r tools/requirements-lora-files.txt
    python tools/lora_files_scale.py OUT [MILLIONS ...]

Makes synthetic files in kohya's format (float16, rank 32, random values) of each size, and runs the three commands on them.
"""

import argparse
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

BIN = Path(__file__).parent.parent / "target/release/examples"
FILES, RANK, WIDTH = 6, 32, 3200


def make(folder, millions):
    """Files of 2 * RANK * WIDTH values a layer."""
    folder.mkdir(parents=True)
    layers = round(millions * 1e6 / (2 * RANK * WIDTH))
    for n in range(FILES):
        rng = np.random.default_rng(n)
        tensors = {}
        for layer in range(layers):
            name = f"lora_unet_blocks_{layer}_attn1_to_q"
            tensors[f"{name}.lora_down.weight"] = rng.standard_normal((RANK, WIDTH), np.float32).astype(np.float16)
            tensors[f"{name}.lora_up.weight"] = rng.standard_normal((WIDTH, RANK), np.float32).astype(np.float16)
            tensors[f"{name}.alpha"] = np.array(RANK / 2, np.float16)
        save_file(tensors, folder / f"style-{n}.safetensors")
        (folder / f"style-{n}.txt").write_text(f"style number {n}")


def measured(*command):
    """Seconds and the peak of resident memory in MiB."""
    started = time.time()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed; run it by hand to see why")
    return time.time() - started, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("millions", type=float, nargs="*", default=[5, 10, 20])
    args = parser.parse_args()
    print(f"| million values | collect {FILES} files | train, 100 steps | predict |\n| ---: | ---: | ---: | ---: |")
    for millions in args.millions:
        root = args.out / f"{millions:g}"
        shutil.rmtree(root, ignore_errors=True)
        make(root / "files", millions)
        zoo, generator = root / "zoo", root / "generator"
        runs = [
            ["lora_files", "collect", root / "files", "--out", zoo],
            ["train_generator", "--zoo", zoo, "--out", generator, "--stream", "--steps", 100],
            ["lora_files", "predict", "--zoo", zoo, "--generator", generator, "--prompt", "style", "--out", root / "out"],
        ]
        cells = []
        for command, *arguments in runs:
            seconds, memory = measured(BIN / command, *arguments)
            cells.append(f"{seconds:.0f} s, {memory:.0f} MiB")
        print(f"| {millions:g} | {' | '.join(cells)} |", flush=True)
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
