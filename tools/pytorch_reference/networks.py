"""The workspace's networks in plain PyTorch, with the weights of its safetensors.

UNet1d is weight_diffusion::UNet1d, LoRA is lora_gan's adapter the way PEFT computes one (a branch of two layers beside the
frozen one), PatchGan is lora_gan::PatchGan. The plain generator is that of ../load_generator.py.
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from load_generator import HybridGenerator, Unit  # noqa: E402


class Attention(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(context, width, bias=False)
        self.value = nn.Linear(context, width, bias=False)
        self.output = nn.Linear(width, width)

    def forward(self, x, context, mask=None):
        batch, length, width = x.shape

        def split(t):
            t = t.view(t.shape[0], t.shape[1], self.heads, width // self.heads).transpose(1, 2)
            return t.expand(batch, -1, -1, -1)

        q, k, v = split(self.query(x)), split(self.key(context)), split(self.value(context))
        if mask is not None:
            mask = mask[:, None, None, :].expand(batch, -1, length, -1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.output(y.transpose(1, 2).reshape(batch, length, width))


class TransformerBlock(nn.Module):
    """On [B, C, L]."""

    def __init__(self, width, context, heads, ff):
        super().__init__()
        self.norm_self = nn.LayerNorm(width)
        self.attention_self = Attention(width, width, heads)
        self.norm_cross = nn.LayerNorm(width)
        self.attention_cross = Attention(width, context, heads)
        self.norm_ff = nn.LayerNorm(width)
        self.ff_in = nn.Linear(width, 2 * ff * width)
        self.ff_out = nn.Linear(ff * width, width)

    def forward(self, x, context, mask):
        x = x.transpose(1, 2)
        y = self.norm_self(x)
        x = x + self.attention_self(y, y)
        x = x + self.attention_cross(self.norm_cross(x), context, mask)
        value, gate = self.ff_in(self.norm_ff(x)).chunk(2, dim=-1)
        x = x + self.ff_out(value * F.gelu(gate))
        return x.transpose(1, 2)


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs, embedding, groups):
        super().__init__()
        self.norm_1 = nn.GroupNorm(groups, inputs)
        self.conv_1 = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * outputs)
        self.norm_2 = nn.GroupNorm(groups, outputs)
        self.conv_2 = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, embedding):
        y = self.conv_1(F.silu(self.norm_1(x)))
        scale, shift = self.film(embedding)[:, :, None].chunk(2, dim=1)
        y = self.conv_2(F.silu(self.norm_2(y) * (1 + scale) + shift))
        return self.skip(x) + y


class IndexEmbedding(nn.Module):
    def __init__(self, encoding, width):
        super().__init__()
        self.hidden = nn.Linear(encoding, width)
        self.output = nn.Linear(width, width)
        steps = torch.arange(encoding // 2, dtype=torch.float64)
        self.register_buffer("frequencies", (10000.0 ** (-2 * steps / encoding)).float(), persistent=False)

    def forward(self, index):
        angles = index.float()[:, None] * self.frequencies
        encoded = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        return self.output(F.silu(self.hidden(encoded)))


class Upsample(nn.Module):
    """Two positions from each: a 1x1 convolution and a shuffle."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(channels, 2 * channels, 1)

    def forward(self, x):
        batch, channels, length = x.shape
        y = self.conv(x).view(batch, 2, channels, length)
        return y.permute(0, 2, 3, 1).reshape(batch, channels, 2 * length)


class UNet1d(nn.Module):
    """`config` is the dictionary that weight_diffusion::UNet1dConfig serialises to; one output layer, halved positions."""

    def __init__(self, config):
        super().__init__()
        if config.get("block_heads") is not None or not config["downsample"]:
            sys.exit("networks.py has one output layer for all blocks and always halves the positions")
        a, b, c = (m * config["base_channels"] for m in config["multipliers"])
        width, embedding = config["context_width"], config["embedding_size"]
        patch = config["patch_size"]

        def res(inputs, outputs):
            return ResBlock(inputs, outputs, embedding, config["norm_groups"])

        def text(level):
            return TransformerBlock(level, width, config["heads"], config["ff_multiplier"])

        self.stem = nn.Conv1d(1, a, patch, stride=patch)
        self.positions = nn.Parameter(torch.zeros(1, a, config["block_size"] // patch))
        self.embed_n = IndexEmbedding(config["encoding_size"], embedding)
        self.embed_t = IndexEmbedding(config["encoding_size"], embedding)
        self.context_norm = nn.LayerNorm(width)
        self.null_token = nn.Parameter(torch.zeros(1, 1, width))
        self.down_0, self.down_0_text = res(a, a), text(a)
        self.shrink_0 = nn.Conv1d(a, a, 2, stride=2)
        self.down_1, self.down_1_text = res(a, b), text(b)
        self.shrink_1 = nn.Conv1d(b, b, 2, stride=2)
        self.down_2 = res(b, c)
        self.middle_text = text(c)
        self.up_2 = res(2 * c, c)
        self.grow_1 = Upsample(c)
        self.up_1, self.up_1_text = res(c + b, b), text(b)
        self.grow_0 = Upsample(b)
        self.up_0, self.up_0_text = res(b + a, a), text(a)
        self.norm_out = nn.GroupNorm(config["norm_groups"], a)
        self.output = nn.Conv1d(a, patch, 1)
        self.parameterization = config["parameterization"]
        alpha, sigma = shares(config["schedule"])
        self.register_buffer("alpha", alpha.float(), persistent=False)
        self.register_buffer("sigma", sigma.float(), persistent=False)

    def forward(self, noisy, t, n, tokens, mask):
        """noisy [B, b], t and n [B], tokens [B or 1, L, C], mask [B or 1, L], true where a token is real."""
        texts = tokens.shape[0]
        context = torch.cat([self.null_token.expand(texts, -1, -1), self.context_norm(tokens)], dim=1)
        mask = F.pad(mask, (1, 0), value=True)
        embedding = F.silu(self.embed_n(n) + self.embed_t(t))
        x = noisy * self.alpha[t][:, None] if self.parameterization == "skip" else noisy
        x = self.stem(x[:, None]) + self.positions
        skip_0 = self.down_0_text(self.down_0(x, embedding), context, mask)
        x = self.down_1(self.shrink_0(skip_0), embedding)
        skip_1 = self.down_1_text(x, context, mask)
        skip_2 = self.down_2(self.shrink_1(skip_1), embedding)
        x = self.middle_text(skip_2, context, mask)
        x = self.grow_1(self.up_2(torch.cat([x, skip_2], dim=1), embedding))
        x = self.up_1_text(self.up_1(torch.cat([x, skip_1], dim=1), embedding), context, mask)
        x = self.grow_0(x)
        x = self.up_0_text(self.up_0(torch.cat([x, skip_0], dim=1), embedding), context, mask)
        x = self.output(F.silu(self.norm_out(x)))
        return x.transpose(1, 2).flatten(1)

    def recover(self, noisy, output, t):
        """w0 of a prediction, all at step t."""
        alpha, sigma = self.alpha[t], self.sigma[t]
        if self.parameterization == "epsilon":
            return (noisy - sigma * output) / alpha
        return alpha * noisy - sigma * output

    def load(self, tensors):
        """Takes the weights of weight_diffusion's names and orders."""
        state = {torch_name(name): to_torch(name, value) for name, value in tensors.items()}
        self.load_state_dict(state)

    def gradients(self):
        """The gradients under weight_diffusion's names, in its orders."""
        return {ours(name): from_torch(name, p.grad) for name, p in self.named_parameters() if p.grad is not None}


def torch_name(name):
    name = name.replace(".linear.", ".")
    for grow in ("grow_0.", "grow_1."):
        name = name.replace(grow, grow + "conv.")
    return name


def ours(name):
    head, last = name.rsplit(".", 1) if "." in name else ("", name)
    if head.endswith(".conv"):
        head = head.removesuffix(".conv") + ".linear"
    elif head.endswith(("conv_1", "conv_2", "shrink_0", "shrink_1")):
        head += ".linear"
    return f"{head}.{last}" if head else last


def taps(name):
    """Positions that a matrix [taps * C, C'] spans; none where the layer is no convolution."""
    layer = name.rsplit(".", 1)[0].removesuffix(".linear").removesuffix(".conv").rsplit(".", 1)[-1]
    spans = {"conv_1": 3, "conv_2": 3, "shrink_0": 2, "shrink_1": 2, "skip": 1, "grow_0": 1, "grow_1": 1}
    return spans.get(layer)


def to_torch(name, value):
    if name == "positions":
        return value.transpose(1, 2).contiguous()
    if value.dim() != 2:
        return value
    if name == "stem.weight":
        return value.T[:, None].contiguous()
    span = 1 if name == "output.weight" else taps(name)
    if span is None:
        return value.T.contiguous()
    return value.view(span, -1, value.shape[1]).permute(2, 1, 0).contiguous()


def from_torch(name, value):
    if name == "positions":
        return value.transpose(1, 2).contiguous()
    if name == "stem.weight":
        return value[:, 0].T.contiguous()
    if value.dim() == 3 and name.endswith("weight"):
        return value.permute(2, 1, 0).reshape(-1, value.shape[0]).contiguous()
    return value.T.contiguous() if value.dim() == 2 else value.contiguous()


def shares(schedule):
    """alpha_t and sigma_t of a schedule with linear betas."""
    betas = schedule["betas"]
    if betas["kind"] != "linear" or schedule.get("zero_terminal_snr"):
        sys.exit("networks.py knows DDPM's linear schedule only")
    steps = torch.linspace(betas["start"], betas["end"], schedule["steps"], dtype=torch.float64)
    bar = torch.cumprod(1 - steps, 0)
    return bar.sqrt(), (1 - bar).sqrt()


class Lora(nn.Module):
    """`base` frozen, and beside it down and up; a convolution's down has its kernel, up is 1x1 (as in PEFT)."""

    def __init__(self, base, down, up, scale):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = scale
        rank = down.shape[0]
        if isinstance(base, nn.Linear):
            self.lora_A = nn.Linear(base.in_features, rank, bias=False)
            self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        else:
            size = (base.kernel_size, base.stride, base.padding)
            if isinstance(base, nn.ConvTranspose2d):
                # PEFT has none for it; in the same manner.
                self.lora_A = nn.ConvTranspose2d(base.in_channels, rank, *size, base.output_padding, bias=False)
                down = down.transpose(0, 1)
            else:
                self.lora_A = nn.Conv2d(base.in_channels, rank, *size, bias=False)
            self.lora_B = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        with torch.no_grad():
            self.lora_A.weight.copy_(down)
            self.lora_B.weight.copy_(up)

    def forward(self, x):
        return self.base(x) + self.lora_B(self.lora_A(x)) * self.scale

    def factors(self, of=lambda p: p.detach()):
        """down and up, or `of` them, as lora_gan keeps them."""
        down = of(self.lora_A.weight)
        return (down.transpose(0, 1) if isinstance(self.base, nn.ConvTranspose2d) else down), of(self.lora_B.weight)

    def merged(self):
        """The base's weight with the update in it, as PEFT's get_delta_weight."""
        down, up = self.factors()
        delta = up.flatten(1) @ down.flatten(1) * self.scale
        weight = self.base.weight
        if isinstance(self.base, nn.ConvTranspose2d):
            return weight + delta.view(weight.shape[1], weight.shape[0], *weight.shape[2:]).transpose(0, 1)
        return weight + delta.view(weight.shape)


def adapted(generator, adapter, config):
    """`generator` with LoRA on the layers of `adapter`, its base frozen and the norms' weight and bias trainable."""
    generator.eval().requires_grad_(False)
    alpha = config["lora"].get("alpha")
    for name in [n.removesuffix(".lora_A.weight") for n in adapter if n.endswith(".lora_A.weight")]:
        down, up = adapter[f"{name}.lora_A.weight"], adapter[f"{name}.lora_B.weight"]
        module = generator.get_submodule(name)
        scale = alpha / down.shape[0] if alpha is not None else 1.0
        if isinstance(module, Unit):
            module.conv = Lora(module.conv, down, up, scale)
        else:
            parent, _, last = name.rpartition(".")
            setattr(generator.get_submodule(parent), last, Lora(module, down, up, scale))
    for name, value in adapter.items():
        if ".lora_" not in name:
            parameter = generator.get_parameter(name)
            with torch.no_grad():
                parameter.copy_(value)
            parameter.requires_grad_(True)
    return generator


def adapter_of(generator, of=lambda p: p.detach()):
    """The adapter, or `of` each of its parameters, under lora_gan's names."""
    found = {}
    for name, module in generator.named_modules():
        if isinstance(module, Lora):
            down, up = module.factors(of)
            name = name.removesuffix(".conv")
            found[f"{name}.lora_A.weight"], found[f"{name}.lora_B.weight"] = down, up
    for name, parameter in generator.named_parameters():
        if parameter.requires_grad and ".lora_" not in name:
            found[name] = of(parameter)
    return found


class PatchGan(nn.Module):
    """pix2pix's NLayerDiscriminator, under its names."""

    def __init__(self, config):
        super().__init__()
        if config["norm"] != "instance_affine":
            sys.exit(f"networks.py has no PatchGAN with norm {config['norm']!r}")
        layers, channels = [], 6
        for i in range(config["layers"] + 2):
            last = i == config["layers"] + 1
            out = 1 if last else config["width"] << min(i, 3)
            layers.append(nn.Conv2d(channels, out, 4, 2 if i < config["layers"] else 1, 1))
            if 0 < i and not last:
                layers.append(nn.InstanceNorm2d(out, affine=True))
            if not last:
                layers.append(nn.LeakyReLU(0.2))
            channels = out
        self.model = nn.Sequential(*layers)

    def forward(self, photo, edited):
        return self.model(torch.cat([photo, edited], dim=1))


__all__ = ["HybridGenerator", "Lora", "PatchGan", "UNet1d", "adapted", "adapter_of"]
