"""Scales and zero points of the affine quantisers."""

from __future__ import annotations

import math
from typing import NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from ._encodings import MIN_SCALE, Encoding


class Affine(NamedTuple):
    """Quantiser of each scope: ``q = clip(rint(x * inverse) + zero_point)``."""

    scale: npt.NDArray[np.float32]
    inverse: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int32]


def affine(
    encoding: Encoding, low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]
) -> Affine:
    """Quantisers for ranges ``low <= 0 <= high``, one a scope.

    Every step is one float32 operation, so that all back ends get the same bits.

    Raises
    ------
    ValueError
        The first scope at fault has a `low` that is not finite, or ``high - low`` is more than
        float32 can hold.
    """
    quantiser = encoding.quantiser
    assert quantiser is not None
    with np.errstate(over="ignore", invalid="ignore"):
        span = high - low
    usable = np.isfinite(span)
    if not usable.all():
        first = int(usable.argmin())
        refuse_range(encoding.name, float(low[first]), float(high[first]))
    scale = np.maximum(span / np.float32(quantiser.steps), np.float32(MIN_SCALE))
    inverse = np.float32(1) / scale
    zero_point = quantiser.least - np.rint(low * inverse).astype(np.int32)
    return Affine(scale, inverse, zero_point.clip(quantiser.least, quantiser.most))


def refuse_range(encoding: str, low: float, high: float) -> NoReturn:
    """Say why a range cannot be quantised; `low` is not finite where an element is not."""
    if not math.isfinite(low):
        raise ValueError(f"{encoding} cannot encode x: it has a NaN or infinite element")
    raise ValueError(f"{encoding} cannot span {low:g} to {high:g}: the range overflows float32")
