#!/usr/bin/env python3
"""Loads a generator that lora-gan exported into PyTorch, and translates a photo.

    pip install -r tools/requirements-gan.txt
    python tools/load_generator.py DIR photo.png out.png [--peft FOLDER] [--compare FILE]

DIR holds config.json and model.safetensors, as `HybridGenerator::export` and `generate --export DIR` write them. With --peft
an adapter folder is put on top by PeftModel.from_pretrained. --compare prints the largest difference to an image (PNG), or
to the tensor `edited` of a safetensors file; where that file holds `photo` as well, it is translated in place of the photo.
An image also differs by how its photo was decoded and resized, and by rounding to 8 bits: `generate --export DIR` leaves
DIR/check.safetensors for an exact comparison. A PEFT adapter goes onto the base alone, DIR/base.

The module below is plain torch.nn and is what tools/generator_fixtures.py takes as the reference.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


class Unit(nn.Module):
    """(Transposed) convolution, batch norm, ReLU."""

    def __init__(self, cin, cout, kernel, stride=1, transposed=False, reflect=False, norm=True, relu=True):
        super().__init__()
        pad = (kernel - 1) // 2
        # A layer of its own, as in pix2pix: PEFT's LoRA on a Conv2d does not take over its padding_mode.
        self.pad = nn.ReflectionPad2d(pad) if reflect else nn.Identity()
        if transposed:
            extra = stride + 2 * pad - kernel
            self.conv = nn.ConvTranspose2d(cin, cout, kernel, stride, pad, output_padding=extra)
        else:
            self.conv = nn.Conv2d(cin, cout, kernel, stride, 0 if reflect else pad)
        self.norm = nn.BatchNorm2d(cout) if norm else nn.Identity()
        self.relu = relu

    def forward(self, x):
        y = self.norm(self.conv(self.pad(x)))
        return F.relu(y) if self.relu else y


class ResBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = Unit(width, width, 3)
        self.conv2 = Unit(width, width, 3, relu=False)

    def forward(self, x):
        return x + self.conv2(self.conv1(x))


class Attention(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x, context, mask=None):
        b, n, c = x.shape
        context = context.expand(b, -1, -1)

        def split(t):
            return t.view(b, -1, self.heads, c // self.heads).transpose(1, 2)

        if mask is not None:
            mask = mask[:, None, None, :].expand(b, -1, -1, -1)
        y = F.scaled_dot_product_attention(
            split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context)), attn_mask=mask
        )
        return self.to_out(y.transpose(1, 2).reshape(b, n, c))


class TransformerBlock(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, context, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff_in = nn.Linear(width, 8 * width)
        self.ff_out = nn.Linear(4 * width, width)

    def forward(self, x, context, mask):
        b, c, h, w = x.shape
        x = x.flatten(2).transpose(1, 2)
        y = self.norm1(x)
        x = x + self.attn1(y, y)
        x = x + self.attn2(self.norm2(x), context, mask)
        value, gate = self.ff_in(self.norm3(x)).chunk(2, dim=-1)
        x = x + self.ff_out(value * F.gelu(gate))
        return x.transpose(1, 2).reshape(b, c, h, w)


class HybridGenerator(nn.Module):
    """`config` is the dictionary that lora_gan::GeneratorConfig serialises to."""

    def __init__(self, config):
        super().__init__()
        w0, w1, w2 = config["widths"]
        edge, up = config["edge_kernel"], config["up_kernel"]
        reflect = config["reflect_padding"]
        self.channel = config.get("noise", {}).get("kind") == "channel"
        self.context_width = config["context_width"]
        self.skip = config["bottleneck_skip"]
        self.stem = Unit(3 + self.channel, w0, edge, reflect=reflect)
        self.down1 = Unit(w0, w1, 3, 2)
        self.down2 = Unit(w1, w2, 3, 2)
        self.res1 = ResBlock(w2)
        self.res2 = ResBlock(w2)
        self.down3 = Unit(w2, w2, 3, 2)
        self.transformer = TransformerBlock(w2, self.context_width, config["heads"])
        self.up3 = Unit(w2, w2, up, 2, transposed=True)
        self.res3 = ResBlock(w2)
        self.up2 = Unit(w2, w1, up, 2, transposed=True)
        self.up1 = Unit(w1, w0, up, 2, transposed=True)
        self.head = Unit(w0, 3, edge, reflect=reflect, norm=False, relu=False)
        tokens = config["null_tokens"]
        self.null_context = nn.Parameter(torch.randn(tokens, self.context_width)) if tokens else None

    def forward(self, photo, context=None, mask=None):
        if context is None:
            mask = None
            if self.null_context is None:
                context = photo.new_zeros(1, 1, self.context_width)
            else:
                context = self.null_context[None]
        if self.channel:
            photo = torch.cat([photo, torch.zeros_like(photo[:, :1])], dim=1)
        x = self.down2(self.down1(self.stem(photo)))
        x = self.res2(self.res1(x))
        y = self.up3(self.transformer(self.down3(x), context, mask))
        x = x + y if self.skip else y
        x = self.up1(self.up2(self.res3(x)))
        return torch.tanh(self.head(x))


def load(folder):
    """The exported generator, ready to run."""
    folder = Path(folder)
    manifest = json.loads((folder / "config.json").read_text())
    if (manifest["format"], manifest["version"]) != ("lora-gan/hybrid-generator", 1):
        sys.exit(f"{folder}/config.json: not an exported generator of version 1")
    model = HybridGenerator(manifest["config"])
    missing, unexpected = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        sys.exit(f"{folder}/model.safetensors: missing {missing}, unexpected {unexpected}")
    return model.eval(), manifest["config"]


def read_photo(path, size):
    """[1, 3, size, size] in -1..1; the middle square, resized."""
    image = Image.open(path).convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge))
    if edge != size:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32).copy())
    return (pixels / 127.5 - 1).permute(2, 0, 1)[None]


def to_pixels(tensor):
    return ((tensor[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("photo")
    parser.add_argument("out")
    parser.add_argument("--peft", metavar="FOLDER")
    parser.add_argument("--compare", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, config = load(args.folder)
    if args.peft:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, args.peft).eval()
    theirs = None
    photo = None
    if args.compare and args.compare.endswith(".safetensors"):
        theirs = load_file(args.compare)
        photo = theirs.get("photo")
    if photo is None:
        photo = read_photo(args.photo, config["image_size"])
    with torch.no_grad():
        edited = model(photo)
    Image.fromarray(to_pixels(edited)).save(args.out)
    if isinstance(theirs, dict):
        theirs = theirs["edited"]
        print(f"largest difference to {args.compare}: {(edited - theirs).abs().max().item():.3g} (of the range -1..1)")
    elif args.compare:
        pixels = np.asarray(Image.open(args.compare).convert("RGB")).astype(int)
        difference = np.abs(pixels - to_pixels(edited).astype(int))
        print(f"largest difference to {args.compare}: {difference.max()} of 255, {(difference > 0).sum()} values differ")


if __name__ == "__main__":
    main()
