"""How far the same thing differs from itself: what a difference has to exceed to be one."""

from __future__ import annotations

import math
from collections.abc import Iterable

from coinfer.metrics import Metric
from coinfer.stats.resampling import interval
from coinfer.stats.verdicts import effect
from coinfer.store import StoredCell

_CONFIDENCE = 0.95


def floor_of_cells(metric: Metric, cells: Iterable[StoredCell]) -> float:
    """Floor of a row from its cells that were run twice (``coinfer run --aa``); else 0.

    The farther end of the interval of the mean effect of the second time against the first [ours]:
    relative for amounts, a difference for shares. With one cell, the effect itself.
    """
    effects = []
    for stored in cells:
        first, second = (told.get(metric.name) for told in (stored.figures, stored.again))
        if first is not None and second is not None:
            effects.append(effect(metric, float(first), float(second)))
    if not effects or not all(map(math.isfinite, effects)):
        return 0.0
    farthest = max(map(abs, interval(effects, _CONFIDENCE) or effects))
    return farthest if metric.scale == "share" else math.expm1(farthest)
