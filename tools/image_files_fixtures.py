"""Make crates/image-files/tests/fixtures/: image files, colour profiles, and colours converted by LittleCMS.

    pip install pillow==13.0.0
    python tools/image_files_fixtures.py crates/image-files/tests/fixtures

*.jpg, *.webp   one small picture: sequential, progressive and with restarts; lossy, lossless, and lossy with an orientation
*.icc           Display P3, Adobe RGB, grey with gamma 1.8, sRGB as LittleCMS writes it, and an empty profile for CMYK
colours.json    colours in each of these profiles, and what they are in sRGB (LittleCMS, relative colorimetric)
"""

import io
import json
import os
import struct
import sys

from PIL import Image, ImageCms

D50 = (0.9642, 1.0, 0.8249)
# Colorants adapted to D50, as the published profiles have them.
PROFILES = {
    "display-p3": (((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)), "srgb"),
    "adobe-rgb": (((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 563 / 256),
}
GREY_GAMMA = 1.8
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 80, 40), (30, 160, 90),
           (90, 60, 200), (250, 220, 190), (20, 10, 5), (70, 70, 75)]


def s15(value):
    return struct.pack(">i", round(value * 65536))


def xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(map(s15, values))


def curve(kind):
    if kind == "srgb":
        return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + b"".join(map(s15, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(kind * 256)) + b"\0\0"


def profile(space, tags):
    tags = {b"desc": b"mluc\0\0\0\0" + struct.pack(">IIHHII", 1, 12, 0x656E, 0x5553, 2, 28) + b"\0x\0\0",
            b"wtpt": xyz(D50), **tags}
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x04200000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += b"".join(map(s15, D50)) + b"\0" * 48
    assert len(head) == 128
    return head + struct.pack(">I", len(tags)) + table + data


def picture():
    image = Image.new("RGB", (40, 24))
    image.putdata([(x * 6 % 256, (y * 10 + x) % 256, (x * y) % 256) for y in range(24) for x in range(40)])
    return image


def main(out):
    os.makedirs(out, exist_ok=True)
    image = picture()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(f"{out}/sequential.jpg", quality=80)
    image.save(f"{out}/progressive.jpg", quality=80, progressive=True)
    image.save(f"{out}/restarts.jpg", quality=80, restart_marker_rows=1)
    image.convert("L").save(f"{out}/grey.jpg", quality=80)
    image.save(f"{out}/lossy.webp", quality=70)
    image.save(f"{out}/lossless.webp", lossless=True)
    image.save(f"{out}/oriented.webp", quality=70, exif=exif)
    image.convert("CMYK").save(f"{out}/cmyk.jpg", quality=80)

    icc = {name: profile(b"RGB ", dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, colorants)))
                         | {tag: curve(gamma) for tag in (b"rTRC", b"gTRC", b"bTRC")})
           for name, (colorants, gamma) in PROFILES.items()}
    icc["grey"] = profile(b"GRAY", {b"kTRC": curve(GREY_GAMMA)})
    icc["srgb"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    icc["cmyk"] = profile(b"CMYK", {})
    for name, content in icc.items():
        with open(f"{out}/{name}.icc", "wb") as file:
            file.write(content)

    srgb = ImageCms.createProfile("sRGB")
    found = {}
    for name in ("display-p3", "adobe-rgb", "grey"):
        colours = [c[:1] for c in COLOURS] if name == "grey" else COLOURS
        mode = "L" if name == "grey" else "RGB"
        row = Image.new(mode, (len(colours), 1))
        row.putdata([c[0] for c in colours] if name == "grey" else colours)
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc[name]))
        made = ImageCms.profileToProfile(row, source, srgb, renderingIntent=1, outputMode="RGB", flags=0x0100)
        found[name] = [[list(a), list(b)] for a, b in zip(colours, made.getdata())]
    with open(f"{out}/colours.json", "w") as file:
        json.dump(found, file)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
