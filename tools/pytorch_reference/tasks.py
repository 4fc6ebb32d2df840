"""The tasks of benches/src/side_by_side in PyTorch, as one would write them there.

A task has `run`, one repetition, and `output`, what both sides must come to. `compiled` passes a module or function through
torch.compile where that was asked for.
"""

import json
import tempfile
from pathlib import Path

import torch
from safetensors import torch as safetensors
from torch import nn
from torch.nn import functional as F

from networks import HybridGenerator, Lora, PatchGan, UNet1d, adapted, adapter_of

STEPS = 3  # whose losses are compared, as in gan.rs


def load_file(path):
    """Onto the default device."""
    return safetensors.load_file(path, device=str(torch.get_default_device()))


class Matmul:
    def __init__(self, spec, folder, compiled):
        inputs = load_file(folder / "inputs.safetensors")
        self.a, self.b = inputs["a"], inputs["b"]
        self.product = compiled(torch.matmul)

    def run(self):
        with torch.inference_mode():
            return self.product(self.a, self.b)

    def output(self):
        return {"product": self.run()}


class Predict:
    def __init__(self, spec, folder, compiled):
        inputs = load_file(folder / "inputs.safetensors")
        self.noise, self.tokens = inputs["noise"], inputs["tokens"]
        self.mask = torch.ones(self.tokens.shape[:2], dtype=torch.bool)
        self.unet = UNet1d(spec["unet"])
        self.unet.load(load_file(folder / "weights.safetensors"))
        self.unet.eval().requires_grad_(False)
        self.t, self.batch = spec["options"]["t"], spec["options"]["batch_size"]
        self.model = compiled(self.unet)

    def run(self):
        blocks = []
        with torch.inference_mode():
            for first in range(0, len(self.noise), self.batch):
                noisy = self.noise[first : first + self.batch]
                n = torch.arange(first, first + len(noisy))
                t = torch.full_like(n, self.t)
                output = self.model(noisy, t, n, self.tokens, self.mask)
                blocks.append(self.unet.recover(noisy, output, self.t))
            return torch.cat(blocks)

    def output(self):
        return {"blocks": self.run()}


class UnetStep:
    def __init__(self, spec, folder, compiled):
        self.inputs = load_file(folder / "inputs.safetensors")
        self.weights = load_file(folder / "weights.safetensors")
        self.config, self.unet_config = spec["train"], spec["unet"]
        for field, only in (("noises_per_block", 1), ("min_snr_gamma", None)):
            if self.config.get(field, only) != only:
                raise SystemExit(f"tasks.py knows {field} {only} only")
        self.texts = self.inputs.pop("texts")
        self.lens = self.inputs.pop("text_lens").long()
        self.records = self.inputs.pop("records")
        self.unet = UNet1d(self.unet_config)
        self.unet.load(self.weights)
        self.average = [p.detach().clone() for p in self.unet.parameters()]
        self.optimizer = torch.optim.AdamW(self.unet.parameters(), lr=0.0, weight_decay=self.config["weight_decay"])
        self.compiled, self.model = compiled, compiled(self.unet)
        self.step = 0
        torch.manual_seed(self.config["seed"])

    def learning_rate(self):
        """Warm-up, then a cosine."""
        peak, warm, steps = (self.config[k] for k in ("learning_rate", "warmup_steps", "steps"))
        if self.step <= warm:
            return peak * self.step / max(warm, 1)
        done = min((self.step - warm) / max(steps - warm, 1), 1.0)
        share = self.config["final_share"]
        return peak * (share + (1 - share) * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * done)).item()))

    def timesteps(self, rows):
        steps = self.unet_config["schedule"]["steps"]
        t = torch.randint(0, steps, (rows,))
        sampling = self.config["timesteps"]
        if sampling["kind"] == "uniform":
            return t
        late = torch.randint(int(sampling["from"] * steps), steps, (rows,))
        return torch.where(torch.rand(rows) < sampling["share"], late, t)

    def batch(self, rows):
        networks, blocks, _ = self.records.shape
        network, n = torch.randint(networks, (rows,)), torch.randint(blocks, (rows,))
        clean, t = self.records[network, n], self.timesteps(rows)
        noise = torch.randn_like(clean)
        alpha, sigma = self.unet.alpha[t][:, None], self.unet.sigma[t][:, None]
        noisy = alpha * clean + sigma * noise
        target = noise if self.unet.parameterization == "epsilon" else alpha * noise - sigma * clean
        dropped = torch.rand(rows) < self.config["text_dropout"]
        text = torch.where(dropped, networks, network)
        mask = torch.arange(self.texts.shape[1]) < self.lens[text][:, None]
        return noisy, t, n, self.texts[text], mask, target

    def run(self):
        self.step += 1
        rows, micro = self.config["batch_size"], self.config["micro_batch"]
        *inputs, target = self.batch(rows)
        self.optimizer.zero_grad()
        for first in range(0, rows, micro):
            part = slice(first, first + micro)
            output = self.model(*(x[part] for x in inputs))
            loss = F.mse_loss(output, target[part]) * (len(output) / rows)
            loss.backward()
        if self.config["clip_norm"] is not None:
            nn.utils.clip_grad_norm_(self.unet.parameters(), self.config["clip_norm"])
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.step()
        decay = min(self.config["ema_decay"], (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list(self.unet.parameters()), 1 - decay)

    def output(self):
        unet = UNet1d(self.unet_config)
        unet.load(self.weights)
        model, i = self.compiled(unet), self.inputs
        mask = torch.arange(i["tokens"].shape[1]) < i["lens"][:, None]
        output = model(i["noisy"], i["t"].long(), i["n"].long(), i["tokens"], mask)
        loss = F.mse_loss(output, i["target"])
        loss.backward()
        found = {f"gradient.{name}": value for name, value in unet.gradients().items()}
        return found | {"output": output, "loss": loss[None]}


class Adapted:
    """What tasks on the generator read."""

    def __init__(self, spec, folder):
        self.config = spec["generator"]
        self.base = load_file(folder / "base" / "model.safetensors")
        self.adapter = load_file(folder / "adapter.safetensors")

    def network(self):
        generator = HybridGenerator(self.config)
        missing, unexpected = generator.load_state_dict(self.base, strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise SystemExit(f"base: missing {missing}, unexpected {unexpected}")
        return adapted(generator, self.adapter, self.config)


class Gan(Adapted):
    def __init__(self, spec, folder, compiled):
        super().__init__(spec, folder)
        self.recipe = spec["recipe"]
        for field, only in (("gan_loss", "vanilla"), ("r1_gamma", 0.0), ("decay", 0.0), ("warmup_steps", 0)):
            if self.recipe[field] != only:
                raise SystemExit(f"tasks.py knows {field} {only} only")
        inputs = load_file(folder / "inputs.safetensors")
        self.photos, self.targets = inputs["photos"], inputs["targets"]
        self.judge = load_file(folder / "discriminator.safetensors")
        self.compiled = compiled
        self.start()

    def discriminator(self):
        network = PatchGan(self.recipe["discriminator"])
        network.load_state_dict(self.judge)
        return network

    def start(self):
        self.generator, self.critic = self.network(), self.discriminator()
        trained = [p for p in self.generator.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=self.recipe["lr_generator"], betas=(0.5, 0.999))
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=self.recipe["lr_discriminator"], betas=(0.5, 0.999)
        )
        self.model, self.critic_model = self.compiled(self.generator), self.compiled(self.critic)

    def run(self):
        """pix2pix's step: D on a detached fake, then G through the frozen D; gives (L1, GAN, D)."""
        fake = self.model(self.photos)
        self.critic.requires_grad_(True)
        self.critic_optimizer.zero_grad()
        real_logits = self.critic_model(self.photos, self.targets)
        fake_logits = self.critic_model(self.photos, fake.detach())
        bce = F.binary_cross_entropy_with_logits
        loss_d = 0.5 * (bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits)))
        loss_d.backward()
        self.critic_optimizer.step()

        self.critic.requires_grad_(False)
        self.optimizer.zero_grad()
        l1 = F.l1_loss(fake, self.targets)
        logits = self.critic_model(self.photos, fake)
        gan = bce(logits, torch.ones_like(logits))
        (self.recipe["lambda_l1"] * l1 + self.recipe["gan_weight"] * gan).backward()
        self.optimizer.step()
        return [l1.item(), gan.item(), loss_d.item()]

    def output(self):
        network, critic = self.network(), self.discriminator().requires_grad_(False)
        edited = self.compiled(network)(self.photos)
        logits = self.compiled(critic)(self.photos, edited)
        loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)) * self.recipe["gan_weight"]
        (self.recipe["lambda_l1"] * F.l1_loss(edited, self.targets) + loss).backward()
        found = {f"gradient.{name}": value for name, value in adapter_of(network, lambda p: p.grad).items()}
        fresh = Gan.__new__(Gan)
        fresh.__dict__ = dict(self.__dict__)
        fresh.start()
        losses = torch.tensor([fresh.run() for _ in range(STEPS)])
        return found | {"edited": edited, "logits": logits, "losses": losses}


class Merge(Adapted):
    def __init__(self, spec, folder, compiled):
        super().__init__(spec, folder)
        network = self.network()
        self.layers = {name.removesuffix(".conv"): m for name, m in network.named_modules() if isinstance(m, Lora)}
        self.merge = compiled(lambda: [layer.merged() for layer in self.layers.values()])

    def run(self):
        with torch.inference_mode():
            return self.merge()

    def output(self):
        return {f"{name}.weight": weight for name, weight in zip(self.layers, self.run())}


class Codec:
    def __init__(self, spec, folder, compiled):
        self.adapter = load_file(folder / "adapter.safetensors")
        self.tensors, self.blocks = spec["tensors"], spec["blocks"]
        self.encode, self.decode = compiled(self.to_blocks), compiled(self.from_blocks)

    def to_blocks(self):
        flat = torch.cat([self.adapter[name].flatten() for name, _ in self.tensors])
        return F.pad(flat, (0, -len(flat) % 256)).view(self.blocks, 256)

    def from_blocks(self, blocks):
        sizes = [torch.Size(shape).numel() for _, shape in self.tensors]
        flat = blocks.flatten()[: sum(sizes)]
        # Tensors of their own, as the blocks do not outlive this.
        return {n: part.view(s).clone() for (n, s), part in zip(self.tensors, flat.split(sizes))}

    def run(self):
        with torch.inference_mode():
            return self.decode(self.encode())

    def output(self):
        return self.run() | {"blocks": self.encode()}


class Encode:
    def __init__(self, spec, folder, compiled):
        if spec["model"] is None:
            raise SystemExit("the encoder that is compiled in has no counterpart in PyTorch; give --text-model DIR")
        from sentence_transformers import SentenceTransformer

        self.prompts, self.batch = spec["prompts"], spec["batch_size"]
        self.folder = tempfile.TemporaryDirectory()  # the package leaves out the folder of its normalising module
        for path in Path(spec["model"]).rglob("*"):
            if path.is_file():
                target = Path(self.folder.name) / path.relative_to(spec["model"])
                target.parent.mkdir(exist_ok=True)
                target.symlink_to(path)
        (Path(self.folder.name) / "2_Normalize").mkdir()
        self.model = SentenceTransformer(self.folder.name, device="cpu")

    def run(self):
        return self.model.encode(self.prompts, batch_size=self.batch, convert_to_tensor=True)

    def output(self):
        return {"pooled": self.run()}


KINDS = {
    "matmul": Matmul,
    "predict": Predict,
    "unet-step": UnetStep,
    "gan": Gan,
    "merge": Merge,
    "codec": Codec,
    "encode": Encode,
}


def open_task(folder, compile_it):
    """The task that `side_by_side prepare` wrote into `folder`."""
    folder = Path(folder)
    spec = json.loads((folder / "task.json").read_text())
    # Fixed shapes: a smaller last batch must not make the others slow.
    compiled = (lambda network: torch.compile(network, dynamic=False)) if compile_it else (lambda network: network)
    return KINDS[spec["kind"]](spec, folder, compiled)
