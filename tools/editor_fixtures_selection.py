"""scikit-learn's k-means on small features, for finetune's selection by clusters.

    pip install -r tools/requirements-editors.txt
    python tools/editor_fixtures_selection.py crates/finetune/tests/fixtures/selection.json
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin


def main(out):
    rng = np.random.default_rng(3)
    middles = rng.normal(size=(12, 6)) * 2
    features = (middles[rng.integers(12, size=160)] + rng.normal(size=(160, 6))).round(4)
    start = rng.choice(160, size=16, replace=False)
    fit = KMeans(16, init=features[start], n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(features)
    best = KMeans(16, n_init=50, max_iter=300, tol=0, random_state=0).fit(features)
    value = {
        "features": features.tolist(),
        "start": start.tolist(),
        "labels": fit.labels_.tolist(),
        "inertia": float(fit.inertia_),
        "chosen": sorted(pairwise_distances_argmin(fit.cluster_centers_, features).tolist()),
        "best_inertia": float(best.inertia_),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
