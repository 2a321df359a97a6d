"""Loads a data set by name and cuts it as the manifest says."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np

from coinfer.errors import DatasetError
from coinfer_datasets import fashion_mnist, stratified
from coinfer_datasets.catalogue import entry, info
from coinfer_datasets.dataset import Dataset, Images, Labels, Split


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str
        ``digits``, ``fashion-mnist`` or ``fashion-mnist/test-2000`` (test images only; needs
        neither a download nor the full set).
    data_dir : str, optional
        Where to look first; see `coinfer_datasets.fashion_mnist.read`.

    Raises
    ------
    DatasetError
        If the name is unknown, or the files are missing or damaged.
    """
    found = entry(name)
    if name == "digits":
        return _load_digits(found)
    if name == "fashion-mnist":
        return _load_fashion_mnist(found, data_dir)
    return _load_subset(name, found)


def raw_digits() -> Split:
    """Return all 1797 digits of scikit-learn as (N, 1, 8, 8), grey levels 0 to 16."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    images: Images = raw.images.astype(np.uint8)[:, None]
    labels: Labels = raw.target.astype(np.int64)
    return Split(images, labels)


def _load_digits(found: dict[str, Any]) -> Dataset:
    everything = raw_digits()
    if everything.sha256("digits") != found["content_sha256"]:
        raise DatasetError("scikit-learn's digits are not those of the manifest; reinstall it")
    rule = found["split"]
    indices = stratified.cut(everything.labels, rule["parts"], rule["key"])
    splits = {n: Split(everything.images[i], everything.labels[i]) for n, i in indices.items()}
    return Dataset(info("digits"), splits, "scikit-learn")


def _load_fashion_mnist(found: dict[str, Any], data_dir: str | None) -> Dataset:
    arrays, where = fashion_mnist.read(data_dir)
    splits = {
        name: Split(
            arrays[f"{kind}-images"][start:stop, None],
            arrays[f"{kind}-labels"][start:stop].astype(np.int64),
        )
        for name, (kind, start, stop) in found["split"]["parts"].items()
    }
    return Dataset(info("fashion-mnist"), splits, where)


def _load_subset(name: str, found: dict[str, Any]) -> Dataset:
    path = files("coinfer_datasets") / "data" / found["split"]["file"]
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            split = Split(stored["images"], stored["labels"].astype(np.int64))
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); reinstall coinfer") from error
    if split.sha256(name) != found["content_sha256"]:
        raise DatasetError(f"{path} is damaged: its digest is not the manifest's")
    return Dataset(info(name), {"test": split}, str(path))
