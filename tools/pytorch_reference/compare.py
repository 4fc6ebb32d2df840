#!/usr/bin/env python3
"""This workspace beside PyTorch, eager and torch.compile: time, memory and outputs of the same networks and weights.

    pip install -r tools/pytorch_reference/requirements.txt
    cargo build --release --workspace --bins
    python tools/pytorch_reference/compare.py --tasks predict-compact gan-compact --json out/compare.json --table out/compare.md

Each side is a process of its own with the same number of threads. After a warm-up (and torch.compile's compilation), which is
not timed, they take turns: one repetition each, again and again, so that other work on the machine meets all alike; short tasks
are repeated within a turn. A ratio is PyTorch's time divided by ours, turn by turn, and the median of the turns: above 1 we are
faster. A difference is the largest absolute one, relative to the largest absolute value of that output; of gradients, relative to
the largest value of all gradients. Memory is VmHWM at the end, loading included: of the whole process, and (in brackets) above
what it had with its libraries loaded and the task not yet opened. With `--device cuda` both compute on the card, whose memory
is what `nvidia-smi` reports for each process.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
TASKS = [
    "matmul",
    "predict-paper",
    "predict-compact",
    "unet-step-paper",
    "unet-step-compact",
    "gan-paper",
    "gan-compact",
    "merge",
    "codec",
    "encode",
]
# Each with PyTorch's own f32, TF32 (cards alone) or bf16 autocast.
SIDES = [f"{how}{precision}" for how in ("eager", "compile") for precision in ("", "-tf32", "-bf16")]


class Worker:
    """A process that repeats a task when told to."""

    def __init__(self, name, command, threads, log, device):
        count = str(threads)
        env = os.environ | {"RAYON_NUM_THREADS": count, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
        env |= {"TOKENIZERS_PARALLELISM": "false", "TEST_DEVICE": "flex" if device == "cpu" else device}
        self.name, self.log = name, log
        self.process = subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("w")
        )
        self.reply("its start")

    def reply(self, to):
        line = self.process.stdout.readline().strip()
        if not line:
            self.process.wait()
            raise RuntimeError(f"{self.name} ended at {to}; see {self.log}")
        return line

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command):
        self.tell(command)
        return self.reply(f"`{command}`")

    def run(self, count):
        return float(self.ask(f"run {count}"))

    def end(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.write("quit\n")
                self.process.stdin.close()
            except BrokenPipeError:
                pass
            self.process.wait()


def differences(ours, theirs):
    """Name of output: largest difference over largest value; all gradients together are `gradients`."""
    from safetensors.numpy import load_file

    ours, theirs = load_file(ours), load_file(theirs)
    if ours.keys() != theirs.keys():
        only = sorted(ours.keys() ^ theirs.keys())
        raise RuntimeError(f"outputs that one side has and the other lacks: {only[:6]}")
    largest = {}
    for name, value in ours.items():
        other = theirs[name]
        if value.size != other.size:
            raise RuntimeError(f"{name}: {value.shape} is not {other.shape}")
        key = "gradients" if name.startswith("gradient.") else name
        # Many tensors of one kind (merged weights, decoded tensors) make one line.
        key = "tensors" if "." in key else key
        gap, size = largest.get(key, (0.0, 0.0))
        delta = float(abs(value.ravel() - other.ravel()).max())
        largest[key] = (max(gap, delta), max(size, float(abs(other).max())))
    return {key: gap / size if size else gap for key, (gap, size) in largest.items()}


def card_mib(pid):
    """The memory on the card of a process, or none where nvidia-smi does not say."""
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()
        return next(float(used) for of, used in (line.split(",") for line in lines) if int(of) == pid)
    except (OSError, subprocess.CalledProcessError, StopIteration, ValueError):
        return None


def spread(values):
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def compare(task, args):
    folder = Path(args.dir) / task
    prepare = [args.rust, "prepare", "--task", task, "--dir", str(folder)]
    paper = task.startswith(("predict", "unet-step"))
    prepare += ["--blocks", str(args.blocks)] if args.blocks and paper else []
    prepare += ["--batch", str(args.batch)] if args.batch else []
    prepare += ["--text-model", args.text_model] if args.text_model and task == "encode" else []
    subprocess.run(prepare, check=True, env=os.environ | {"TEST_DEVICE": "flex"})
    python = [sys.executable, str(HERE / "worker.py"), "--dir", str(folder), "--threads", str(args.threads)]
    sides = ["rust"] + [side for side in args.sides if not (task == "encode" and not args.text_model)]
    sides = [side for side in sides if not (task == "encode" and side.startswith("compile"))]
    commands = {"rust": [args.rust, "work", "--dir", str(folder)]}
    for side in sides[1:]:
        how, _, precision = side.partition("-")
        commands[side] = python + ["--device", args.device, "--precision", precision or "f32", "--output", side]
        commands[side] += ["--compile"] if how == "compile" else []
    workers = {}
    try:
        for side in sides:
            workers[side] = Worker(side, commands[side], args.threads, folder / f"{side}.log", args.device)
        # Ours first, as Burn's autotune measures in it; PyTorch's compilers at the same time.
        first = {"rust": workers["rust"].run(1)}
        for side in sides[1:]:
            workers[side].tell("run 1")
        first |= {side: float(workers[side].reply("its first repetition")) for side in sides[1:]}
        first_ever = first
        for _ in range(args.warm_up - 1):
            first = {side: worker.run(1) for side, worker in workers.items()}
        counts = {side: max(1, round(args.turn / max(seconds, 1e-6))) for side, seconds in first.items()}
        turns = []
        for turn in range(args.repeats):
            # Each side goes first as often as the others.
            order = sides[turn % len(sides) :] + sides[: turn % len(sides)]
            turns.append({side: workers[side].run(counts[side]) for side in order})
        memory = {side: [float(v) for v in worker.ask("peak").split()] for side, worker in workers.items()}
        card = {side: card_mib(worker.process.pid) for side, worker in workers.items()} if args.device != "cpu" else None
        outputs = {side: worker.ask("output") for side, worker in workers.items()}
        eager = next((side for side in sides if side.startswith("eager")), None)
        flops = int(workers[eager].ask("flops")) if eager else None
    finally:
        for worker in workers.values():
            worker.end()
    others = [side for side in sides if side != "rust"]
    return {
        "task": task,
        "spec": json.loads((folder / "task.json").read_text()),
        "seconds": {side: spread([turn[side] for turn in turns]) for side in sides},
        "ratio": {side: spread([turn[side] / turn["rust"] for turn in turns]) for side in others},
        "difference": {side: differences(outputs["rust"], outputs[side]) for side in others},
        "peak_mib": {side: peak for side, (peak, _) in memory.items()},
        "peak_above_libraries_mib": {side: peak - before for side, (peak, before) in memory.items()},
        "first_seconds": first_ever,
        "card_mib": card,
        "flops": flops,
        "repetitions": counts,
        "turns": turns,
    }


def rate(result):
    """GFLOP/s of ours."""
    return result["flops"] / result["seconds"]["rust"]["median"] / 1e9 if result["flops"] else None


def time_of(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def peak_of(result, side):
    return f"{result['peak_mib'][side]:.0f} ({result['peak_above_libraries_mib'][side]:.0f})"


def show(result, roof):
    print(f"\n{result['task']}")
    for side, seconds in result["seconds"].items():
        line = f"  {side:8} {time_of(seconds['median']):>9} ({time_of(seconds['lowest'])} to {time_of(seconds['highest'])})"
        line += f", peak {peak_of(result, side)} MiB"
        if result["card_mib"] and result["card_mib"][side]:
            line += f", on the card {result['card_mib'][side]:.0f} MiB"
        if side in result["ratio"]:
            ratio = result["ratio"][side]
            line += f", ratio {ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"
        print(line)
        for name, value in result["difference"].get(side, {}).items():
            print(f"           {name} differs by {value:.1e}")
    if rate(result):
        share = f", {rate(result) / roof:.0%} of our matmul rate" if roof else ""
        print(f"  {result['flops'] / 1e9:.4g} GFLOP, ours at {rate(result):.0f} GFLOP/s{share}")


def table(results, roof):
    others = [side for side in SIDES if any(side in r["seconds"] for r in results)]
    names = [side.replace("compile", "torch.compile").replace("eager", "PyTorch eager") for side in others]
    head = ["task", "ours", *names, *(f"{side} / ours" for side in others)]
    head += [f"peak MiB ours, {', '.join(others)}", "difference", "GFLOP/s", "share of matmul"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for r in results:
        card = r["card_mib"] or {}

        def peak(side):
            if side not in r["peak_mib"]:
                return "—"
            return f"{card[side]:.0f}" if card.get(side) else peak_of(r, side)

        peaks = ", ".join(peak(side) for side in ("rust", *others))
        worst = [value for side in r["difference"].values() for value in side.values()]
        speed = rate(r)
        cells = [r["task"]]
        cells += [time_of(r["seconds"][side]["median"]) if side in r["seconds"] else "—" for side in ("rust", *others)]
        cells += [f"{r['ratio'][side]['median']:.2f}" if side in r["ratio"] else "—" for side in others]
        cells += [peaks, f"{max(worst):.1e}" if worst else "—", f"{speed:.0f}" if speed else "—"]
        cells += [f"{speed / roof:.0%}" if speed and roof else "—"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def machine():
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    flags = next((line for line in info.read_text().splitlines() if line.startswith("flags")), "").split()
    features = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        card = subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        card = None
    cpu = {"cpu": names[0] if names else "unknown", "features": features}
    return cpu | {"card": card, "cores": os.cpu_count(), "load": os.getloadavg()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--repeats", type=int, default=9, help="turns (default: 9)")
    parser.add_argument("--warm-up", type=int, default=2, help="repetitions before (default: 2)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turn", type=float, default=0.3, help="seconds that a turn takes at least (default: 0.3)")
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=["eager", "compile"], metavar="SIDE", help=", ".join(SIDES))
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--blocks", type=int, help="N of predict and unet-step, for quick runs (default: the preset's)")
    parser.add_argument("--batch", type=int, help="rows of a batch (default: the task's)")
    parser.add_argument("--text-model", metavar="DIR", help="all-MiniLM-L6-v2, for `encode` (default: ours alone, the static one)")
    parser.add_argument("--rust", default=str(ROOT / "target/release/side_by_side"))
    parser.add_argument("--dir", default=str(ROOT / "out/side-by-side"), help="weights, inputs, outputs and logs")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--table", metavar="FILE", help="Markdown")
    args = parser.parse_args()
    if not Path(args.rust).exists():
        sys.exit(f"{args.rust} is missing; cargo build --release --workspace --bins")
    results, failed = [], []
    roof = None
    for task in args.tasks:
        try:
            result = compare(task, args)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            print(f"\n{task}: {error}", file=sys.stderr)
            failed.append(task)
            continue
        if task == "matmul":
            roof = rate(result)
        result["gflops"], result["share_of_matmul"] = rate(result), roof and rate(result) and rate(result) / roof
        show(result, roof)
        results.append(result)
        # After each task: a long run that is stopped has left what it found.
        if args.json:
            report = {
                "version": 1,
                "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "machine": machine(),
                "threads": args.threads,
                "repeats": args.repeats,
                "results": results,
            }
            Path(args.json).write_text(json.dumps(report, indent=2) + "\n")
        if args.table:
            Path(args.table).write_text(table(results, roof))
    print("\n" + table(results, roof))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
