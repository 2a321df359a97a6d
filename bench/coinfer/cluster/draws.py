"""Keyed random draws: a hash of what the draw is for, never a shared stream.

One more device, or another order of events, must not change anybody else's luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

T = TypeVar("T")

SEPARATOR: Final = "\x1f"
"""Between the parts of a key: parts that are joined by it already make the same draw."""

_EMPTY: Final = blake2b(digest_size=8)


def uniform(*key: object) -> float:
    """Uniform draw from [0, 1) that depends on `key` alone.

    Examples
    --------
    >>> uniform(0, "jitter", "d1", 7) == uniform(0, "jitter", "d1", 7)
    True
    """
    # A copy costs less than another hash that is told its size.
    hashed = _EMPTY.copy()
    hashed.update(SEPARATOR.join([str(part) for part in key]).encode())
    return (int.from_bytes(hashed.digest(), "little") >> 11) * 2.0**-53


def choice(options: Sequence[T], *key: object) -> T:
    """One of `options`, each as likely, that depends on `key` alone."""
    return options[int(uniform(*key) * len(options))]


def seed32(*key: object) -> int:
    """Seed for a library's own generator (shuffles, k-means), from `key` alone."""
    return int(uniform(*key) * 2**32)
