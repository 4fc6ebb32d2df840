"""Make the fixtures of pix2pix, Co-Mod-GAN and the gradient penalties (crates/gan-baselines) and of PatchGAN and the losses
(crates/lora-gan).

    pip install --no-deps -r tools/requirements-gan.txt   # and torch's dependencies
    git clone https://github.com/taesungp/contrastive-unpaired-translation CUT   # b3ac297708df
    git clone https://github.com/NVlabs/stylegan2-ada-pytorch ADA                # d72cc7d041b4
    python tools/gan_fixtures.py --cut CUT --ada ADA crates

CUT is by pix2pix's authors and holds pix2pix's ResnetGenerator, NLayerDiscriminator, GANLoss and
cal_gradient_penalty as junyanz/pytorch-CycleGAN-and-pix2pix does (whose repository is too large for some mirrors), with
anti-aliased resampling as an option, which is switched off here. Co-Mod-GAN's generator has no public PyTorch code by its
authors: its wiring below follows the TensorFlow source zsyzzsoft/co-mod-gan (training/co_mod_gan.py, pix2pix=True), its
layers are ADA's own, as is the whole discriminator. Neither repository is part of this one.

Per network one safetensors file: `weight/NAME`, inputs, the output, a cotangent c, and the gradients of sum(output * c)
by the inputs and by every weight (`grad/NAME`). Everything is computed in float64: ADA's networks name float32, which a
temporary copy of the file replaces.
"""

import argparse
import functools
import importlib
import json
import math
import os
import shutil
import sys
import tempfile
import types

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file


def package(name, folder, module):
    """The module of a folder without running the folder's __init__.py."""
    holder = types.ModuleType(name)
    holder.__path__ = [folder]
    sys.modules[name] = holder
    return importlib.import_module(f"{name}.{module}")


def double_ada(source, folder):
    """ADA's training/networks.py with float64 in the place of float32."""
    for part in ["torch_utils", "dnnlib", "training"]:
        shutil.copytree(os.path.join(source, part), os.path.join(folder, part))
    path = os.path.join(folder, "training", "networks.py")
    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("torch.float32", "torch.float64"))
    sys.path.insert(0, folder)
    return importlib.import_module("training.networks")


def save(out, name, tensors):
    tensors = {key: value.detach().to(torch.float32).contiguous().clone() for key, value in tensors.items()}
    save_file(tensors, os.path.join(out, name))


def shake(module, generator, scale):
    """Moves every parameter off its initial value; norms' gammas stay near one."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32).to(parameter.dtype)
            if parameter.dim() > 1:
                parameter.copy_(scale(name, parameter) * noise)
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(1 + 0.5 * torch.rand(buffer.shape, generator=generator))


def images(generator, *shape):
    return 2 * torch.rand(shape, generator=generator) - 1


def weights(module):
    skipped = ("num_batches_tracked", "resample_filter")
    return {k: v.clone() for k, v in module.state_dict().items() if not k.endswith(skipped)}


def step(module, inputs, run, generator):
    """Forward and one backward: all tensors of the fixture but the weights before it."""
    inputs = {name: value.requires_grad_(True) for name, value in inputs.items()}
    output = run(module, **inputs)
    cotangent = torch.randn(output.shape, generator=generator).to(output.dtype)
    (output * cotangent).sum().backward()
    tensors = {"output": output, "cotangent": cotangent}
    for name, value in inputs.items():
        tensors |= {name: value, f"grad_{name}": value.grad}
    tensors |= {f"grad/{name}": p.grad for name, p in module.named_parameters()}
    return tensors


def double_images(generator, *shape):
    return images(generator, *shape).double()


NORMS = {
    "batch": functools.partial(torch.nn.BatchNorm2d, affine=True, track_running_stats=True),
    "instance": functools.partial(torch.nn.InstanceNorm2d, affine=False, track_running_stats=False),
    "instance_affine": functools.partial(torch.nn.InstanceNorm2d, affine=True, track_running_stats=False),
}


def he(_, parameter):
    return math.sqrt(2 / parameter[0].numel())


def resnet(cut, norm, width, blocks, dropout=False):
    return cut.ResnetGenerator(
        3, 3, width, norm_layer=NORMS[norm], use_dropout=dropout, n_blocks=blocks, no_antialias=True, no_antialias_up=True
    )


def pix2pix(cut, out):
    for seed, norm in enumerate(["batch", "instance"]):
        g = torch.Generator().manual_seed(seed)
        net = resnet(cut, norm, 4, 2).double()
        shake(net, g, he)
        tensors = {f"weight/{k}": v for k, v in weights(net).items()}
        tensors |= step(net, {"photo": double_images(g, 2, 3, 16, 12)}, lambda m, photo: m(photo), g)
        # After the step, so that running statistics count.
        tensors |= {f"after/{k}": v for k, v in weights(net).items() if "running" in k}
        with torch.no_grad():
            tensors["eval"] = net.eval()(tensors["photo"])
        save(out, f"resnet_{norm}.safetensors", tensors)


def patchgan(cut, out):
    for seed, (norm, layers) in enumerate([("batch", 3), ("instance", 3), ("instance_affine", 2)]):
        g = torch.Generator().manual_seed(10 + seed)
        net = cut.NLayerDiscriminator(6, 4, n_layers=layers, norm_layer=NORMS[norm], no_antialias=True).double()
        shake(net, g, he)
        tensors = {f"weight/{k}": v for k, v in weights(net).items()}
        inputs = {"photo": double_images(g, 2, 3, 32, 40), "edited": double_images(g, 2, 3, 32, 40)}
        tensors |= step(net, inputs, lambda m, photo, edited: m(torch.cat([photo, edited], 1)), g)
        tensors |= {f"after/{k}": v for k, v in weights(net).items() if "running" in k}
        save(out, f"patchgan_{norm}.safetensors", tensors)


def checkpoints(cut, out):
    """`.pth` files as torch writes them, and what their networks make of a photo."""
    g = torch.Generator().manual_seed(20)
    tensors = {"photo": images(g, 1, 3, 16, 16)}
    net = resnet(cut, "batch", 2, 1, dropout=True)
    shake(net, g, he)
    torch.save(net.state_dict(), os.path.join(out, "resnet.pth"))
    torch.save(net.state_dict(), os.path.join(out, "resnet_legacy.pth"), _use_new_zipfile_serialization=False)
    with torch.no_grad():
        tensors["batch_dropout"] = net.eval()(tensors["photo"])
    # As before PyTorch 0.4: instance norms with running statistics, which nothing uses.
    old = functools.partial(torch.nn.InstanceNorm2d, affine=False, track_running_stats=True)
    net = cut.ResnetGenerator(3, 3, 2, norm_layer=old, n_blocks=1, no_antialias=True, no_antialias_up=True)
    shake(net, g, he)
    torch.save(net.state_dict(), os.path.join(out, "resnet_old_instance.pth"))
    now = resnet(cut, "instance", 2, 1)
    now.load_state_dict({k: v for k, v in net.state_dict().items() if "running" not in k and "tracked" not in k})
    with torch.no_grad():
        tensors["instance"] = now(tensors["photo"])
    net = resnet(cut, "instance", 2, 1)
    shake(net, g, he)
    net.model[1].weight.data[0, 0, 0, 3] = float("nan")
    torch.save(net.state_dict(), os.path.join(out, "resnet_nan.pth"))
    save(out, "resnet_pth.safetensors", tensors)


class CoModGenerator(torch.nn.Module):
    """Co-Mod-GAN's generator with ADA's layers; names are those of the Rust module."""

    def __init__(self, ada, size, z, w, layers, base, most):
        super().__init__()
        top = int(math.log2(size))

        def nf(stage):
            return min(max(base >> stage, 1), most)

        m = w + 2 * nf(1)
        self.mapping = ada.MappingNetwork(z, 0, w, num_ws=None, num_layers=layers, w_avg_beta=None)
        conv = functools.partial(ada.Conv2dLayer, activation="lrelu")
        self.from_rgb = conv(3, nf(top - 1), 1)
        self.encoder = torch.nn.ModuleList(
            torch.nn.ModuleList([conv(nf(r - 1), nf(r - 1), 3), conv(nf(r - 1), nf(r - 2), 3, down=2)])
            for r in range(top, 2, -1)
        )
        self.conv = conv(nf(1), nf(1), 3)
        self.dense = ada.FullyConnectedLayer(nf(1) * 16, 2 * nf(1), activation="lrelu")
        self.start = ada.FullyConnectedLayer(2 * nf(1), nf(1) * 16, activation="lrelu")
        self.first = ada.SynthesisLayer(nf(1), nf(1), m, 4)
        self.first_rgb = ada.ToRGBLayer(nf(1), 3, m)
        self.decoder = torch.nn.ModuleList(
            torch.nn.ModuleList(
                [
                    ada.SynthesisLayer(nf(r - 2), nf(r - 1), m, 2**r, up=2),
                    ada.SynthesisLayer(nf(r - 1), nf(r - 1), m, 2**r),
                    ada.ToRGBLayer(nf(r - 1), 3, m),
                ]
            )
            for r in range(3, top + 1)
        )
        self.nf1 = nf(1)
        self.filter = ada.upfirdn2d.setup_filter([1, 3, 3, 1])
        self.upsample = ada.upfirdn2d.upsample2d

    def forward(self, photo, z):
        w = self.mapping(z, None)
        x = self.from_rgb(photo)
        skips = []
        for conv0, conv1 in self.encoder:
            x = conv0(x)
            skips.append(x)
            x = conv1(x)
        x = self.conv(x)
        skips.append(x)
        vector = self.dense(x.flatten(1))
        style = torch.cat([w, vector], 1)
        x = self.start(vector).reshape(-1, self.nf1, 4, 4) + skips.pop()
        x = self.first(x, style, noise_mode="const")
        image = self.first_rgb(x, style)
        for conv0, conv1, rgb in self.decoder:
            x = conv0(x, style, noise_mode="const") + skips.pop()
            x = conv1(x, style, noise_mode="const")
            image = self.upsample(image, self.filter) + rgb(x, style)
        return image


def rust_name(name):
    """Name of a reference's parameter in the Rust module."""
    parts = name.split(".")
    leaf = {"noise_const": "noise"}.get(parts[-1], parts[-1])
    conv = ["conv"] if leaf == "weight" or parts[-2] == "affine" else []
    match parts:
        case ["mapping", layer, _]:
            path = ["mapping", "layers", layer.removeprefix("fc")]
        case ["encoder", i, j, _]:
            path = ["encoder", "blocks", i, f"conv{j}"]
        case ["from_rgb" | "conv" | "dense" as layer, _]:
            path = ["encoder", layer]
        case ["start", _]:
            path = ["synthesis", "dense"]
        case ["first" | "first_rgb" as layer, *_]:
            path = ["synthesis", {"first": "conv", "first_rgb": "to_rgb"}[layer], *conv]
        case ["decoder", i, j, *_]:
            path = ["synthesis", "blocks", i, ["conv0", "conv1", "to_rgb"][int(j)], *conv]
        case ["b4", layer, _]:
            path = [{"fc": "dense"}.get(layer, layer)]
        case [block, "fromrgb", _]:
            path = ["from_rgb"]
        case [block, layer, _]:
            path = ["blocks", str(int(math.log2(SIZE)) - int(math.log2(int(block.removeprefix("b"))))), layer]
    if parts[-2] == "affine":
        path.append("affine")
    return ".".join([*path, leaf])


def renamed(tensors):
    """Rust's names; a noise strength is a tensor of one value there, a stored noise has four axes."""
    result = {}
    for key, value in tensors.items():
        if "/" in key:
            kind, name = key.split("/")
            name = rust_name(name)
            if name.endswith("noise_strength"):
                value = value.reshape(1)
            elif name.endswith(".noise"):
                value = value.reshape(1, 1, *value.shape)
            key = f"{kind}/{name}"
        result[key] = value
    return result


SIZE = 16
SMALL = dict(base=32, most=8)


def unit(name, parameter):
    """Equalised learning rate: deviation one, and 100 in the mapping network, whose multiplier is 0.01."""
    return 100.0 if name.startswith("mapping") else 1.0


def comod(ada, out):
    g = torch.Generator().manual_seed(30)
    torch.manual_seed(30)
    net = CoModGenerator(ada, SIZE, z=6, w=10, layers=2, **SMALL).double()
    keep_filters(net)
    shake(net, g, unit)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("affine.bias"):
                p.add_(1)
            if name.endswith("noise_strength"):
                p.fill_(0.3 * torch.randn((), generator=g).item())
            if name.startswith("mapping") and name.endswith("bias"):
                p.mul_(100)
    tensors = {f"weight/{k}": v for k, v in weights(net).items()}
    inputs = {"photo": double_images(g, 2, 3, SIZE, SIZE), "z": torch.randn(2, 6, generator=g).double()}
    tensors |= step(net.train(), inputs, lambda m, photo, z: m(photo, z), g)
    save(out, "comod_generator.safetensors", renamed(tensors))

    net = comod_discriminator(ada, g)
    tensors = {f"weight/{k}": v for k, v in weights(net).items()}
    inputs = {"photo": double_images(g, 4, 3, SIZE, SIZE), "edited": double_images(g, 4, 3, SIZE, SIZE)}
    tensors |= step(net, inputs, lambda m, photo, edited: m(torch.cat([edited, photo], 1), None), g)
    save(out, "comod_discriminator.safetensors", renamed(tensors))

    x = double_images(g, 4, 3, 10, 6)
    f = ada.upfirdn2d.setup_filter([1, 3, 3, 1])
    save(out, "stylegan_parts.safetensors", {
        "x": x,
        "upsample": ada.upfirdn2d.upsample2d(x, f),
        "downsample": ada.upfirdn2d.downsample2d(x, f),
        "minibatch_std_2": ada.MinibatchStdLayer(2)(x),
        "minibatch_std_4": ada.MinibatchStdLayer(4)(x),
        "minibatch_std_8": ada.MinibatchStdLayer(8)(x),
    })


def keep_filters(net):
    """ADA wants its filters in float32, where [1, 3, 3, 1] / 8 is exact."""
    for module in net.modules():
        if "resample_filter" in module._buffers:
            module.resample_filter = module.resample_filter.float()


def comod_discriminator(ada, g, group=2):
    torch.manual_seed(31)
    net = ada.Discriminator(
        0, SIZE, 6, channel_base=2 * SMALL["base"], channel_max=SMALL["most"], epilogue_kwargs={"mbstd_group_size": group}
    ).double()
    keep_filters(net)
    shake(net, g, unit)
    with torch.no_grad():
        # The only path on which biases change a gradient by the input: large enough to be seen in float32.
        net.b4.conv.weight[:, -1] *= 30
    return net


def losses(cut, out):
    g = torch.Generator().manual_seed(40)
    tensors = {"real": 2 * torch.randn(2, 1, 3, 4, generator=g), "fake": 2 * torch.randn(2, 1, 3, 4, generator=g)}
    tensors["real"][0, 0, 0, 0], tensors["fake"][0, 0, 0, 0] = 60.0, 70.0

    def pix2pix_mode(mode, half):
        criterion = cut.GANLoss(mode).double()
        judge = lambda real, fake: (criterion(fake, False) + criterion(real, True)).mean() * half
        return judge, lambda fake: criterion(fake, True).mean()

    modes = {
        "vanilla": pix2pix_mode("vanilla", 0.5),
        "least_squares": pix2pix_mode("lsgan", 0.5),
        "non_saturating": pix2pix_mode("nonsaturating", 1.0),
        "wasserstein": pix2pix_mode("wgangp", 1.0),
        "hinge": (lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lambda fake: -fake.mean()),
    }
    for name, (judge, generate) in modes.items():
        real = tensors["real"].double().requires_grad_(True)
        fake = tensors["fake"].double().requires_grad_(True)
        loss = judge(real, fake)
        loss.backward()
        tensors |= {f"{name}/discriminator": loss.reshape(1), f"{name}/real": real.grad, f"{name}/fake": fake.grad}
        fake = tensors["fake"].double().requires_grad_(True)
        loss = generate(fake)
        loss.backward()
        tensors |= {f"{name}/generator": loss.reshape(1), f"{name}/generator_fake": fake.grad}

    tensors |= {"edited": images(g, 2, 3, 6, 5), "target": images(g, 2, 3, 6, 5)}
    edited = tensors["edited"].double().requires_grad_(True)
    loss = F.l1_loss(edited, tensors["target"].double())
    loss.backward()
    tensors |= {"l1": loss.reshape(1), "l1_grad": edited.grad}
    save(out, "gan_losses.safetensors", tensors)


def penalties(cut, ada, out):
    """R1 and WGAN-GP by create_graph=True: values and gradients by the parameters."""

    def pen(net, judge, x, kind, weight):
        net.zero_grad()
        if kind == "r1":
            x = x.clone().requires_grad_(True)
            gradient = torch.autograd.grad(judge(x).sum(), x, create_graph=True)[0]
            value = gradient.square().sum([1, 2, 3]).mean() * (weight / 2)
        else:
            value, _ = cut.cal_gradient_penalty(judge, x.clone(), x.clone(), "cpu", type="real", lambda_gp=weight)
        value.backward()
        # The last bias moves all logits alike, which no gradient by the input sees.
        zero = lambda p: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        return value.reshape(1), {name: zero(p) for name, p in net.named_parameters()}

    for name, norm, layers in [("patchgan_batch", "batch", 3), ("patchgan_instance", "instance", 3)]:
        g = torch.Generator().manual_seed(50)
        net = cut.NLayerDiscriminator(6, 4, n_layers=layers, norm_layer=NORMS[norm], no_antialias=True).double()
        shake(net, g, he)
        photo, x = double_images(g, 2, 3, 32, 32), double_images(g, 2, 3, 32, 32)
        tensors = {f"weight/{k}": v for k, v in weights(net).items()} | {"photo": photo, "x": x}
        for kind, weight in [("r1", 10.0), ("gp", 10.0)]:
            value, grads = pen(net, lambda x: net(torch.cat([photo, x], 1)), x, kind, weight)
            tensors |= {kind: value} | {f"{kind}/{k}": v for k, v in grads.items()}
        save(out, f"penalty_{name}.safetensors", tensors)

    g = torch.Generator().manual_seed(51)
    net = comod_discriminator(ada, g)
    photo, x = double_images(g, 4, 3, SIZE, SIZE), double_images(g, 4, 3, SIZE, SIZE)
    tensors = {f"weight/{k}": v for k, v in weights(net).items()} | {"photo": photo, "x": x}
    for kind, weight in [("r1", 10.0), ("gp", 10.0)]:
        value, grads = pen(net, lambda x: net(torch.cat([x, photo], 1), None), x, kind, weight)
        tensors |= {kind: value} | {f"{kind}/{k}": v for k, v in grads.items()}
    save(out, "penalty_comod.safetensors", renamed(tensors))


def counts(cut, ada, out):
    """Parameters of the full-size networks, as PyTorch counts them."""

    def count(net):
        return sum(p.numel() for p in net.parameters())

    result = {}
    with torch.device("meta"):
        for norm in ["batch", "instance"]:
            result[f"resnet_9blocks_{norm}"] = count(resnet(cut, norm, 64, 9, dropout=True))
            judge = cut.NLayerDiscriminator(6, 64, n_layers=3, norm_layer=NORMS[norm], no_antialias=True)
            result[f"patchgan_{norm}"] = count(judge)
    result["comod_generator_256"] = count(CoModGenerator(ada, 256, 512, 512, 8, 16 << 10, 512))
    result["comod_discriminator_256"] = count(ada.Discriminator(0, 256, 6, channel_base=32 << 10, channel_max=512))
    with open(os.path.join(out, "gan_parameter_counts.json"), "w") as file:
        json.dump(result, file, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cut", required=True, help="a copy of taesungp/contrastive-unpaired-translation")
    parser.add_argument("--ada", required=True, help="a copy of NVlabs/stylegan2-ada-pytorch")
    parser.add_argument("crates", help="the folder crates of this repository")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    np.random.seed(0)
    lora_gan, baselines = (os.path.join(args.crates, name, "tests", "fixtures") for name in ["lora-gan", "gan-baselines"])
    cut = package("cut_models", os.path.join(args.cut, "models"), "networks")
    pix2pix(cut, baselines)
    patchgan(cut, lora_gan)
    checkpoints(cut, baselines)
    losses(cut, lora_gan)
    with tempfile.TemporaryDirectory() as folder:
        ada = double_ada(args.ada, folder)
        comod(ada, baselines)
        penalties(cut, ada, baselines)
        counts(cut, ada, baselines)


if __name__ == "__main__":
    main()
