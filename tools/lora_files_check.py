#!/usr/bin/env python3
"""Loads generated LoRA files with PEFT or diffusers and checks that these get exactly what the files hold.

    pip install -r tools/requirements-lora-files.txt
    python tools/lora_files_check.py FORMAT TEMPLATE GENERATED...

FORMAT is peft, diffusers or kohya. TEMPLATE is a file of the set that the generator was trained on, and each of GENERATED a
file that it wrote, with the same layers; for peft they are folders. They are loaded into the bases of
tools/lora_files_fixtures.py, or for peft into the image classifier in the folder --base. For every file:

- names, shapes and dtypes are those of the template;
- the library puts each factor into the layer of that name with exactly the file's values, and no layer lacks its factors;
- the update that the library computes is scale * up * down, with the scale computed here from what the file states;
- the outputs of the network are finite, and are not those of the base.

Prints a line per file. Exits with 1 if anything does not hold.
"""

import argparse
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from lora_files_fixtures import load_into_unet, tiny_gpt2, tiny_unet  # noqa: E402  (first: it turns the network off)

import torch  # noqa: E402
from peft import PeftModel  # noqa: E402
from safetensors import safe_open  # noqa: E402
from transformers import AutoModelForImageClassification  # noqa: E402

PAIRS = [("lora_A", "lora_B"), ("lora.down", "lora.up"), ("lora_down", "lora_up")]


class Failed(Exception):
    pass


def require(condition, message):
    if not condition:
        raise Failed(message)


def read(path):
    """The tensors of a file, and its header's metadata."""
    with safe_open(str(path), "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def split(tensors):
    """The factors by layer, as [down, up], and the alphas by layer."""
    factors, alphas = {}, {}
    for name, tensor in tensors.items():
        if name.endswith(".alpha"):
            alphas[name.removesuffix(".alpha")] = tensor
            continue
        for pair in PAIRS:
            for i, suffix in enumerate(pair):
                if name.endswith(f".{suffix}.weight"):
                    factors.setdefault(name.removesuffix(f".{suffix}.weight"), [None, None])[i] = tensor
    for layer, pair in factors.items():
        require(all(tensor is not None for tensor in pair), f"{layer} has one factor only")
    count = 2 * len(factors) + len(alphas)
    require(count == len(tensors), f"{len(tensors) - count} tensors are neither factors nor alphas")
    require(set(alphas) <= set(factors), "there are alphas without factors")
    return factors, alphas


def config_scale(config, module, rank):
    """alpha / rank or alpha / sqrt(rank) by a configuration of PEFT, which also has to state the rank that the file has."""

    def value(pattern, default):
        found = (v for key, v in config.get(pattern, {}).items() if re.match(rf"(.*\.)?({key})$", module))
        return next(found, config[default])

    stated = value("rank_pattern", "r")
    require(stated == rank, f"the configuration states rank {stated} for {module}, which has rank {rank}")
    return value("alpha_pattern", "lora_alpha") / (rank**0.5 if config["use_rslora"] else rank)


def same_form(template, generated):
    names = sorted(set(template) ^ set(generated))
    require(not names, f"names that only one of template and file has: {names}")
    for name, tensor in template.items():
        other = generated[name]
        require(tensor.shape == other.shape, f"{name} has shape {list(other.shape)}, not {list(tensor.shape)}")
        require(tensor.dtype == other.dtype, f"{name} has dtype {other.dtype}, not {tensor.dtype}")


def peft_base(folder):
    return AutoModelForImageClassification.from_pretrained(folder).eval() if folder else tiny_gpt2()


def output(model):
    """What the network gives for a fixed random input."""
    g = torch.Generator().manual_seed(0)
    config = model.config
    with torch.no_grad():
        if hasattr(config, "vocab_size"):
            return model(input_ids=torch.randint(config.vocab_size, (2, 8), generator=g)).logits
        if hasattr(config, "image_size"):
            shape = (2, config.num_channels, config.image_size, config.image_size)
            return model(pixel_values=torch.randn(shape, generator=g)).logits
        photo = torch.randn(2, config.in_channels, config.sample_size, config.sample_size, generator=g)
        text = torch.randn(2, 4, config.cross_attention_dim, generator=g)
        return model(photo, torch.tensor([3, 700]), text).sample


def load(format_, path, base):
    """The base's and the adapted network's output, the library's layers by the file's names, and a function of name and rank
    that gives the scale that the file states, if it is not by alphas."""
    if format_ == "peft":
        before = output(peft_base(base))
        model = PeftModel.from_pretrained(peft_base(base), path)
        config = json.loads((path / "adapter_config.json").read_text())
        prefix = "base_model.model."
        names = {name: name for name, _ in model.named_modules()}
        return before, model, names, lambda name, rank: config_scale(config, name.removeprefix(prefix), rank)
    before = output(tiny_unet())
    model = load_into_unet(path)
    if format_ == "kohya":
        names = {name: "lora_unet_" + name.replace(".", "_") for name, _ in model.named_modules()}
        return before, model, names, lambda name, rank: 1.0
    _, metadata = read(path)
    config = json.loads(metadata["lora_adapter_metadata"]) if "lora_adapter_metadata" in metadata else None
    config = config and {key.removeprefix("unet."): value for key, value in config.items() if key.startswith("unet.")}
    names = {name: f"unet.{name}" for name, _ in model.named_modules()}
    return before, model, names, lambda name, rank: config_scale(config, name.removeprefix("unet."), rank) if config else 1.0


def check(format_, template, path, base):
    weights = (lambda p: p / "adapter_model.safetensors") if format_ == "peft" else lambda p: p
    tensors, _ = read(weights(path))
    same_form(read(weights(template))[0], tensors)
    for name, tensor in tensors.items():
        require(bool(tensor.isfinite().all()), f"{name} has values that are not finite")
    factors, alphas = split(tensors)
    if format_ == "peft":
        configs = [json.loads((p / "adapter_config.json").read_text()) for p in (template, path)]
        require(configs[0]["base_model_name_or_path"] == configs[1]["base_model_name_or_path"], "another base is named")
    if format_ == "kohya":
        require(set(alphas) == set(factors), "layers without alpha")

    before, model, names, stated_scale = load(format_, path, base)
    adapted = {names[name]: m for name, m in model.named_modules() if "default" in getattr(m, "lora_A", {})}
    only = sorted(set(adapted) ^ set(factors))
    require(not only, f"layers that only one of file and network has adapted: {only}")
    values = 0
    for name, module in adapted.items():
        for tensor, part in zip(factors[name], (module.lora_A, module.lora_B)):
            loaded = part["default"].weight.detach()
            require(torch.equal(loaded.to(tensor.dtype), tensor), f"the network has other factors in {name}")
            require(torch.equal(loaded, tensor.to(loaded.dtype)), f"the network has other factors in {name}")
            values += tensor.numel()
        down, up = (tensor.double() for tensor in factors[name])
        rank = down.shape[0]
        scale = float(alphas[name]) / rank if name in alphas else stated_scale(name, rank)
        expected = scale * (up.flatten(1) @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])
        update = module.get_delta_weight("default").detach().double()
        update = update.T if getattr(module, "fan_in_fan_out", False) else update
        error = (update - expected).abs().max() / expected.abs().max().clamp(min=1e-30)
        require(error < 1e-5, f"the update of {name} differs by {error:.1e} of its largest value")
    after = output(model.eval())
    require(bool(after.isfinite().all()), "the network's output is not finite")
    require(not torch.equal(before, after), "the network's output is that of the base")
    change = ((after - before).norm() / before.norm()).item()
    dtypes = ", ".join(sorted({str(t.dtype).removeprefix("torch.") for t in tensors.values()}))
    print(f"{path}: {len(adapted)} layers, {len(tensors)} tensors, {values} values in {dtypes}; output changed by {change:.2g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=["peft", "diffusers", "kohya"])
    parser.add_argument("template", type=Path)
    parser.add_argument("generated", type=Path, nargs="+")
    parser.add_argument("--base", type=Path, help="an image classifier saved by transformers, for peft")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    for path in args.generated:
        try:
            check(args.format, args.template, path, args.base)
        except Exception as error:  # whatever a library raises is a failure of this file
            print(f"FAILED {path}: {error if isinstance(error, Failed) else repr(error)}")
            failed += 1
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
