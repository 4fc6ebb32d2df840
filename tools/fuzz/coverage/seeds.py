#!/usr/bin/env python3
"""Writes the seeds of the fuzzers, `seeds/TARGET/NAME`: small valid files. Needs Pillow 13.0 and NumPy 2.4; the seeds are
committed, so nobody needs to run it. In targets that read one of several files, the first byte is the file's number."""

import io
import json
import pathlib
import struct

import numpy
from PIL import Image, ImageCms

HERE = pathlib.Path(__file__).parent
CRATES = HERE / "../../../crates"
SEEDS = HERE / "seeds"


def write(target, name, content, number=None):
    if isinstance(content, str):
        content = content.encode()
    if number is not None:
        content = bytes([number]) + content
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def fixture(path):
    return (CRATES / path).read_bytes()


def safetensors(tensors, metadata=None):
    """`tensors` maps names to arrays."""
    kinds = {"float32": "F32", "float16": "F16", "float64": "F64", "int8": "I8", "int64": "I64"}
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, array in tensors.items():
        content = array.tobytes()
        header[name] = {"dtype": kinds[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def images():
    y, x = numpy.mgrid[0:13, 0:17]
    rgb = numpy.stack([x * 15, y * 19, x * y], -1).astype(numpy.uint8)
    colour, grey = Image.fromarray(rgb), Image.fromarray(rgb[..., 0])
    alpha = Image.fromarray(numpy.dstack([rgb, (x * 15).astype(numpy.uint8)]))
    deep = Image.fromarray((x * y * 300).astype(numpy.uint16))
    turned = Image.Exif()
    turned[0x0112] = 6
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    srgb = srgb[:24] + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + srgb[36:]
    # The red and the blue primary exchanged.
    profile = bytearray(srgb)
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    profile[red:red + 4], profile[blue:blue + 4] = b"bXYZ", b"rXYZ"
    profile = bytes(profile)
    made = {
        "profile.png": (colour, "PNG", {"icc_profile": profile}),
        "srgb.jpg": (colour, "JPEG", {"quality": 60, "icc_profile": srgb}),
        "profile.jpg": (colour, "JPEG", {"quality": 60, "icc_profile": profile}),
        "profile.webp": (alpha, "WEBP", {"quality": 60, "icc_profile": profile}),
        "rgb.png": (colour, "PNG", {}),
        "rgba.png": (alpha, "PNG", {}),
        "palette.png": (colour.quantize(8), "PNG", {"transparency": 0}),
        "grey.png": (grey, "PNG", {}),
        "grey16.png": (deep, "PNG", {}),
        "bit.png": (grey.convert("1"), "PNG", {}),
        "animated.png": (colour, "PNG", {"save_all": True, "append_images": [colour.rotate(90)]}),
        "baseline.jpg": (colour, "JPEG", {"quality": 60}),
        "full.jpg": (colour, "JPEG", {"quality": 60, "subsampling": 0}),
        "progressive.jpg": (colour, "JPEG", {"quality": 60, "progressive": True}),
        "restarts.jpg": (colour, "JPEG", {"quality": 60, "restart_marker_blocks": 1}),
        "grey.jpg": (grey, "JPEG", {"quality": 60}),
        "cmyk.jpg": (colour.convert("CMYK"), "JPEG", {"quality": 60}),
        "turned.jpg": (colour, "JPEG", {"quality": 60, "exif": turned}),
        "lossy.webp": (colour, "WEBP", {"quality": 60}),
        "lossless.webp": (colour, "WEBP", {"lossless": True}),
        "alpha.webp": (alpha, "WEBP", {"quality": 60}),
        "animated.webp": (colour, "WEBP", {"save_all": True, "append_images": [colour.rotate(90)]}),
        "rgb.bmp": (colour.crop((0, 0, 5, 4)), "BMP", {}),
        "rgb.tif": (colour.crop((0, 0, 5, 4)), "TIFF", {}),
        "rgb.gif": (colour.crop((0, 0, 5, 4)), "GIF", {}),
    }
    for name, (image, kind, options) in made.items():
        out = io.BytesIO()
        image.save(out, kind, **options)
        for target in ("image_files", "clean_fid_image"):
            write(target, name, out.getvalue())
        if name in ("rgb.png", "baseline.jpg", "lossy.webp"):
            write("editor_reply", name, out.getvalue(), 1)


def tensors():
    a = numpy.arange(6, dtype=numpy.float32).reshape(2, 3) / 4
    mixed = {"a": a, "b": a.astype(numpy.float16), "c": a.astype(numpy.float64), "d": a.astype(numpy.int8),
             "bn.num_batches_tracked": numpy.array(3, dtype=numpy.int64)}
    write("safetensors", "mixed", safetensors(mixed, {"format": "pt"}))
    write("safetensors", "empty", safetensors({}))
    write("safetensors", "single", safetensors({"w": a[:0]}))
    for name in ("tiny_zip.pth", "tiny_legacy.pth"):
        write("pytorch", name, fixture(f"clean-fid/tests/fixtures/{name}"))

    def factors(down, up, more=None):
        layers = {f"base.layers.{i}.attn.{name}": array for i in (2, 10)
                  for name, array in ((down, numpy.full((2, 5), .5, numpy.float32)),
                                      (up, numpy.full((3, 2), -.25, numpy.float32)))}
        return layers | (more or {})

    scale = {f"base.layers.{i}.attn.alpha": numpy.array(4, dtype=numpy.float32) for i in (2, 10)}
    write("lora_file", "peft", safetensors(factors("lora_A.weight", "lora_B.weight"), {"format": "pt"}), 0)
    write("lora_file", "kohya", safetensors(factors("lora_down.weight", "lora_up.weight", scale),
                                            {"ss_network_alpha": "4", "ss_network_dim": "2"}), 0)
    write("lora_file", "diffusers", safetensors(factors("lora.down.weight", "lora.up.weight")), 0)
    conv = {"down.lora_A.weight": numpy.full((2, 3, 3, 3), .5, numpy.float16),
            "down.lora_B.weight": numpy.full((4, 2, 1, 1), .5, numpy.float16)}
    write("lora_file", "conv", safetensors(conv), 0)


def arrays():
    mean = numpy.arange(3.)
    for name, save, kind in (("stored", numpy.savez, "<f8"), ("packed", numpy.savez_compressed, "<f4"),
                             ("big", numpy.savez, ">f8")):
        out = io.BytesIO()
        save(out, mu=mean.astype(kind), sigma=numpy.eye(3).astype(kind))
        write("npz_statistics", name, out.getvalue())
        out = io.BytesIO()
        save(out, feats=numpy.asfortranarray(numpy.arange(8.).reshape(4, 2).astype(kind)))
        write("npz_features", name, out.getvalue())


def encoders():
    bert = "text-encoder/tests/fixtures/bert/"
    for number, name in enumerate(["config.json", "sentence_bert_config.json", "1_Pooling/config.json", "modules.json"]):
        write("bert_folder", name.replace("/", "_"), fixture(bert + name), number)
    write("bert_folder", "vocab.txt", fixture("text-encoder/tests/fixtures/older/vocab.txt"), 4)
    write("bert_folder", "tokenizer_config.json", fixture(bert + "tokenizer_config.json"), 5)
    clip = "text-encoder/tests/fixtures/clip-sd2/"
    for number, name in enumerate(["config.json", "vocab.json", "merges.txt", "tokenizer_config.json"]):
        write("clip_folder", name, fixture(clip + name), number)

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "charcoal", "sketch", "##es", ",", "."]
    special = lambda token: {"id": words.index(token), "content": token, "single_word": False, "lstrip": False,
                             "rstrip": False, "normalized": False, "special": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [special(token) for token in words[:4]],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {word: i for i, word in enumerate(words)}},
    }
    count = len(words)
    table = {"scale": numpy.full(count, .5, numpy.float32),
             "weight": numpy.array([0.] * 4 + [.5] * (count - 4), dtype=numpy.float32),
             "rows": numpy.arange(1, 4 * count + 1, dtype=numpy.int8).reshape(count, 4)}
    metadata = {"format": "static-text-encoder", "format_version": "1", "name": "tiny"}
    write("static_encoder", "table", safetensors(table, metadata), 0)
    write("static_encoder", "tokenizer", json.dumps(tokenizer, separators=(",", ":")), 1)
    entry = {"tokens": numpy.ones((1, 4), numpy.float32), "pooled": numpy.ones(4, numpy.float32)}
    metadata = {"format": "text-encoder-cache", "format_version": "1", "encoder": "0" * 64, "max_tokens": "32",
                "prompt": "red", "truncated": "false", "sha256": "0" * 64}
    write("embedding_cache", "entry", safetensors(entry, metadata))


def lists():
    concept = lambda text, split, *more: {"category": "art", "text": text, "split": split, "paraphrases": more}
    write("prompt_set", "set", json.dumps({"concepts": [concept("charcoal sketch", "train", "in charcoal"),
                                                        concept("grey hair", "test")]}))
    line = lambda key, text: json.dumps({"key": key, "label": "art", "model": "m", "text": text, "cut": False,
                                         "prompt_tokens": 12, "completion_tokens": 3}) + "\n"
    write("journal", "two", line("aa", "one\ntwo") + line("bb", None))
    write("journal", "killed", line("aa", "one") + line("bb", "two")[:30])
    for number, text in enumerate(["You write lists.\n", "{count} entries of {category}\n",
                                   "{count} other words for {concept}\n", "\ufeffstyles\r\n"]):
        write("templates", str(number), text, number)
    write("photo_lists", "boxes", '{"a.jpg":[1,2,30,40],"b":[0,0,1.5,2]}', 0)
    write("photo_lists", "people", '{"a.jpg":"one","b.jpg":"two"}', 1)
    photo = {"name": "a", "split": "train", "group": "a", "source_file": "a.jpg", "source_sha256": "00",
             "crop": [0, 0, 64], "sha256": "11"}
    fractions = {"train": .8, "validation": .1, "test": .1}
    write("photo_lists", "manifest", json.dumps({"version": 1, "size": 64, "crop": "centre", "fractions": fractions,
                                                 "seed": 1, "photos": [photo]}), 2)
    editor = lambda name, api: {"name": name, "address": "http://127.0.0.1:7860", "api": api}
    write("editors_json", "three", json.dumps([
        editor("sd15", {"webui": {"denoising_strength": .5, "control": [{"module": "canny", "model": "canny"}]}}),
        editor("ip2p", {"comfy": {"workflow": "instruct_pix2pix", "template": "turn it into a {prompt}",
                                  "variables": {"checkpoint": "a.safetensors"}}}),
        editor("flux", {"inference": {"num_inference_steps": 20}})]))
    for name in ("image_to_image", "instruct_pix2pix"):
        write("workflow", name, fixture(f"image-editors/workflows/{name}.json"))


def replies():
    message = {"content": "1. \"Batik\",\n2. oil painting\n"}
    usage = {"prompt_tokens": 12, "completion_tokens": 9}
    write("chat_reply", "completion", json.dumps({"choices": [{"message": message, "finish_reason": "stop"}],
                                                  "usage": usage}), 0)
    message = {"content": None, "reasoning_content": "<think>styles", "reasoning": "styles"}
    write("chat_reply", "reasoning", json.dumps({"choices": [{"message": message, "finish_reason": "length"}]}), 0)
    write("chat_reply", "error", '{"error":{"message":"no model"}}', 0)
    for name, text in {
        "numbers": "1. oil painting\n2) Batik\n3: 1920s poster",
        "bullets": "- \"oil painting\",\n* **Batik** - a cloth\n• 1920s poster.",
        "json": "```json\n[\"oil painting\", \"Batik\"]\n```",
        "thoughts": "<think>1. no</think>\n<thought>x</thought>\n+ oil painting\n\n\ufeffBatik",
        "commas": "oil painting, Batik, 1920s poster",
    }.items():
        write("chat_reply", name, text, 1)
    write("chat_reply", "cut", "<think>a</think>\noil painting\nBat", 2)
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC"
    write("editor_reply", "webui", json.dumps({"images": [pixel], "info": "{}"}), 0)
    write("editor_reply", "url", json.dumps({"images": ["data:image/png;base64," + pixel]}), 0)
    image = lambda name, kind: {"filename": name, "subfolder": "", "type": kind}
    done = {"id": {"outputs": {"10": {"images": [image("a.png", "output")]}, "9": {"images": [image("b.png", "temp")]}},
                   "status": {"status_str": "success", "completed": True, "messages": []}}}
    failed = {"id": {"outputs": {}, "status": {"status_str": "error", "messages": [
        ["execution_error", {"exception_message": "out of memory"}], ["execution_interrupted", {}]]}}}
    for number in (2, 3):
        write("editor_reply", f"done{number}", json.dumps(done), number)
    write("editor_reply", "failed", json.dumps(failed), 2)
    write("editor_reply", "queue", '{"queue_running":[[0,"id"]],"queue_pending":[]}', 2)
    write("editor_reply", "queued", '{"prompt_id":"id","number":1,"node_errors":{},"name":"a.png","subfolder":"x"}', 2)


def manifests():
    plain = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["attn"],
             "alpha_pattern": {"layers.2.attn": 1.5}}
    write("lora_file", "config", json.dumps(plain), 1)
    write("peft_config", "plain", json.dumps(plain))
    config = json.loads(fixture("lora-gan/tests/fixtures/generator/peft/adapter_config.json"))
    write("peft_config", "peft", json.dumps(config))
    config.update(alpha_pattern={"conv": 4.0, "^encoder.0.conv": 2.0}, rank_pattern={"conv": 2},
                  init_lora_weights="pissa", use_rslora=True)
    write("peft_config", "patterns", json.dumps(config))
    spec = lambda name, shape, role: {"name": f"fc.{name}.weight", "shape": shape, "role": role}
    tensors = [spec("lora_A", [2, 5], "down"), spec("lora_B", [3, 2], "up")]
    layout = {"version": 1, "name": "tiny", "rule": "appended", "block_size": 4,
              "groups": [{"name": "fc", "kind": "linear", "tensors": tensors}]}
    write("zoo", "manifest", json.dumps({"version": 1, "base_digest": "base", "layout": layout}), 0)
    for rule in ("concatenated", "separate"):
        other = layout | {"rule": rule}
        write("zoo", rule, json.dumps({"version": 1, "base_digest": "base", "layout": other}), 0)
    record = {"version": 1, "sha256": "0" * 64, "concept": "b", "prompt": "a b", "seed": 7, "recipe": {"epochs": 3},
              "checkpoints": [{"epoch": 1, "metrics": {"fid": 12.5}}, {"epoch": 2, "metrics": {}}]}
    write("zoo", "record", json.dumps(record), 1)
    for kind, number in ((numpy.float32, 2), (numpy.float16, 2), (numpy.float32, 3)):
        shard = {"0/fc.lora_A.weight": numpy.full((2, 5), .5, kind), "0/fc.lora_B.weight": numpy.full((3, 2), .25, kind)}
        write("zoo", f"shard{number}-{kind.__name__}", safetensors(shard), number)
    unet = {"block_size": 4, "patch_size": 2, "base_channels": 4, "multipliers": [1, 1, 1], "downsample": False,
            "heads": 2, "ff_multiplier": 2, "norm_groups": 2, "encoding_size": 4, "embedding_size": 4,
            "context_width": 8, "block_heads": 4, "parameterization": "skip",
            "schedule": {"betas": {"kind": "linear", "start": 1e-4, "end": .02}, "steps": 1000}}
    for kind in ("elementwise", "per_layer"):
        normalizer = {"kind": kind, "runs": [{"tensor": 0, "len": 10}, {"tensor": 1, "len": 6}], "encoded_len": 16,
                      "means": [], "deviations": [1.5, 2.5]}
        write("weight_generator_json", kind, json.dumps({
            "version": 2, "sha256": "0" * 64, "precision": "half", "unet": unet, "layout": layout,
            "normalizer": normalizer, "text": {"encoder": "static", "digest": "00", "width": 8},
            "zoo_norm": {"mean": 3.5, "std": .5}, "trained_norm": {"mean": 3.5, "std": .5}, "base_digest": "base",
            "defaults": {"t": 999, "seed": 0, "noises": 1, "batch_size": 64}}))


if __name__ == "__main__":
    # Inputs that a fuzzer found stay.
    for path in SEEDS.glob("*/*"):
        if not path.name.startswith("found-"):
            path.unlink()
    for make in (images, tensors, arrays, encoders, lists, replies, manifests):
        make()
    print(sum(path.stat().st_size for path in SEEDS.rglob("*") if path.is_file()), "bytes")
