"""Cuts the crops of assets/photos and of assets/photo/photos from photographs.

    pip install scikit-image==0.26.0 scikit-learn==1.9.1 pillow==13.0.0 numpy==2.4.6
    python tools/photo_crops.py assets/photos
    python tools/photo_crops.py assets/photos --natural NATURAL
    python tools/photo_crops.py assets/photo/photos --side 256 --natural NATURAL --wallpapers BACKGROUNDS

The first cuts 128-pixel squares out of the sample images of scikit-image and scikit-learn, sixteen per photograph, of a third to
four fifths of its shorter side. The second cuts them out of each photograph directly in NATURAL (those of Debian's
gcompris-qt-data, their shorter side scaled to 384 pixels): the middle square and four others of half to nine tenths of the shorter
side. (The other sixteen photographs of assets/photos come from Debian's lomiri-wallpapers, see its README.)

The third cuts 256-pixel squares out of all of them, BACKGROUNDS being usr/share/backgrounds of both packages lomiri-wallpapers:
the middle square of each photograph, and others of at least two thirds of the shorter side (a third for the larger photographs of
the libraries and of Debian), three of the natural ones and five of the others.
"""

import argparse
import random
from pathlib import Path

from PIL import Image

CROPS = 16
NO_WALLPAPERS = {"fossa", "infinite-sea", "painting-colors"}


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


def wallpapers(folder: Path) -> dict[str, Path]:
    names = {path.stem.lower().replace("_", "-").replace("--", "-"): path for path in sorted(folder.glob("*.jpg"))}
    return {name: path for name, path in names.items() if name.split("-by-")[0] not in NO_WALLPAPERS}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=128, choices=[128, 256])
    parser.add_argument("--natural", type=Path)
    parser.add_argument("--wallpapers", type=Path)
    args = parser.parse_args()
    natural = {path.stem: path for path in sorted(args.natural.glob("*.jpg"))} if args.natural else {}
    if args.side == 128:
        photos = natural or library_photos()
    else:
        photos = natural | library_photos() | wallpapers(args.wallpapers)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, path in photos.items():
        photo = Image.open(path).convert("RGB")
        rng = random.Random(name)
        shorter = min(photo.size)
        if args.side == 256:
            count, smallest = (3, shorter * 2 // 3) if name in natural else (5, max(args.side, shorter // 3))
            crops = [middle_square(photo)]
            crops += [random_square(photo, rng, min(smallest, shorter), shorter) for _ in range(count)]
        elif name in natural:
            crops = [middle_square(photo)]
            crops += [random_square(photo, rng, shorter // 2, shorter * 9 // 10) for _ in range(4)]
        else:
            crops = [random_square(photo, rng, shorter // 3, shorter * 4 // 5) for _ in range(CROPS)]
        for i, crop in enumerate(crops):
            file = args.out / f"{name}-{i:02}.jpg"
            crop.resize((args.side, args.side), Image.Resampling.LANCZOS).save(file, quality=82)


main()
