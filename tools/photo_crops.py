"""Cuts the crops of assets/photos that come from sample images of scikit-image and scikit-learn, or from a folder of natural
photographs.

    pip install scikit-image==0.26.0 scikit-learn==1.9.1 pillow==13.0.0 numpy==2.4.6
    python tools/photo_crops.py assets/photos
    python tools/photo_crops.py assets/photos NATURAL

From the libraries sixteen squares per photograph, of a third to four fifths of its shorter side; from each photograph directly
in NATURAL (those of Debian's gcompris-qt-data, their shorter side scaled to 384 pixels) the middle square and four others of
half to nine tenths of the shorter side. All are reduced to 128 pixels. The other sixteen photographs of the folder come from
Debian's lomiri-wallpapers (see assets/photos/README.md).
"""

import random
import sys
from pathlib import Path

from PIL import Image

SIDE = 128
CROPS = 16


def library_photos() -> dict[str, Path]:
    import skimage
    import sklearn

    of_skimage = Path(skimage.__file__).parent / "data"
    of_sklearn = Path(sklearn.__file__).parent / "datasets" / "images"
    return {
        "astronaut-by-nasa": of_skimage / "astronaut.png",
        "chelsea-by-stefan-van-der-walt": of_skimage / "chelsea.png",
        "coffee-by-rachel-michetti": of_skimage / "coffee.png",
        "rocket-by-spacex": of_skimage / "rocket.jpg",
        "china-by-danielbuechele": of_sklearn / "china.jpg",
        "flower-by-vultilion": of_sklearn / "flower.jpg",
    }


def random_square(photo: Image.Image, rng: random.Random, smallest: int, largest: int) -> Image.Image:
    side = rng.randint(smallest, largest)
    left = rng.randint(0, photo.width - side)
    top = rng.randint(0, photo.height - side)
    return photo.crop((left, top, left + side, top + side))


def middle_square(photo: Image.Image) -> Image.Image:
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return photo.crop((left, top, left + side, top + side))


def main() -> None:
    out = Path(sys.argv[1])
    if len(sys.argv) > 2:
        photos = {path.stem: path for path in sorted(Path(sys.argv[2]).glob("*.jpg"))}
    else:
        photos = library_photos()
    for name, path in photos.items():
        photo = Image.open(path).convert("RGB")
        rng = random.Random(name)
        shorter = min(photo.size)
        if len(sys.argv) > 2:
            crops = [middle_square(photo)]
            crops += [random_square(photo, rng, shorter // 2, shorter * 9 // 10) for _ in range(4)]
        else:
            crops = [random_square(photo, rng, shorter // 3, shorter * 4 // 5) for _ in range(CROPS)]
        for i, crop in enumerate(crops):
            crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(out / f"{name}-{i:02}.jpg", quality=82)


main()
