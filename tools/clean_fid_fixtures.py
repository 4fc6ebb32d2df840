"""Make the Clean-FID fixtures of crates/clean-fid/tests/fixtures/, with the reference implementations.

    pip install --no-deps -r tools/requirements-clean-fid.txt   # and their dependencies, see that file
    python tools/clean_fid_fixtures.py crates/clean-fid/tests/fixtures [NAME ...]

resize.safetensors     clean-fid's resizers (PIL in float, torch) and torch-fidelity's TensorFlow 1 resize on images of
                       a formula: 160 sizes to 299 x 299 at 64 positions each, 40 sizes to small ones in full.
decode.safetensors     PNG, JPEG and WebP files with what PIL's convert("RGB") makes of them, and clean-fid's resize of that.
jpeg.safetensors       JPEG files of photographs, with size and SHA-256 of what PIL's convert("RGB") makes of them. The
                       photographs are crops of "seeding" by Clemens Engelhardt (CC0), from --photos.
inception.safetensors  pytorch-fid's InceptionV3 in float64 on weights of a formula (so that no weights are shipped):
                       names and shapes of the weights, two images, features in the three modes, and the value of
                       clean-fid's compare_folders on two folders of eight images.
inception_*.pth        state dicts of pytorch-fid's InceptionV3 as torch.save writes them, in its present and its older
                       format, with torch-fidelity's names compared. All tensors are overlapping views of a few short
                       storages, which keeps the files small.
tiny_*.pth             three tensors in both formats, small enough to be damaged at every byte.
checkpoint.safetensors features of pytorch-fid's network on those weights, in float64.
clip.safetensors       transformers' CLIPVisionModelWithProjection, tiny and random, on images that torchvision prepares as
                       clean-fid's clip_features.py does: weights, sizes of images of the formula, prepared images,
                       features.
statistics_*.npz       mu and sigma as pytorch-fid and clean-fid write them, and clean-fid's features for KID.
statistics.safetensors the features behind them and distances between them by clean-fid.
manifold.safetensors   precision, recall, density and coverage by the package prdc, and clean-fid's KID.

The formula: entry i of the tensor called NAME is the 32-bit hash of i, seeded with the FNV-1a hash of NAME.
"""

import argparse
import contextlib
import glob
import hashlib
import io
import json
import os
import tempfile

import numpy as np
import torch
from PIL import Image, ImageFilter
from safetensors.numpy import save_file

SEED = 30
SIDE = 299


def name_seed(name):
    state = 0x811C9DC5
    for byte in name.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def hashed(name, count):
    """`count` 32-bit hashes ("lowbias32" of C. Wellons)."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(name_seed(name))
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def uniform(name, count):
    """In 0..1, steps of 2**-24: exact in float32."""
    return (hashed(name, count) >> np.uint32(8)).astype(np.float64) / 2**24


def noise_image(name, height, width):
    return (hashed(name, height * width * 3) >> np.uint32(24)).astype(np.uint8).reshape(height, width, 3)


def picture(rng, height, width):
    """A smooth colour field with an edge and a little noise, as bytes [height, width, 3]."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    out = np.zeros((height, width, 3))
    for c in range(3):
        a, b, p, d = rng.uniform(1, 9, 4)
        out[..., c] = 0.5 + 0.3 * np.sin(a * x + b * y + p) + 0.15 * np.sign(np.sin(d * (x - y) + p))
    out += rng.normal(0, 0.02, out.shape)
    return (np.clip(out, 0, 1) * 255).round().astype(np.uint8)


def tensorflow_resize(image, size):
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    x = torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1))[None]
    x = interpolate_bilinear_2d_like_tensorflow1x(x, size=size, align_corners=False)
    return x[0].numpy().transpose(1, 2, 0)


def resizers(height, width):
    from cleanfid.resize import make_resizer

    return {
        "clean": make_resizer("PIL", False, "bicubic", (width, height)),
        # torch takes (height, width)
        "legacy_pytorch": make_resizer("PyTorch", False, "bilinear", (height, width)),
        "legacy_tensorflow": lambda image: tensorflow_resize(image, (height, width)),
    }


def resize():
    from cleanfid.resize import build_resizer

    rng = np.random.default_rng(SEED)
    sampled, full, out = [], [], {}
    large = resizers(SIDE, SIDE)
    check = noise_image("check", 50, 70)
    for mode in ("clean", "legacy_pytorch"):
        assert np.array_equal(build_resizer(mode)(check), large[mode](check)), mode
    values = {mode: [] for mode in large}
    for case in range(160):
        height, width = np.exp(rng.uniform(0, np.log(640), 2)).astype(int)
        if case == 0:
            height, width = SIDE, SIDE
        elif case == 1:
            height, width = SIDE, 2 * SIDE
        image = noise_image(f"sampled {case}", height, width)
        at = hashed(f"positions {case}", 64) % np.uint32(SIDE * SIDE * 3)
        sampled.append([height, width])
        for mode, function in large.items():
            planes = np.ascontiguousarray(function(image).transpose(2, 0, 1), dtype=np.float32)
            values[mode].append(planes.reshape(-1)[at])
    for mode, rows in values.items():
        out[f"sampled_{mode}"] = np.stack(rows)
    for case in range(40):
        height, width, to_height, to_width = rng.integers(1, [60, 60, 14, 14], 4)
        image = noise_image(f"full {case}", height, width)
        full.append([height, width, to_height, to_width])
        for mode, function in resizers(int(to_height), int(to_width)).items():
            planes = np.ascontiguousarray(function(image).transpose(2, 0, 1), dtype=np.float32)
            out[f"full_{mode}_{case}"] = planes
    out["sampled_sizes"] = np.array(sampled, dtype=np.float32)
    out["full_sizes"] = np.array(full, dtype=np.float32)
    return out, None


def decode():
    rng = np.random.default_rng(SEED + 1)
    rgb = picture(rng, 37, 45)
    alpha = (hashed("alpha", 37 * 45) >> np.uint32(24)).astype(np.uint8).reshape(37, 45)
    grey = Image.fromarray(rgb).convert("L")
    deep = ((hashed("deep", 37 * 45) >> np.uint32(16)) % np.uint32(600)).astype(np.uint16).reshape(37, 45)
    files = {}

    def add(name, image, kind, **options):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files[name] = buffer.getvalue()

    add("rgb.png", Image.fromarray(rgb), "PNG")
    add("grey.png", grey, "PNG")
    add("grey_alpha.png", Image.merge("LA", (grey, Image.fromarray(alpha))), "PNG")
    add("rgba.png", Image.merge("RGBA", (*Image.fromarray(rgb).split(), Image.fromarray(alpha))), "PNG")
    add("palette.png", Image.fromarray(rgb).quantize(23), "PNG")
    add("bits.png", grey.convert("1"), "PNG")
    add("grey16.png", Image.fromarray(deep), "PNG")
    files["rgb16.png"] = png16(rgb)
    add("fine.jpg", Image.fromarray(rgb), "JPEG", quality=95, subsampling=0)
    add("coarse.jpg", Image.fromarray(rgb), "JPEG", quality=60, subsampling=2)
    add("progressive.jpg", Image.fromarray(rgb), "JPEG", quality=80, progressive=True)
    add("grey.jpg", grey, "JPEG", quality=80)
    add("lossless.webp", Image.fromarray(rgb), "WEBP", lossless=True)
    add("lossy.webp", Image.fromarray(rgb), "WEBP", quality=80)
    out = {}
    for name, data in files.items():
        out[f"{name}/file"] = np.frombuffer(data, dtype=np.uint8)
        rgb = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        out[f"{name}/rgb"] = rgb
        planes = resizers(13, 57)["clean"](rgb).transpose(2, 0, 1)
        out[f"{name}/resized"] = np.ascontiguousarray(planes, dtype=np.float32)
    return out, None


def png16(rgb):
    """A 16-bit colour PNG, which PIL reads but does not write."""
    import struct
    import zlib

    height, width, _ = rgb.shape
    low = (hashed("low byte", rgb.size) >> np.uint32(24)).reshape(rgb.shape)
    wide = (rgb.astype(np.uint16) * 256 + low.astype(np.uint16)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(photos):
    paths = sorted(glob.glob(os.path.join(photos, "seeding*.jpg")))
    assert len(paths) == 40, f"{len(paths)} crops of the photograph seeding in {photos}"
    rng = np.random.default_rng(SEED + 5)
    files = {}

    def add(name, image, **options):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        files[name] = buffer.getvalue()

    def crop():
        width, height = rng.integers(1, 73, 2)
        left, top = rng.integers(0, [129 - width, 129 - height])
        image = Image.open(paths[len(files) % len(paths)]).convert("RGB")
        return image.crop((left, top, left + width, top + height))

    for quality in (5, 30, 60, 75, 90, 100):
        for sampling in ("4:4:4", "4:2:2", "4:2:0"):
            name = f"{sampling.replace(':', '')}-{quality}"
            add(f"{name}-sequential", crop(), quality=quality, subsampling=sampling)
            add(f"{name}-progressive", crop(), quality=quality, subsampling=sampling, progressive=True)
            add(f"{name}-restarts", crop(), quality=quality, subsampling=sampling, optimize=True, restart_marker_blocks=3)
    for quality in (20, 85):
        for progressive in (False, True):
            kind = f"{quality}-{'progressive' if progressive else 'sequential'}"
            options = {"quality": quality, "progressive": progressive}
            add(f"411-{kind}", crop(), subsampling="4:1:1", **options)
            add(f"grey-{kind}", crop().convert("L"), **options)
            add(f"rgb-{kind}", crop(), keep_rgb=True, **options)
            add(f"cmyk-{kind}", crop().convert("CMYK"), **options)
            # PIL writes no YCCK. The last byte of Adobe's marker tells the two apart.
            inks = bytearray(files[f"cmyk-{kind}"])
            at = inks.index(b"Adobe") + 11
            assert inks[at] == 0
            inks[at] = 2
            files[f"ycck-{kind}"] = bytes(inks)
    out = {}
    for name, data in files.items():
        rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        out[f"{name}/file"] = np.frombuffer(data, dtype=np.uint8)
        out[f"{name}/size"] = np.array(rgb.shape[:2], dtype=np.float32)
        out[f"{name}/sha256"] = np.frombuffer(hashlib.sha256(rgb.tobytes()).digest(), dtype=np.uint8)
    return out, None


def formula_state():
    """Weights for pytorch-fid's InceptionV3: names and shapes from torchvision, values from the formula."""
    import torchvision

    shapes = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    # pytorch-fid's blocks differ from torchvision's in their pools, not in their weights.
    state = {}
    for name, tensor in shapes.state_dict().items():
        shape = tuple(tensor.shape)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(shape, dtype=torch.int64)
            continue
        u = uniform(name, int(np.prod(shape)))
        if name.endswith("conv.weight"):
            bound = np.sqrt(6.0 / np.prod(shape[1:]))
            values = (2 * u - 1) * bound
        elif name.endswith("bn.weight") or name.endswith("running_var"):
            values = 0.8 + 0.4 * u
        else:
            values = 0.2 * u - 0.1
        state[name] = torch.from_numpy(values.astype(np.float32)).reshape(shape)
    return state


def viewed_state():
    """A state dict whose tensors are views of a few short storages."""
    rng = np.random.default_rng(SEED + 6)
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    shapes = {name: tuple(t.shape) for name, t in formula_state().items()}
    names = set(meta_state(FeatureExtractorInceptionV3))
    assert names == set(shapes), sorted(names ^ set(shapes))
    weights = torch.from_numpy(rng.uniform(-1, 1, 20000).astype(np.float32))
    gains = torch.from_numpy(rng.uniform(0.8, 1.2, 2048).astype(np.float32))
    shifts = torch.from_numpy(rng.uniform(-0.1, 0.1, 2048).astype(np.float32))
    count = torch.tensor(7)
    fan_in = {name: int(np.prod(shape[1:])) for name, shape in shapes.items() if name.endswith("conv.weight")}
    spreads = torch.tensor(sorted({n / 6 for n in fan_in.values()}))
    state = {}
    for name, shape in shapes.items():
        at = int(rng.integers(0, 64))
        if name.endswith("num_batches_tracked"):
            state[name] = count
        elif name.endswith("running_var"):
            n = fan_in[name.replace("bn.running_var", "conv.weight")]
            state[name] = spreads.as_strided(shape, (0,), int((spreads - n / 6).abs().argmin()))
        elif name.endswith("bn.weight"):
            state[name] = gains.as_strided(shape, (1,), at)
        elif len(shape) == 1:
            state[name] = shifts.as_strided(shape, (1,), at)
        else:
            state[name] = weights.as_strided(shape, (17, 5, 3, 1) if len(shape) == 4 else (5, 1), at)
    return state


def meta_state(network):
    """Names of a network's state dict, whose weights it would otherwise load."""
    loaded = network.load_state_dict
    network.load_state_dict = lambda *_, **__: None
    try:
        import torch_fidelity.feature_extractor_inceptionv3 as module

        module.load_state_dict_from_url = lambda *_, **__: {}
        return list(network("inception-v3-compat", ["2048"]).state_dict())
    finally:
        network.load_state_dict = loaded


@torch.no_grad()
def checkpoint(output):
    state = viewed_state()
    torch.save(state, os.path.join(output, "inception_zip.pth"))
    nested = {"epoch": 3, "state_dict": state, "optimizer": {"momentum": torch.ones(3)}}
    torch.save(nested, os.path.join(output, "inception_legacy.pth"), _use_new_zipfile_serialization=False)
    tiny = {
        "rows": torch.arange(6, dtype=torch.float32).reshape(2, 3),
        "inner.columns": torch.arange(6, dtype=torch.float16).reshape(2, 3).t(),
        "count": torch.tensor(7),
    }
    torch.save(tiny, os.path.join(output, "tiny_zip.pth"))
    torch.save(tiny, os.path.join(output, "tiny_legacy.pth"), _use_new_zipfile_serialization=False)
    rng = np.random.default_rng(SEED + 7)
    image = picture(rng, 44, 60)
    x = torch.from_numpy(resizers(SIDE, SIDE)["clean"](image).transpose(2, 0, 1).copy())[None].double()
    features = inception_model(state).double()(normalised(x, "clean"))[0].flatten(1)
    print("features", float(features.min()), float(features.mean()), float(features.max()))
    return {
        "images": np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32),
        "features": features.numpy().astype(np.float32),
    }, None


def inception_model(state):
    import pytorch_fid.inception as inception

    inception.load_state_dict_from_url = lambda *_, **__: state
    with contextlib.redirect_stdout(io.StringIO()):
        return inception.InceptionV3([3], resize_input=False, normalize_input=False).eval()


def normalised(x, mode):
    """As clean-fid's features.py and inception_torchscript.py."""
    return 2 * (x / 255) - 1 if mode == "legacy_pytorch" else (x - 128) / 128


@torch.no_grad()
def inception():
    from cleanfid import fid

    rng = np.random.default_rng(SEED + 2)
    state = formula_state()
    model = inception_model(state)
    double = inception_model(state).double()
    images = [picture(rng, 44, 60), picture(rng, 44, 60)]
    out = {"images": np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2), dtype=np.float32)}
    for mode, function in resizers(SIDE, SIDE).items():
        x = torch.stack([torch.from_numpy(function(i).transpose(2, 0, 1).copy()) for i in images]).double()
        out[f"features_{mode}"] = double(normalised(x, mode))[0].flatten(1).numpy().astype(np.float32)

    def clean(x):
        return model(normalised(x, "clean"))[0].flatten(1)

    with tempfile.TemporaryDirectory() as root:
        for folder in "ab":
            os.makedirs(os.path.join(root, folder, "inner"))
            pictures = []
            for i in range(8):
                height, width = rng.integers(30, 50, 2)
                image = Image.fromarray(picture(rng, height, width))
                if folder == "b":
                    image = image.filter(ImageFilter.GaussianBlur(0.5 + 0.2 * i))
                path = os.path.join(root, folder, "inner" if i % 2 else "", f"{i}.png")
                image.save(path)
                with open(path, "rb") as file:
                    out[f"{folder}/{i}.png"] = np.frombuffer(file.read(), dtype=np.uint8)
                pictures.append(path)
        folders = [os.path.join(root, f) for f in "ab"]
        features = [
            fid.get_folder_features(
                f, clean, num_workers=0, batch_size=4, device=torch.device("cpu"), mode="clean", verbose=False
            )
            for f in folders
        ]
        value = fid.fid_from_feats(*features)
        kid = fid.kernel_distance(*features, num_subsets=1, max_subset_size=1000)
    exact = nuclear_frechet(*features)
    print(f"compare_folders: {value:.9f}; without sqrtm {exact:.9f}, relative difference {value / exact - 1:.1e}")
    out["frechet"] = np.array([value, exact])
    out["kernel"] = np.array([kid])
    shapes = {name: list(t.shape) for name, t in state.items()}
    return out, {"shapes": json.dumps(shapes)}


@torch.no_grad()
def clip():
    from torchvision import transforms
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(SEED)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        projection_dim=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    model = CLIPVisionModelWithProjection(config).eval()
    for name, parameter in model.named_parameters():
        norm = "norm" in name or "layrnorm" in name
        torch.nn.init.normal_(parameter, 1.0 if norm and name.endswith("weight") else 0.0, 0.3)
    # As clean-fid's img_preprocess_clip and CLIP_fx, at another size.
    prepare = transforms.Compose(
        [
            transforms.Resize(32, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(32),
        ]
    )
    normalise = transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    sizes = [(32, 32), (32, 57), (64, 64), (45, 90), (91, 47), (7, 9), (100, 3), (33, 200)]
    prepared = [
        np.asarray(prepare(Image.fromarray(noise_image(f"clip {i}", *size)))).transpose(2, 0, 1)
        for i, size in enumerate(sizes)
    ]
    x = torch.from_numpy(np.stack(prepared)).double() / 255
    features = model.double()(pixel_values=normalise(x)).image_embeds
    out = {f"weights.{k}": v.float().numpy() for k, v in model.state_dict().items() if v.is_floating_point()}
    out["sizes"] = np.array(sizes, dtype=np.float32)
    out["prepared"] = np.ascontiguousarray(np.stack(prepared), dtype=np.uint8)
    out["features"] = features.numpy().astype(np.float32)
    return out, None


def nuclear_frechet(a, b):
    """The Fréchet distance by singular values of the product of centred rows, in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    x = (a - a.mean(0)) / np.sqrt(len(a) - 1)
    y = (b - b.mean(0)) / np.sqrt(len(b) - 1)
    mean = a.mean(0) - b.mean(0)
    return mean @ mean + (x**2).sum() + (y**2).sum() - 2 * np.linalg.svd(x @ y.T, compute_uv=False).sum()


def feature_sets(rng, n, m, d):
    mix = rng.normal(size=(d, d)) / np.sqrt(d)
    x = np.maximum(rng.normal(size=(n, d)) @ mix + 0.3, 0).astype(np.float32)
    y = np.maximum(1.3 * rng.normal(size=(m, d)) @ mix + 0.5, 0).astype(np.float32)
    return x, y


def statistics(output):
    from cleanfid import fid

    rng = np.random.default_rng(SEED + 3)
    out = {}
    for name, n, m, d in [("wide", 150, 120, 24), ("narrow", 10, 40, 24)]:
        x, y = feature_sets(rng, n, m, d)
        p, q = x.astype(np.float64), y.astype(np.float64)
        sides = [(np.mean(f, axis=0), np.cov(f, rowvar=False)) for f in (p, q)]
        value = fid.frechet_distance(*sides[0], *sides[1])
        out[f"{name}_x"], out[f"{name}_y"] = x, y
        out[f"{name}_frechet"] = np.array([value, nuclear_frechet(x, y)])
        if name == "wide":
            # pytorch-fid: np.savez_compressed; older versions and clean-fid's own files: np.savez
            np.savez_compressed(os.path.join(output, "statistics_compressed.npz"), mu=sides[0][0], sigma=sides[0][1])
            np.savez(os.path.join(output, "statistics_stored.npz"), mu=sides[1][0], sigma=sides[1][1])
            single = [v.astype(np.float32) for v in sides[0]]
            np.savez(os.path.join(output, "statistics_single.npz"), mu=single[0], sigma=np.asfortranarray(single[1]))
            np.savez_compressed(os.path.join(output, "features_kid.npz"), feats=x)
    return out, None


def manifold():
    from cleanfid import fid
    from prdc import compute_prdc

    rng = np.random.default_rng(SEED + 4)
    out = {}
    for name, n, m, d, k in [("near", 60, 50, 6, 5), ("far", 40, 70, 5, 3), ("one", 30, 30, 4, 1)]:
        x = rng.normal(size=(n, d)).astype(np.float32)
        y = (0.8 * rng.normal(size=(m, d)) + (0.7 if name == "far" else 0.4)).astype(np.float32)
        with contextlib.redirect_stdout(io.StringIO()):
            values = compute_prdc(real_features=x.astype(np.float64), fake_features=y.astype(np.float64), nearest_k=k)
        print(name, values)
        out[f"{name}_x"], out[f"{name}_y"] = x, y
        out[f"{name}_values"] = np.array([values[v] for v in ("precision", "recall", "density", "coverage")])
        # One subset of everything: clean-fid's estimator without chance. Equal sizes, as it has it.
        if n == m:
            out[f"{name}_kernel"] = np.array(
                [fid.kernel_distance(x.astype(np.float64), y.astype(np.float64), num_subsets=1, max_subset_size=1000)]
            )
    return out, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    names = ["resize", "decode", "jpeg", "inception", "checkpoint", "clip", "statistics", "manifold"]
    parser.add_argument("names", nargs="*", default=names)
    parser.add_argument("--photos", default="../shared/photos/cc", help="folder of the photographs for jpeg")
    args = parser.parse_args()
    makers = {
        "resize": resize,
        "decode": decode,
        "jpeg": lambda: jpeg(args.photos),
        "inception": inception,
        "checkpoint": lambda: checkpoint(args.output),
        "clip": clip,
        "statistics": lambda: statistics(args.output),
        "manifold": manifold,
    }
    for name in args.names:
        tensors, metadata = makers[name]()
        path = os.path.join(args.output, f"{name}.safetensors")
        save_file(tensors, path + ".tmp", metadata=metadata)
        os.replace(path + ".tmp", path)
        print(f"{path}: {os.path.getsize(path):,} bytes")


if __name__ == "__main__":
    main()
