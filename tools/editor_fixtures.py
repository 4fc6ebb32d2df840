"""Images and the terms of image-editors' no-reference quality score, with scipy's filters.

    pip install -r tools/requirements-editors.txt
    python tools/editor_fixtures.py crates/image-editors/tests/fixtures/quality

The photo is scikit-image's `astronaut` (NASA, public domain).
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage, signal
from skimage import data, transform, util

MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)


def terms(image):
    luma = (image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])) / 255
    height, width = luma.shape
    laplacian = ndimage.laplace(luma)[1:-1, 1:-1]
    response = signal.convolve2d(luma, MASK, mode="valid")
    noise = np.abs(response).sum() * np.sqrt(np.pi / 2) / (6 * (width - 2) * (height - 2))
    across, inside = [], []
    for axis in (0, 1):
        steps = np.abs(np.diff(luma, axis=axis))
        border = np.arange(1, luma.shape[axis]) % 8 == 0
        across.append(np.compress(border, steps, axis=axis).ravel())
        inside.append(np.compress(~border, steps, axis=axis).ravel())
    across, inside = np.concatenate(across).mean(), np.concatenate(inside).mean()
    flat = image.reshape(-1, 3)
    clipped = (flat == 0).all(axis=1) | (flat == 255).all(axis=1)
    return {
        "sharpness": laplacian.std(),
        "contrast": luma.std(),
        "noise": noise,
        "blocks": max(0.0, (across - inside) / (inside + 0.5 / 255)),
        "clipped": clipped.mean(),
    }


def jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def main(out):
    face = data.astronaut()[0:192, 128:320]
    photo = util.img_as_ubyte(transform.resize(face, (96, 96), anti_aliasing=True))
    noisy = util.random_noise(photo, var=0.05**2, rng=0)
    images = {
        "photo": photo,
        "blurred": ndimage.gaussian_filter(photo, (1.5, 1.5, 0)),
        "noisy": util.img_as_ubyte(noisy),
        "blocky": jpeg(photo, 8),
        "burnt": np.clip(photo.astype(int) * 2, 0, 255).astype(np.uint8),
    }
    out.mkdir(parents=True, exist_ok=True)
    values = {}
    for name, image in images.items():
        Image.fromarray(image).save(out / f"{name}.png", optimize=True)
        values[name] = {key: float(value) for key, value in terms(image).items()}
    (out / "terms.json").write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
