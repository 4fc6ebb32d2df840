"""How long a running playground takes from a request to the edit of a whole photograph, for twenty prompts.

    cargo run --release --example playground &
    python tools/playground/latency.py PHOTO [ADDRESS]

PHOTO is scaled by the server to at most 256 pixels along its shorter side. The page waits another 60 ms for the next key.
"""

import base64
import json
import statistics
import sys
import time
import urllib.request
from pathlib import Path

ADDRESS = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:7080"
COLOURS = ["red", "blue", "green", "teal", "pink", "lime", "amber", "purple", "golden", "sepia"]
STYLES = ["charcoal sketch", "oil painting"]


def post(path: str, body: bytes, media: str) -> bytes:
    headers = {"content-type": media, "origin": ADDRESS}
    return urllib.request.urlopen(urllib.request.Request(ADDRESS + path, body, headers)).read()


photo = {"png": base64.b64encode(post("/api/photo", Path(sys.argv[1]).read_bytes(), "image/jpeg")).decode()}
times = []
for prompt in ["warm up"] + [f"{colour} {style}" for style in STYLES for colour in COLOURS]:
    job = {"prompt": prompt, "strength": 1.0, "photos": [photo]}
    began = time.perf_counter()
    post("/api/edit", json.dumps(job).encode(), "application/json")
    times.append(1e3 * (time.perf_counter() - began))
print(f"median of 20: {statistics.median(times[1:]):.0f} ms, longest {max(times[1:]):.0f} ms")
