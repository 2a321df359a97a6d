"""Makes the shipped test subset and the manifest's digests and statistics again.

Run as ``python -m coinfer_datasets.make_subset [--data-dir DIR]`` in a checkout; the picks are
keyed and the archive has no time stamps, so a second run changes nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from coinfer_datasets import fashion_mnist, stratified
from coinfer_datasets.dataset import Images, Split
from coinfer_datasets.loading import raw_digits
from coinfer_datasets.manifest import manifest

SUBSET = "fashion-mnist/test-2000"


def main() -> None:
    """Write ``data/*.npz`` and ``manifest.json`` of this package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder or .deb with Fashion-MNIST")
    arguments = parser.parse_args()

    folder = Path(__file__).parent
    entries = manifest()
    _describe_digits(entries["digits"])

    arrays, _ = fashion_mnist.read(arguments.data_dir)
    kind, start, stop = entries["fashion-mnist"]["split"]["parts"]["train"]
    _set_statistics(entries["fashion-mnist"], arrays[f"{kind}-images"][start:stop, None])

    rule = entries[SUBSET]["split"]
    labels = arrays["t10k-labels"].astype(np.int64)
    chosen = stratified.pick(labels, rule["per_class"], rule["key"])
    subset = Split(arrays["t10k-images"][chosen, None], labels[chosen])
    entries[SUBSET]["content_sha256"] = subset.sha256(SUBSET)
    (folder / "data").mkdir(exist_ok=True)
    np.savez_compressed(
        folder / "data" / rule["file"],
        images=subset.images,
        labels=subset.labels.astype(np.uint8),
        indices=chosen.astype(np.uint16),
    )
    text = json.dumps(entries, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def _describe_digits(digits: dict[str, Any]) -> None:
    everything = raw_digits()
    rule = digits["split"]
    parts = stratified.cut(everything.labels, rule["parts"], rule["key"])
    digits["sizes"] = {name: len(indices) for name, indices in parts.items()}
    digits["content_sha256"] = everything.sha256("digits")
    _set_statistics(digits, everything.images[parts["train"]])


def _set_statistics(entry: dict[str, Any], images: Images) -> None:
    entry["mean"] = [round(float(m), 6) for m in images.mean(axis=(0, 2, 3), dtype=np.float64)]
    entry["std"] = [round(float(s), 6) for s in images.std(axis=(0, 2, 3), dtype=np.float64)]


if __name__ == "__main__":
    main()
