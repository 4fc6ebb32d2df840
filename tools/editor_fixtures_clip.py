#!/usr/bin/env python3
"""A tiny CLIP and what `transformers` makes of the direction score of two edits, for the tests of `edit_photos --clip`.

    pip install -r tools/requirements-text.txt
    python tools/editor_fixtures_clip.py

Writes crates/image-editors/tests/fixtures/clip/: a whole CLIP model's folder (config.json, model.safetensors in f16,
tokenizer.json of the text encoder's fixtures) and reference.json. The towers are random; the text projection is solved for
so that the text "a red photo" lies where reddened photos lie, and "a blue photo" where blued ones do: a CLIP that knows
these two words. Photos are 32 x 32 pixels, the size of the image tower, so that no resampling is compared.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

ROOT = Path(__file__).resolve().parent.parent
TOKENIZER = ROOT / "crates" / "text-encoder" / "tests" / "fixtures" / "clip-legacy"
OUT = ROOT / "crates" / "image-editors" / "tests" / "fixtures" / "clip"
NEUTRAL, PROMPTS = "a photo", {"red": "a red photo", "blue": "a blue photo"}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


def photo(number):
    y, x = np.mgrid[0:32, 0:32]
    return np.stack([(x * 7 + 40 * number) % 200, (y * 5 + 30 * number) % 200, ((x ^ y) * 3 + 20) % 200], -1).astype(np.uint8)


def edit(image, name):
    """Adds 50 to one channel."""
    image = image.copy()
    image[..., {"red": 0, "blue": 2}[name]] += 50
    return image


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    config = CLIPConfig(
        text_config=dict(
            vocab_size=805, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=77, hidden_act="quick_gelu", bos_token_id=0, eos_token_id=2, pad_token_id=1,
        ),
        vision_config=dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8,
            hidden_act="quick_gelu",
        ),
        projection_dim=16,
    )
    model = CLIPModel(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1.5 / parameter[0].numel() ** 0.5)

    def images(arrays):
        pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255
        out = model.vision_model(pixel_values=(pixels - MEAN) / DEVIATION).pooler_output
        return torch.nn.functional.normalize(model.visual_projection(out).double(), dim=-1)

    def pooled(texts):
        return model.text_model(**tokenizer(texts, padding=True, return_tensors="pt")).pooler_output

    def unit_texts(texts):
        return torch.nn.functional.normalize(model.text_projection(pooled(texts)).double(), dim=-1)

    photos = [photo(i) for i in range(3)]
    texts = [NEUTRAL, *PROMPTS.values()]
    with torch.no_grad():
        model.half().float()
        before = images(photos)
        centre = before.mean(0)
        targets = [centre] + [
            centre + 3 * (images([edit(p, name) for p in photos]) - before).mean(0) for name in PROMPTS
        ]
        solved = torch.linalg.pinv(pooled(texts).double()) @ torch.stack(targets)
        model.text_projection.weight.copy_(solved.T.float())
        model.half().float()
        before, words = images(photos), unit_texts(texts)
        scores = {}
        for i, name in enumerate(PROMPTS):
            scores[name] = {}
            for editor in PROMPTS:
                change = images([edit(p, editor) for p in photos]) - before
                wanted = words[i + 1] - words[0]
                scores[name][editor] = torch.nn.functional.cosine_similarity(change, wanted[None]).tolist()
    print(json.dumps(scores, indent=1))
    for name in PROMPTS:
        assert np.mean(scores[name][name]) > max(np.mean(scores[name][other]) for other in PROMPTS if other != name) + 0.2

    OUT.mkdir(parents=True, exist_ok=True)
    state = {k: v.half().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
    save_file(state, OUT / "model.safetensors", metadata={"format": "pt"})
    (OUT / "config.json").write_text(json.dumps(config.to_dict(), indent=1, default=str) + "\n")
    for name in ["tokenizer.json", "tokenizer_config.json"]:
        shutil.copy(TOKENIZER / name, OUT / name)
    (OUT / "reference.json").write_text(json.dumps({"neutral": NEUTRAL, "prompts": PROMPTS, "scores": scores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
