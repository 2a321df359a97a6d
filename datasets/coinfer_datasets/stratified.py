"""Stratified picks that depend on a key alone: on no library's random stream or version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def keyed_order(count: int, key: str) -> Indices:
    """Return a permutation of ``range(count)``, sorted by the digest of key and index."""
    digests = [hashlib.sha256(f"{key}:{i}".encode()).digest() for i in range(count)]
    return np.asarray(sorted(range(count), key=digests.__getitem__), dtype=np.int64)


def pick(labels: npt.NDArray[np.int64], per_class: int, key: str) -> Indices:
    """Return the sorted indices of `per_class` items of each class."""
    order = keyed_order(len(labels), key)
    chosen = [order[labels[order] == c][:per_class] for c in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def cut(labels: npt.NDArray[np.int64], parts: Mapping[str, float], key: str) -> dict[str, Indices]:
    """Cut all items into named parts, class by class, by fractions that add up to one."""
    order = keyed_order(len(labels), key)
    bounds = np.cumsum(list(parts.values()))[:-1]
    pieces: dict[str, list[Indices]] = {name: [] for name in parts}
    for c in np.unique(labels):
        members = order[labels[order] == c]
        cuts = np.rint(bounds * len(members)).astype(int)
        for name, piece in zip(parts, np.split(members, cuts), strict=True):
            pieces[name].append(piece)
    return {name: np.sort(np.concatenate(found)) for name, found in pieces.items()}
