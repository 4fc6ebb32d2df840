#!/usr/bin/env python3
"""Reference values for lora-gan's hybrid generator, from PyTorch and PEFT.

    pip install -r tools/requirements-gan.txt
    python tools/generator_fixtures.py crates/lora-gan/tests/fixtures/generator

The network is the plain torch.nn module of tools/load_generator.py, at small widths. Each case is one forward and one backward
pass of mean((G(photo) - target)^2):

base-CONFIG      training mode, so batch norms take the batch's statistics; gradients of all weights and of the photo; with a
                 masked text and without
adapted-CONFIG   eval mode, LoRA on all layers, gradients of the adapter and of the photo; with text, with a masked text, and
                 without. Convolutions and linear layers are adapted by PEFT; it has no LoRA for transposed convolutions, so
                 those are two torch operations, c -> r (transposed) and r -> f (1x1)
peft             a folder by PEFT's save_pretrained, with rank and alpha patterns and norms as modules_to_save, and what the
                 adapted network gives
"""

import json
import shutil
import sys
from pathlib import Path

import peft
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))
from load_generator import HybridGenerator  # noqa: E402

COMPACT = {
    "image_size": 16,
    "widths": [4, 6, 8],
    "edge_kernel": 3,
    "up_kernel": 4,
    "heads": 2,
    "context_width": 5,
    "null_tokens": 4,
    "bottleneck_skip": True,
    "reflect_padding": False,
    "lora": {"rank": 2, "alpha": 2.0},
    "lora_seed": 0,
}
PAPER = {
    "image_size": 16,
    "widths": [4, 6, 8],
    "edge_kernel": 7,
    "up_kernel": 3,
    "heads": 4,
    "context_width": 5,
    "null_tokens": 0,
    "bottleneck_skip": False,
    "reflect_padding": True,
    "lora": {"rank": 3, "alpha": 1.5},
    "lora_seed": 0,
}
CONFIGS = {"compact": COMPACT, "paper": PAPER}


def randomise(model, seed):
    """Every weight and statistic away from its initial value, the signal's scale kept."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in list(model.named_parameters()) + list(model.named_buffers()):
            if name.endswith("num_batches_tracked"):
                continue
            noise = torch.randn(p.shape, generator=g)
            if name.endswith("running_var"):
                p.copy_(1 + 0.4 * torch.rand(p.shape, generator=g))
            elif "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.2 * noise)
            elif p.dim() == 1 or "lora_B" in name:
                p.copy_(0.2 * noise)
            elif "null_context" in name:
                p.copy_(noise)
            else:
                fan_in = p[0].numel() if "up" not in name.split(".")[0] else p.shape[0] * p[0, 0].numel()
                p.copy_(noise / fan_in**0.5)
    return model


class TransposedLora(nn.Module):
    """LoRA on a transposed convolution: the factors have PEFT's shapes, [r, c, k, k] and [f, r, 1, 1]."""

    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base = base
        k = base.kernel_size[0]
        self.lora_A = nn.Parameter(torch.zeros(rank, base.in_channels, k, k))
        self.lora_B = nn.Parameter(torch.zeros(base.out_channels, rank, 1, 1))
        self.scale = alpha / rank

    def forward(self, x):
        b = self.base
        inner = F.conv_transpose2d(x, self.lora_A.transpose(0, 1), None, b.stride, b.padding, b.output_padding)
        return b(x) + F.conv2d(inner, self.lora_B) * self.scale


def data(seed):
    g = torch.Generator().manual_seed(seed)
    photo = torch.rand(2, 3, 16, 16, generator=g) * 2 - 1
    target = torch.rand(2, 3, 16, 16, generator=g) * 2 - 1
    tokens = torch.randn(2, 3, 5, generator=g)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    return photo, target, tokens, mask


def step(model, photo, target, tokens=None, mask=None):
    """Output, loss and gradients of one pass."""
    model.zero_grad()
    photo = photo.clone().requires_grad_()
    out = model(photo, tokens, mask)
    loss = ((out - target) ** 2).mean()
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"out": out.detach(), "loss": loss.detach().reshape(1), "grad_photo": photo.grad}, grads


def state(model):
    return {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}


def save(path, tensors):
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, str(path))


def base_case(name, config, out):
    model = randomise(HybridGenerator(config), 1).train()
    photo, target, tokens, mask = data(2)
    tensors = {f"w.{k}": v.clone() for k, v in state(model).items()}
    tensors |= {"photo": photo, "target": target, "tokens": tokens, "mask": mask.float()}
    values, grads = step(model, photo, target, tokens, mask)
    tensors |= {f"text.{k}": v for k, v in values.items()} | {f"text.grad.{k}": v for k, v in grads.items()}
    for key in ("running_mean", "running_var"):
        tensors[f"after.stem.norm.{key}"] = model.state_dict()[f"stem.norm.{key}"].clone()
    values, grads = step(model, photo, target)
    tensors |= {f"none.{k}": v for k, v in values.items()} | {f"none.grad.{k}": v for k, v in grads.items()}
    save(out / f"base-{name}.safetensors", tensors)


def names(key):
    """PEFT's parameter name -> ours in PyTorch's form."""
    key = key.removeprefix("base_model.model.").replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")
    key = key.replace(".modules_to_save.default.", ".")
    if key.endswith((".lora_A", ".lora_B")):
        key += ".weight"
    return key


def norm_names(model):
    return [n for n, m in model.named_modules() if isinstance(m, (nn.BatchNorm2d, nn.LayerNorm))]


def adapted_case(name, config, out):
    model = randomise(HybridGenerator(config), 3)
    base = {f"w.{k}": v.clone() for k, v in state(model).items()}
    rank, alpha = config["lora"]["rank"], config["lora"]["alpha"]
    targets = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    peft_config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=targets, modules_to_save=norm_names(model), init_lora_weights=False
    )
    model = get_peft_model(model, peft_config)
    inner = model.base_model.model
    for unit in (inner.up1, inner.up2, inner.up3):
        for p in unit.conv.parameters():
            p.requires_grad_(False)
        unit.conv = TransposedLora(unit.conv, rank, alpha)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    g = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for n, p in trained.items():
            if "norm" in n and n.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn(p.shape, generator=g))
            elif "lora_A" in n:
                p.copy_(torch.randn(p.shape, generator=g) / p[0].numel() ** 0.5)
            else:
                p.copy_(0.3 * torch.randn(p.shape, generator=g))
    model.eval()
    tensors = base | {f"a.{names(n)}": p.detach().clone() for n, p in trained.items()}
    photo, target, tokens, mask = data(5)
    tensors |= {"photo": photo, "target": target, "tokens": tokens, "mask": mask.float()}
    everything = torch.ones_like(mask)
    for case, text in (("none", (None, None)), ("text", (tokens, everything)), ("masked", (tokens, mask))):
        values, grads = step(model, photo, target, *text)
        tensors |= {f"{case}.{k}": v for k, v in values.items()}
        tensors |= {f"{case}.grad.{names(k)}": v for k, v in grads.items()}
    save(out / f"adapted-{name}.safetensors", tensors)


def peft_case(config, out):
    model = randomise(HybridGenerator(config), 6)
    base = {f"w.{k}": v.clone() for k, v in state(model).items()}
    targets = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    targets = [n for n in targets if not n.startswith("res2")]
    peft_config = LoraConfig(
        r=2,
        lora_alpha=3,
        use_rslora=True,
        lora_dropout=0.25,
        target_modules=targets,
        modules_to_save=[n for n in norm_names(model) if n not in ("down1.norm", "res3.conv1.norm")],
        rank_pattern={"attn2.to_k": 3, "down2.conv": 4},
        alpha_pattern={"attn2.to_k": 5, "^stem.conv": 1},
        init_lora_weights=False,
    )
    model = get_peft_model(model, peft_config)
    g = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.requires_grad:
                p.add_(0.1 * torch.randn(p.shape, generator=g))
    model.eval()
    photo, _, tokens, mask = data(8)
    with torch.no_grad():
        outputs = {"out.none": model(photo), "out.masked": model(photo, tokens, mask)}
    folder = out / "peft"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    save(out / "peft.safetensors", base | outputs | {"photo": photo, "tokens": tokens, "mask": mask.float()})


def main():
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, config in CONFIGS.items():
        base_case(name, config, out)
        adapted_case(name, config, out)
    peft_case(COMPACT, out)
    (out / "configs.json").write_text(json.dumps(CONFIGS | {"torch": torch.__version__, "peft": peft.__version__}, indent=1))


if __name__ == "__main__":
    main()
