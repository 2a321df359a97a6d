"""Scales and zero points of the affine quantisers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._encodings import MIN_SCALE, Quantiser


class Affine(NamedTuple):
    """Quantiser of each scope: ``q = clip(rint(x * inverse) + zero_point)``."""

    scale: npt.NDArray[np.float32]
    inverse: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int32]


def affine(
    encoding: str,
    quantiser: Quantiser,
    low: npt.NDArray[np.float32],
    high: npt.NDArray[np.float32],
) -> Affine:
    """Constants for ranges ``low <= 0 <= high``, one a scope.

    Every step is one float32 operation, so that all back ends get the same bits.

    Raises
    ------
    ValueError
        A `low` is not finite, whichever it is; or ``high - low`` is more than float32 can hold,
        and the first such range is named.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        span = high - low
    if not np.isfinite(low).all():
        raise ValueError(f"{encoding} cannot encode x: it has a NaN or infinite element")
    if not np.isfinite(span).all():
        first = int(np.isfinite(span).argmin())
        raise ValueError(
            f"{encoding} cannot span {low[first]:g} to {high[first]:g}: the range overflows float32"
        )
    scale = np.maximum(span / np.float32(quantiser.steps), np.float32(MIN_SCALE))
    inverse = np.float32(1) / scale
    zero_point = quantiser.least - np.rint(low * inverse).astype(np.int32)
    return Affine(scale, inverse, zero_point.clip(quantiser.least, quantiser.most))
