#!/usr/bin/env python3
"""Copies a weight generator with some of its tensors set to zero, to see what a part of it contributes.

    python tools/zero_tensors.py assets/weight-generator out/without-heads block_heads.table
    python tools/zero_tensors.py assets/weight-generator out/heads-alone output.weight output.bias

Needs the standard library only. docs/results.md has the figures.
"""

import hashlib
import json
import pathlib
import struct
import sys


def main(source: pathlib.Path, target: pathlib.Path, names: list[str]) -> None:
    data = bytearray((source / "weight_generator.safetensors").read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    for name in names:
        if name not in header:
            sys.exit(f"{source}: there is no tensor {name}; there are {', '.join(sorted(header))}")
        start, end = (8 + length + offset for offset in header[name]["data_offsets"])
        data[start:end] = bytes(end - start)  # zero bytes are 0.0 in every float format

    config = json.loads((source / "weight_generator.json").read_text())
    config["sha256"] = hashlib.sha256(data).hexdigest()
    target.mkdir(parents=True, exist_ok=True)
    (target / "weight_generator.safetensors").write_bytes(data)
    (target / "weight_generator.json").write_text(json.dumps(config))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:])
