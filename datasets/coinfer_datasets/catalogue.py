"""What is known about each data set without its images: the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coinfer.errors import DatasetError
from coinfer_datasets.manifest import manifest

_CONTENT_KEYS = frozenset(
    {"archives", "base", "content_sha256", "files", "mean", "shape", "split", "std"}
)


@dataclass(frozen=True)
class Info:
    """A data set as the manifest describes it.

    Attributes
    ----------
    name : str
    base : str
        The data set that models for this one are trained on (itself, unless it is a subset).
    licence : str
    shape : tuple of int
        (C, H, W) of one image.
    classes : tuple of str
    sizes : Mapping[str, int]
        Number of images of each split.
    mean, std : tuple of float
        Per channel, in grey levels of the raw uint8 images: of the training split, or for CIFAR
        of all 50,000 training images, as they are published.
    identity : str
        Hex sha256 of what the manifest fixes about `base`: the files' digests, the splits and the
        normalisation. An artifact can so be looked up without loading an image.
    """

    name: str
    base: str
    licence: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    sizes: Mapping[str, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    identity: str

    def normalise(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Standardise uint8 images of shape (N, C, H, W) to float32 of the same shape."""
        mean = np.asarray(self.mean, dtype=np.float32).reshape(1, -1, 1, 1)
        std = np.asarray(self.std, dtype=np.float32).reshape(1, -1, 1, 1)
        out: npt.NDArray[np.float32] = (images.astype(np.float32) - mean) / std
        return out


def entry(name: str) -> dict[str, Any]:
    """Return the manifest entry of `name`, completed by that of its base.

    Raises
    ------
    DatasetError
        If there is no such data set.
    """
    entries = manifest()
    if name not in entries:
        raise DatasetError(f"no data set named {name!r}; there are {', '.join(entries)}")
    return entries[entries[name]["base"]] | entries[name]


def info(name: str) -> Info:
    """Describe a data set without loading it.

    Raises
    ------
    DatasetError
        If there is no such data set.
    """
    found = entry(name)
    base = manifest()[found["base"]]
    content = {key: base[key] for key in sorted(_CONTENT_KEYS & base.keys())}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    channels, height, width = found["shape"]
    return Info(
        name=name,
        base=found["base"],
        licence=found["licence"],
        shape=(channels, height, width),
        classes=tuple(found["classes"]),
        sizes=dict(found["sizes"]),
        mean=tuple(found["mean"]),
        std=tuple(found["std"]),
        identity=hashlib.sha256(canonical.encode()).hexdigest(),
    )


def available(data_dir: str | None = None) -> list[dict[str, Any]]:
    """List every data set with whether it was found on this machine, and where.

    Parameters
    ----------
    data_dir : str, optional
        A folder (or ``.deb`` file) that is looked at first.

    Returns
    -------
    list of dict
        Keys ``name``, ``found``, ``where``, ``licence``, ``sizes``.
    """
    from coinfer_datasets import cifar, fashion_mnist

    rows = []
    for name in manifest():
        where: str | None = "this package" if name.startswith("fashion-mnist/") else "scikit-learn"
        if name == "fashion-mnist":
            where = fashion_mnist.locate(data_dir)
        elif "archives" in entry(name):
            where = cifar.locate(name, data_dir)
        described = info(name)
        rows.append(
            {
                "name": name,
                "found": where is not None,
                "where": where,
                "licence": described.licence,
                "sizes": dict(described.sizes),
            }
        )
    return rows
