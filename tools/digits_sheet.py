#!/usr/bin/env python3
"""Write assets/digits: scikit-learn's 1,797 handwritten digits as one PNG sheet and a file of labels.

    pip download --no-deps --dest /tmp/wheel scikit-learn
    python tools/digits_sheet.py /tmp/wheel/scikit_learn-*.whl      # needs numpy and Pillow

The digits are 8x8 pixels with values from 0 to 16, the test set of UCI's "Optical Recognition of Handwritten Digits"
(E. Alpaydin and C. Kaynak, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0). The sheet has 47 columns; digit i is in
column i % 47 and row i // 47. A pixel is 15 times its value, so nothing is lost; the places after the last digit are black.
`labels.txt` holds one character a digit, 100 in a line.
"""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = 47
OUT = Path(__file__).resolve().parent.parent / "assets" / "digits"


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        packed = wheel.read("sklearn/datasets/data/digits.csv.gz")
    rows = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",").astype(int)
    pixels, labels = rows[:, :-1], rows[:, -1]
    assert pixels.shape == (1797, 64) and pixels.min() == 0 and pixels.max() == 16
    height = -(-len(pixels) // COLUMNS)
    sheet = np.zeros((height * 8, COLUMNS * 8), dtype=np.uint8)
    for i, digit in enumerate(pixels):
        top, left = 8 * (i // COLUMNS), 8 * (i % COLUMNS)
        sheet[top : top + 8, left : left + 8] = 15 * digit.reshape(8, 8)
    Image.fromarray(sheet, "L").save(OUT / "digits.png", optimize=True)
    text = "".join(map(str, labels))
    lines = [text[i : i + 100] for i in range(0, len(text), 100)]
    (OUT / "labels.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
