"""Compare the example `fid` with the Python package clean-fid: values, images/s and peak memory, in one run.

    cargo build --release --workspace --examples
    pip install --no-deps -r tools/requirements-clean-fid.txt   # and their dependencies, see that file
    python tools/clean_fid_compare.py --photos ../shared/photos/cc --count 96 --rounds 3

Both get the same InceptionV3 (weights of the formula in tools/clean_fid_fixtures.py, as a .pth file), the same folders
(photographs as PNG against copies that are blurred, noisy, or JPEG) and the same number of threads. Programs take
turns; medians are printed. images/s counts reading, resizing and the network, not start and Frechet distance; peak
memory is the largest resident set of the whole process, as the system counts it. With fewer images than features the
product of covariances is singular, and the package's square root of it is off by about 3e-4 whatever the distance: the
third value has the same features of the package, and no square root (nuclear_frechet in tools/clean_fid_fixtures.py).
"""

import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import time

COPIES = ("blur", "noise", "jpeg75", "jpeg20")


def make_copies(photos, count, work):
    import numpy as np
    from PIL import Image, ImageFilter

    paths = sorted(glob.glob(os.path.join(photos, "*.jpg")))
    paths = paths[:: max(1, len(paths) // count)][:count]
    if len(paths) < count:
        sys.exit(f"{photos} holds {len(paths)} photographs, {count} are needed")
    rng = np.random.default_rng(0)
    for name in ("photos", *COPIES):
        os.makedirs(os.path.join(work, name), exist_ok=True)
    for index, path in enumerate(paths):
        image = Image.open(path).convert("RGB")

        def at(name, kind):
            return os.path.join(work, name, f"{index:04d}.{kind}")

        image.save(at("photos", "png"))
        image.filter(ImageFilter.GaussianBlur(1.5)).save(at("blur", "png"))
        noisy = np.asarray(image).astype(np.float64) + rng.normal(0, 20, (*image.size[::-1], 3))
        Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(at("noise", "png"))
        image.save(at("jpeg75", "jpg"), quality=75)
        image.save(at("jpeg20", "jpg"), quality=20)


def make_weights(path):
    import torch
    from clean_fid_fixtures import formula_state

    torch.save(formula_state(), path)


def reference(args):
    """One run of the Python package, in a process of its own: prints JSON."""
    import torch

    torch.set_num_threads(args.threads)
    from clean_fid_fixtures import inception_model, normalised, nuclear_frechet
    from cleanfid import fid

    model = inception_model(torch.load(args.weights))
    spent = []

    def network(x):
        return model(normalised(x, "clean"))[0].flatten(1)

    def features(folder):
        started = time.perf_counter()
        out = fid.get_folder_features(
            folder,
            network,
            num_workers=args.workers,
            batch_size=32,
            device=torch.device("cpu"),
            mode="clean",
            verbose=False,
        )
        spent.append(time.perf_counter() - started)
        return out

    with torch.no_grad():
        a, b = features(args.folders[0]), features(args.folders[1])
    value, exact = float(fid.fid_from_feats(a, b)), float(nuclear_frechet(a, b))
    json.dump({"frechet": value, "exact": exact, "images_per_second": (len(a) + len(b)) / sum(spent)}, sys.stdout)


def measured(command, threads, output=None):
    """Runs a program; its JSON, wall time and peak memory in MiB."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    if output:
        with open(output) as file:
            printed = file.read()
    cpu = usage.ru_utime + usage.ru_stime
    return {**json.loads(printed), "wall": wall, "cpu": cpu, "mib": usage.ru_maxrss / 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", default="../shared/photos/cc")
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help="processes that read images for the Python package")
    parser.add_argument("--fid", default="target/release/examples/fid")
    parser.add_argument("--work", default="out/clean-fid-compare")
    parser.add_argument("--copies", nargs="*", default=COPIES)
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    parser.add_argument("--folders", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folders:
        return reference(args)

    os.makedirs(args.work, exist_ok=True)
    weights = os.path.join(args.work, "inception.pth")
    make_copies(args.photos, args.count, args.work)
    if not os.path.exists(weights):
        make_weights(weights)
    photos = os.path.join(args.work, "photos")
    report = os.path.join(args.work, "report.json")
    runs = {"ours": [], "python": []}
    print(f"{2 * args.count} images a run, {args.threads} threads, medians of {args.rounds} rounds in turn", flush=True)
    for copy in args.copies:
        folder = os.path.join(args.work, copy)
        values = {}
        for _ in range(args.rounds):
            programs = {
                "ours": ([args.fid, folder, photos, "--weights", weights, "--json", report], report),
                "python": (
                    [sys.executable, __file__, "--folders", folder, photos, "--weights", weights]
                    + ["--threads", str(args.threads), "--workers", str(args.workers)],
                    None,
                ),
            }
            for name, (command, output) in programs.items():
                run = measured(command, args.threads, output)
                runs[name].append(run)
                values[name] = run
        ours, theirs, exact = values["ours"]["frechet"], values["python"]["frechet"], values["python"]["exact"]
        line = (
            f"{copy:8} ours {ours:.6f}; clean-fid {theirs:.6f} ({100 * (ours / theirs - 1):+.4f} %), "
            f"without square root {exact:.6f} ({100 * (ours / exact - 1):+.4f} %)"
        )
        print(line, flush=True)
    keys = ("images_per_second", "wall", "cpu", "mib")
    for name, all_runs in runs.items():
        median = {key: statistics.median(run[key] for run in all_runs) for key in keys}
        print(
            f"{name:8} {median['images_per_second']:.2f} images/s, {median['wall']:.1f} s in all ({median['cpu']:.1f} s of CPU), "
            f"peak {median['mib']:.0f} MiB"
        )


if __name__ == "__main__":
    main()
