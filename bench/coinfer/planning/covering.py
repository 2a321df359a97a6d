"""Packs devices into a number of groups that each keep the outage bound, whatever their speed.

This is bin covering: with weights ``−log p_n``, every group must weigh at least ``−log p_th``.
It is NP-hard: up to `_MOST_SEARCHED` devices a depth-first search settles it, beyond that devices
are only dealt out greedily, which may miss a packing that exists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Packing = tuple[tuple[int, ...], ...]

_MOST_SEARCHED = 16
_MOST_STEPS = 20_000


def cover(chances: Sequence[float], count: int, p_th: float) -> Packing | None:
    """Return `count` groups of all devices, each with ``∏ p_n ≤ p_th``, or None.

    Parameters
    ----------
    chances : sequence of float
        ``p_n``.
    count : int
    p_th : float

    Examples
    --------
    >>> cover([0.1, 0.2, 0.1, 0.2], 2, 0.03)
    ((0, 1), (2, 3))
    >>> cover([0.1, 0.2, 0.1, 0.2], 3, 0.03) is None
    True
    """
    if not 1 <= count <= len(chances):
        return None
    order = sorted(range(len(chances)), key=lambda n: (chances[n], n))
    dealt: list[list[int]] = [[] for _ in range(count)]
    for n in order:
        # To the group that is least safe so far; empty ones first.
        min(dealt, key=lambda group: (bool(group), -_risk(chances, group))).append(n)
    if all(group and _risk(chances, group) <= p_th for group in dealt):
        return _packed(dealt)
    return _search(chances, order, count, p_th) if len(order) <= _MOST_SEARCHED else None


def _search(
    chances: Sequence[float], order: Sequence[int], count: int, p_th: float
) -> Packing | None:
    """Depth first, the most reliable device first; no two groups that are alike are both tried."""
    weights = [-math.log(max(chances[n], 1e-300)) for n in order]
    need = -math.log(max(p_th, 1e-300))
    left = [math.fsum(weights[place:]) for place in range(len(weights) + 1)]
    groups: list[list[int]] = [[] for _ in range(count)]
    steps = 0

    def place(at: int) -> bool:
        nonlocal steps
        steps += 1
        lacking = math.fsum(max(need - _weight(chances, group), 0.0) for group in groups)
        empty = sum(not group for group in groups)
        if steps > _MOST_STEPS or lacking > left[at] + 1e-9 or empty > len(order) - at:
            return False
        if at == len(order):
            return all(_risk(chances, group) <= p_th for group in groups)
        tried = set()
        for group in sorted(groups, key=lambda group: _weight(chances, group)):
            alike = (bool(group), round(_weight(chances, group), 12))
            if alike in tried:
                continue
            tried.add(alike)
            group.append(order[at])
            if place(at + 1):
                return True
            group.pop()
        return False

    return _packed(groups) if place(0) else None


def _risk(chances: Sequence[float], group: Sequence[int]) -> float:
    return math.prod(chances[n] for n in sorted(group))


def _weight(chances: Sequence[float], group: Sequence[int]) -> float:
    return math.fsum(-math.log(max(chances[n], 1e-300)) for n in group)


def _packed(groups: Sequence[Sequence[int]]) -> Packing:
    return tuple(sorted(tuple(sorted(group)) for group in groups))
