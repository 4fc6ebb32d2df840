"""Cuts the crops of assets/photos that come from scikit-image's and scikit-learn's sample images.

    pip install scikit-image==0.26.0 scikit-learn==1.9.1 pillow==13.0.0 numpy==2.4.6
    python tools/photo_crops.py assets/photos

Sixteen squares per photograph, of a third to four fifths of its shorter side, reduced to 128 pixels. The other sixteen
photographs of the folder come from Debian's lomiri-wallpapers (see assets/photos/README.md).
"""

import random
import sys
from pathlib import Path

import skimage
import sklearn
from PIL import Image

SIDE = 128
CROPS = 16
SKIMAGE = Path(skimage.__file__).parent / "data"
SKLEARN = Path(sklearn.__file__).parent / "datasets" / "images"
PHOTOS = {
    "astronaut-by-nasa": SKIMAGE / "astronaut.png",
    "chelsea-by-stefan-van-der-walt": SKIMAGE / "chelsea.png",
    "coffee-by-rachel-michetti": SKIMAGE / "coffee.png",
    "rocket-by-spacex": SKIMAGE / "rocket.jpg",
    "china-by-danielbuechele": SKLEARN / "china.jpg",
    "flower-by-vultilion": SKLEARN / "flower.jpg",
}


def main() -> None:
    out = Path(sys.argv[1])
    for name, path in PHOTOS.items():
        photo = Image.open(path).convert("RGB")
        rng = random.Random(name)
        shorter = min(photo.size)
        for i in range(CROPS):
            side = rng.randint(shorter // 3, shorter * 4 // 5)
            left = rng.randint(0, photo.width - side)
            top = rng.randint(0, photo.height - side)
            crop = photo.crop((left, top, left + side, top + side))
            crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(
                out / f"{name}-{i:02}.jpg", quality=82
            )


main()
