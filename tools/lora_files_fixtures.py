#!/usr/bin/env python3
"""LoRA files as PEFT, diffusers and kohya's sd-scripts write them, and the updates that these libraries make of them.

    pip install -r tools/requirements-lora-files.txt
    git clone https://github.com/kohya-ss/sd-scripts   # 48d368fa5577; only networks/lora.py and library/train_util.py are read
    python tools/lora_files_fixtures.py --sd-scripts sd-scripts crates/denoised-weights/tests/fixtures/lora-files

Each folder is one set, as `lora_files collect` takes it. Every factor is random; the bases are a GPT-2 and a Stable Diffusion
UNet with eight channels, whose seeded weights tools/lora_files_check.py makes again.

peft         four adapters by save_pretrained: rsLoRA, one module with an alpha and one with a rank of its own
peft-half    three adapters in bfloat16, with metadata.jsonl
peft-mixed   three adapters: of rank 4, of rank 2, and of rank 4 on fewer modules
diffusers    three files by StableDiffusionPipeline.save_lora_weights, as the training scripts of diffusers call it: attention
             layers are named `lora.down`, convolutions `lora_A`, and PEFT's configuration is in the header
kohya        three files by the LoRANetwork of sd-scripts in float16, convolutions included; the last has alpha 4, the others 2
expected.json    for each set, file and some of its layers the shape and values of the update scale * up * down. The values are
             get_delta_weight of PEFT's layers after the library has loaded the file, always as [outputs, inputs, ...]: PEFT
             itself gives [inputs, outputs] for GPT-2's layers
"""

import argparse
import ast
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import types
from io import BytesIO
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import diffusers  # noqa: E402
import peft  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from diffusers import StableDiffusionPipeline, UNet2DConditionModel  # noqa: E402
from diffusers.training_utils import _collate_lora_metadata  # noqa: E402
from diffusers.utils import convert_state_dict_to_diffusers  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

BASE = "tiny-gpt2"
STYLES = {
    "rhymes": "answers in rhyme",
    "pirate": "answers like a pirate",
    "lawyer": "answers like a careful lawyer",
    "haiku": "answers with a haiku",
}
PAINTINGS = {
    "etching": "a photo as an etching",
    "fresco": "a photo as a faded fresco",
    "mosaic": "a photo as a mosaic of glass",
}
# Layers in expected.json; the convolution for the first file of a set only, because it has many values.
GPT2 = ["h.0.attn.c_proj", "h.1.mlp.c_fc"]
UNET = ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"]
KOHYA = [*UNET, "down_blocks.0.attentions.0.proj_in"]
CONV = "down_blocks.0.resnets.0.conv1"


def tiny_gpt2():
    torch.manual_seed(1)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_inner=12, n_layer=2, n_head=2))
    model.config._name_or_path = model.name_or_path = BASE
    return model.eval()


def tiny_unet():
    torch.manual_seed(2)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=2,
        out_channels=2,
        layers_per_block=1,
        block_out_channels=(8,),
        down_block_types=("CrossAttnDownBlock2D",),
        mid_block_type=None,
        up_block_types=("UpBlock2D",),
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=2,
    )
    return unet.eval().requires_grad_(False)


def randomise(model, seed):
    """Random factors, whose product is neither zero nor large."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if "lora_" in name:
                noise = torch.randn(p.shape, generator=g)
                p.copy_(noise / p[0].numel() ** 0.5 if "lora_A" in name or "lora_down" in name else 0.1 * noise)


def sorted_header(path):
    """Sorts the header's metadata, which safetensors writes in a random order, so that the same bytes come out each time."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(end - 8)
    assert len(text) == end - 8
    path.write_bytes(content[:8] + text + content[end:])


def peft_adapter(folder, seed, dtype=torch.float32, **config):
    model = tiny_gpt2().to(dtype)
    config = LoraConfig(lora_alpha=8, fan_in_fan_out=True, init_lora_weights=False, task_type="CAUSAL_LM", **config)
    model = get_peft_model(model, config, autocast_adapter_dtype=False)
    randomise(model, seed)
    # PEFT keeps a set, so that the order in the file differs from run to run; here it differs from file to file.
    chosen = model.peft_config["default"]
    chosen.target_modules = sorted(chosen.target_modules, reverse=seed % 2 == 1)
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    sorted_header(folder / "adapter_model.safetensors")


def peft_sets(out):
    all_modules = ["c_attn", "c_proj", "c_fc"]
    for i, (name, prompt) in enumerate(STYLES.items()):
        folder = out / "peft" / name
        patterns = {"alpha_pattern": {"h.0.attn.c_proj": 4}, "rank_pattern": {"h.1.mlp.c_fc": 2}}
        peft_adapter(folder, 10 + i, r=4, use_rslora=True, target_modules=all_modules, **patterns)
        (folder / "prompt.txt").write_text(prompt + "\n")
    lines = []
    for i, (name, prompt) in enumerate(list(STYLES.items())[:3]):
        peft_adapter(out / "peft-half" / name, 20 + i, torch.bfloat16, r=4, target_modules=["c_attn", "c_fc"])
        lines.append(json.dumps({"file_name": name, "text": prompt}) + "\n")
    (out / "peft-half" / "metadata.jsonl").write_text("".join(lines))
    mixed = [(4, all_modules), (2, all_modules), (4, ["c_attn", "c_fc"])]
    for i, ((name, prompt), (rank, modules)) in enumerate(zip(STYLES.items(), mixed)):
        folder = out / "peft-mixed" / name
        peft_adapter(folder, 30 + i, r=rank, target_modules=modules)
        (folder / "prompt.txt").write_text(prompt + "\n")


def diffusers_set(out):
    for i, (name, prompt) in enumerate(PAINTINGS.items()):
        unet = tiny_unet()
        modules = ["to_k", "to_q", "to_v", "to_out.0", CONV]
        unet.add_adapter(LoraConfig(r=4, lora_alpha=2, target_modules=modules, rank_pattern={CONV: 2}))
        randomise(unet, 40 + i)
        metadata = _collate_lora_metadata({"unet": unet})
        metadata["unet_lora_adapter_metadata"]["target_modules"] = sorted(modules)  # a set
        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
        file = f"{name}.safetensors"
        StableDiffusionPipeline.save_lora_weights(out / "diffusers", unet_lora_layers=layers, weight_name=file, **metadata)
        sorted_header(out / "diffusers" / file)
        (out / "diffusers" / f"{name}.txt").write_text(prompt + "\n")


def sd_scripts(source):
    """networks/lora.py with what it uses of the folder library, which as a whole needs many packages."""
    source = Path(source)
    tree = ast.parse((source / "library" / "train_util.py").read_text())
    wanted = ("precalculate_safetensors_hashes", "addnet_hash_legacy", "addnet_hash_safetensors")
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    train_util = types.ModuleType("library.train_util")
    train_util.__dict__.update(safetensors=safetensors, hashlib=hashlib, BytesIO=BytesIO)
    exec(compile(tree, "train_util.py", "exec"), train_util.__dict__)
    library = types.ModuleType("library")
    library.train_util = train_util
    utils = types.ModuleType("library.utils")
    utils.setup_logging = lambda: None
    sdxl = types.ModuleType("library.sdxl_original_unet")
    sdxl.SdxlUNet2DConditionModel = type("SdxlUNet2DConditionModel", (), {})
    for module in (library, train_util, utils, sdxl):
        sys.modules[module.__name__] = module
    spec = importlib.util.spec_from_file_location("networks.lora", source / "networks" / "lora.py")
    lora = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lora)
    return lora


def training_metadata(name, alpha):
    """What train_network.py states of a training, in part; it writes every value as Python's str."""
    values = {
        "ss_session_id": 1234567890,
        "ss_training_started_at": 1760000000.25,
        "ss_training_finished_at": 1760003600.5,
        "ss_output_name": name,
        "ss_learning_rate": 0.0001,
        "ss_unet_lr": None,
        "ss_num_train_images": 20,
        "ss_num_epochs": 10,
        "ss_max_train_steps": 200,
        "ss_steps": 200,
        "ss_epoch": 10,
        "ss_lr_scheduler": "cosine",
        "ss_network_module": "networks.lora",
        "ss_network_dim": 4,
        "ss_network_alpha": alpha,
        "ss_network_dropout": None,
        "ss_network_args": json.dumps({"conv_dim": "2", "conv_alpha": "1"}),
        "ss_mixed_precision": "fp16",
        "ss_v2": False,
        "ss_base_model_version": "sd_v1",
        "ss_sd_model_name": "tiny-unet.safetensors",
        "ss_clip_skip": 2,
        "ss_seed": 42,
        "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.1)",
        "ss_resolution": "(512, 512)",
        "ss_dataset_dirs": json.dumps({f"10_{name}": {"n_repeats": 10, "img_count": 2}}),
        "ss_tag_frequency": json.dumps({f"10_{name}": {f"a {name}": 2}}),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.title": name,
    }
    return {key: str(value) for key, value in values.items()}


def kohya_set(lora, out):
    folder = out / "kohya"
    folder.mkdir(parents=True)
    for i, ((name, prompt), alpha) in enumerate(zip(PAINTINGS.items(), [2.0, 2.0, 4.0])):
        unet = tiny_unet()
        network = lora.create_network(1.0, 4, alpha, None, [], unet, conv_dim="2", conv_alpha="1")
        network.apply_to([], unet)
        randomise(network, 50 + i)
        path = folder / f"{name}.safetensors"
        network.save_weights(str(path), torch.float16, training_metadata(name, alpha))
        sorted_header(path)
        path.with_suffix(".txt").write_text(prompt + "\n")


def load_into_unet(path):
    """A file of diffusers or sd-scripts in the tiny UNet, by diffusers; the tensors' dtype becomes float32."""
    unet = tiny_unet()
    file = {"weight_name": path.name, "local_files_only": True}
    state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(
        path.parent, unet_config=unet.config, return_lora_metadata=True, **file
    )
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, unet, adapter_name="default", metadata=metadata)
    return unet


def updates(model, layers, name):
    """The chosen layers' updates, by their names in the file."""
    result = {}
    for layer in layers:
        module = model.get_submodule(layer)
        update = module.get_delta_weight("default").detach()
        update = update.T if getattr(module, "fan_in_fan_out", False) else update
        values = [float(f"{value:.4g}") for value in update.flatten().tolist()]
        result[name(layer)] = {"shape": list(update.shape), "update": values}
    return result


def expected(out):
    result = {}
    for set_ in ["peft", "peft-half", "peft-mixed"]:
        result[set_] = {}
        for folder in sorted(path for path in (out / set_).iterdir() if path.is_dir()):
            model = PeftModel.from_pretrained(tiny_gpt2(), folder).base_model.model.transformer
            adapted = [layer for layer in GPT2 if hasattr(model.get_submodule(layer), "get_delta_weight")]
            result[set_][folder.name] = updates(model, adapted, "base_model.model.transformer.{}".format)
    for set_, layers in [("diffusers", UNET), ("kohya", KOHYA)]:
        result[set_] = {}
        for i, path in enumerate(sorted((out / set_).glob("*.safetensors"))):
            name = (lambda layer: "lora_unet_" + layer.replace(".", "_")) if set_ == "kohya" else "unet.{}".format
            chosen = [*layers, CONV] if i == 0 else layers
            result[set_][path.stem] = updates(load_into_unet(path), chosen, name)
    result["versions"] = {m.__name__: m.__version__ for m in (torch, peft, diffusers, transformers)}
    (out / "expected.json").write_text(json.dumps(result, separators=(",", ":")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sd-scripts", required=True, help="a copy of kohya-ss/sd-scripts")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for folder in ["peft", "peft-half", "peft-mixed", "diffusers", "kohya"]:
        shutil.rmtree(args.out / folder, ignore_errors=True)
    peft_sets(args.out)
    diffusers_set(args.out)
    kohya_set(sd_scripts(args.sd_scripts), args.out)
    expected(args.out)


if __name__ == "__main__":
    main()
