#!/usr/bin/env python3
"""Turns the PTX in a CubeCL kernel cache into machine code, so that a borrowed card spends none of its minutes on compiling.

    python tools/gpu-kernels.py out/stand-in/default.db out/cuda/default.db --ptxas ptxas --arch sm_90a

A program with `[compilation] cache = true` in its cubecl.toml keeps the PTX of each kernel in a database. If that run had no card but a
stand-in for libcuda.so.1 that launches nothing, the kernels are those of the card it claims to be; what autotune measured is not, and
is left out. The driver loads machine code where it finds it in place of PTX. Compressed as PACK/kernels.db.xz it is what
tools/gpu-run.sh starts with. Needs cbor2 (6.3.0) and CUDA's ptxas (PyPI: nvidia-cuda-nvcc 13.0.88).
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cbor2


def compiled(args, entry):
    """`entry` with machine code; as it was, and why, if ptxas refuses it."""
    namespace, key, value, origin = entry
    kernel = cbor2.loads(value)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_bytes(bytes(byte & 255 for byte in kernel["ptx"]).rstrip(b"\0"))
        command = [args.ptxas, "-arch", args.arch, "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return entry, f"{kernel['entrypoint_name']}: {done.stderr.strip()}"
        code = target.read_bytes()
    # C's char is signed.
    kernel["ptx"] = [byte - 256 if byte > 127 else byte for byte in code]
    return (namespace, key, cbor2.dumps(kernel), origin), None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", help="the database of the run with the stand-in")
    parser.add_argument("out", help="the database to write")
    parser.add_argument("--ptxas", default="ptxas")
    parser.add_argument("--arch", default="sm_90a")
    args = parser.parse_args()
    if Path(args.out).exists():
        sys.exit(f"{args.out} is there; remove it or choose another name")
    source = sqlite3.connect(f"file:{args.cache}?mode=ro", uri=True)
    target = sqlite3.connect(args.out)
    for (sql,) in source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall():
        target.execute(sql)
    target.executemany("INSERT INTO meta VALUES (?, ?)", source.execute("SELECT k, v FROM meta"))
    entries = source.execute("SELECT namespace, key, value, origin FROM entries WHERE namespace LIKE 'cuda/%'").fetchall()
    refused = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for entry, error in pool.map(partial(compiled, args), entries, chunksize=4):
            target.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", entry)
            if error:
                refused += 1
                print(error, file=sys.stderr)
    target.commit()
    print(f"{len(entries) - refused} of {len(entries)} kernels accepted by ptxas for {args.arch}")
    if refused:
        sys.exit(1)


if __name__ == "__main__":
    main()
