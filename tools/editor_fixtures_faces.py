#!/usr/bin/env python3
"""Where OpenCV's cascade sees faces in the photo of the package rustface, for the tests of concepts' face crop.

    pip install opencv-python-headless==4.12.0.88
    python tools/editor_fixtures_faces.py ~/.cargo/registry/src/*/rustface-0.1.7/test.png

The photo (Solvay conference, 1927) is doubled, as in the test; boxes are [x, y, width, height] in its own pixels.
"""

import json
import sys
from pathlib import Path

import cv2

grey = cv2.cvtColor(cv2.imread(sys.argv[1]), cv2.COLOR_BGR2GRAY)
grey = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"))
boxes = cascade.detectMultiScale(grey, scaleFactor=1.05, minNeighbors=6, minSize=(60, 60), maxSize=(180, 180))
boxes = sorted([v / 2 for v in map(int, box)] for box in boxes)
out = Path(__file__).resolve().parent.parent / "crates/concepts/tests/fixtures/faces/opencv.json"
out.write_text(json.dumps(boxes) + "\n")
print(len(boxes), "faces")
