#!/usr/bin/env python3
"""Reference values for the blocks of weight-diffusion's UNet1d, from Hugging Face diffusers on PyTorch.

    pip install -r tools/requirements-diffusers.txt
    python tools/unet_fixtures.py crates/weight-diffusion/tests/fixtures/unet_blocks.safetensors

The transformer block is diffusers' BasicTransformerBlock (LayerNorm, attention without q/k/v bias, GEGLU). The residual block is
diffusers' ResnetBlock2D with scale and shift of the time embedding, on pictures one pixel wide: of its 3x3 kernels only the middle
column then matters, a convolution of kernel 3 along the sequence. Inputs, outputs, and the gradients of <output, probe> by the inputs
and all weights. Weights are written under this repository's names, matrices as [inputs, outputs], kernels as [3 * inputs, outputs].
"""

import sys
from pathlib import Path

import torch
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.resnet import ResnetBlock2D
from safetensors.torch import save

torch.set_num_threads(1)
BATCH, LENGTH, WIDTH, CONTEXT, WORDS, HEADS, FF = 3, 8, 8, 6, 5, 2, 2
OUTPUTS, EMBEDDING, GROUPS = 12, 10, 4

TRANSFORMER = {
    "norm1": "norm_self",
    "attn1.to_q": "attention_self.query",
    "attn1.to_k": "attention_self.key",
    "attn1.to_v": "attention_self.value",
    "attn1.to_out.0": "attention_self.output",
    "norm2": "norm_cross",
    "attn2.to_q": "attention_cross.query",
    "attn2.to_k": "attention_cross.key",
    "attn2.to_v": "attention_cross.value",
    "attn2.to_out.0": "attention_cross.output",
    "norm3": "norm_ff",
    "ff.net.0.proj": "ff_in",
    "ff.net.2": "ff_out",
}
RESIDUAL = {
    "norm1": "norm_1",
    "conv1": "conv_1.linear",
    "time_emb_proj": "film",
    "norm2": "norm_2",
    "conv2": "conv_2.linear",
    "conv_shortcut": "skip",
}


def ours(value):
    """A weight, or its gradient, in this repository's order."""
    if value.dim() == 4 and value.shape[-1] == 3:
        # [C', C, 3, 3] -> [C', C, 3] -> [3, C, C'] -> [3 C, C']
        return value[..., 1].permute(2, 1, 0).reshape(-1, value.shape[0]).contiguous()
    if value.dim() == 4:
        return value[..., 0, 0].T.contiguous()
    return value.T.contiguous() if value.dim() == 2 else value.contiguous()


def randomise(module, generator):
    """Norms and biases too: their initial values would hide mistakes."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.3 * noise if "norm" in name and name.endswith("weight") else 0.4 * noise)


def parameters(kind, module, names):
    tensors = {}
    for name, parameter in module.named_parameters():
        layer, last = name.rsplit(".", 1)
        target = f"{kind}/weight/{names[layer]}.{last}"
        tensors[target] = ours(parameter.detach())
        tensors[target.replace("/weight/", "/gradient/", 1)] = ours(parameter.grad)
    return tensors


def transformer(generator):
    block = BasicTransformerBlock(
        dim=WIDTH,
        num_attention_heads=HEADS,
        attention_head_dim=WIDTH // HEADS,
        cross_attention_dim=CONTEXT,
        activation_fn="geglu",
        attention_bias=False,
        norm_eps=1e-5,
    )
    # 4 times as wide unless it is made anew.
    block.ff = FeedForward(WIDTH, mult=FF, activation_fn="geglu")
    block.eval()
    randomise(block, generator)
    x = torch.randn(BATCH, LENGTH, WIDTH, generator=generator, requires_grad=True)
    context = torch.randn(BATCH, WORDS, CONTEXT, generator=generator, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 1]], dtype=torch.float32)
    bias = ((1 - mask) * -1e9)[:, None, :]
    out = block(x, encoder_hidden_states=context, encoder_attention_mask=bias)
    probe = torch.randn(out.shape, generator=generator)
    (out * probe).sum().backward()
    return {
        "transformer/x": x.detach(),
        "transformer/context": context.detach(),
        "transformer/mask": mask,
        "transformer/probe": probe,
        "transformer/output": out.detach(),
        "transformer/gradient_x": x.grad,
        "transformer/gradient_context": context.grad,
        **parameters("transformer", block, TRANSFORMER),
    }


def residual(kind, outputs, generator):
    block = ResnetBlock2D(
        in_channels=WIDTH,
        out_channels=outputs,
        temb_channels=EMBEDDING,
        groups=GROUPS,
        eps=1e-5,
        non_linearity="swish",
        time_embedding_norm="scale_shift",
        # The SiLU of the embedding is taken once, before all blocks.
        skip_time_act=True,
    )
    block.eval()
    randomise(block, generator)
    x = torch.randn(BATCH, LENGTH, WIDTH, generator=generator, requires_grad=True)
    embedding = torch.randn(BATCH, EMBEDDING, generator=generator, requires_grad=True)
    out = block(x.transpose(1, 2)[..., None], embedding)[..., 0].transpose(1, 2)
    probe = torch.randn(out.shape, generator=generator)
    (out * probe).sum().backward()
    return {
        f"{kind}/x": x.detach(),
        f"{kind}/embedding": embedding.detach(),
        f"{kind}/probe": probe,
        f"{kind}/output": out.detach().contiguous(),
        f"{kind}/gradient_x": x.grad,
        f"{kind}/gradient_embedding": embedding.grad,
        **parameters(kind, block, RESIDUAL),
    }


def main():
    target = Path(sys.argv[1])
    generator = torch.Generator().manual_seed(0)
    tensors = {
        **transformer(generator),
        **residual("residual", OUTPUTS, generator),
        **residual("residual_same", WIDTH, generator),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}))


if __name__ == "__main__":
    main()
