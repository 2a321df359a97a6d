"""Loads a data set by name and cuts it as the manifest says."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from coinfer.errors import DatasetError
from coinfer_datasets import cifar, fashion_mnist, stratified
from coinfer_datasets.catalogue import entry, info
from coinfer_datasets.dataset import Dataset, Images, Labels, Split


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str
        ``digits``, ``fashion-mnist``, ``cifar-10``, ``cifar-100``, or ``fashion-mnist/test-2000``
        (test images only; needs neither a download nor the full set).
    data_dir : str, optional
        Where to look first; see `coinfer_datasets.fashion_mnist.read` and
        `coinfer_datasets.cifar.read`.

    Raises
    ------
    DatasetError
        If the name is unknown, or the files are missing or damaged.
    """
    found = entry(name)
    if name == "digits":
        return _load_digits(found)
    if name == "fashion-mnist":
        return _cut_by_ranges(name, found, *fashion_mnist.read(data_dir))
    if "archives" in found:
        return _cut_by_ranges(name, found, *cifar.read(name, data_dir))
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


def _cut_by_ranges(
    name: str, found: dict[str, Any], arrays: dict[str, npt.NDArray[np.uint8]], where: str
) -> Dataset:
    splits = {}
    for split, (kind, start, stop) in found["split"]["parts"].items():
        images = arrays[f"{kind}-images"][start:stop].reshape(-1, *found["shape"])
        labels = arrays[f"{kind}-labels"][start:stop].astype(np.int64)
        expected = found["sizes"][split]
        if not len(images) == len(labels) == expected:
            raise DatasetError(f"{where} has {len(images)} of {expected} {split} images of {name}")
        splits[split] = Split(images, labels)
    return Dataset(info(name), splits, where)


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
