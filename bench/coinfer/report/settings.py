"""Cells that differ in seeds alone are one setting: how they are gathered, and their figures."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from coinfer.stats.compare import machine_of
from coinfer.stats.resampling import interval
from coinfer.store import StoredCell
from coinfer.suite import AXES, SEED_AXES
from coinfer.suite.schema import Value

MACHINE: Final = "machine"


def value_on(axis: str, stored: StoredCell) -> Value:
    """Value of a cell on an axis, or the machine that it was timed on."""
    if axis == MACHINE:
        return machine_of(stored) or "–"
    return stored.cell.coordinates[axis]


def varying_axes(cells: Sequence[StoredCell]) -> list[str]:
    """The method, and every other axis with several values that are no seeds.

    The machine is one where cells were timed on several: figures of two are in no row together.
    """
    axes = [*(axis for axis in AXES if axis not in SEED_AXES), MACHINE]
    several = [a for a in axes if len({value_on(a, s) for s in cells}) > 1]
    return list(dict.fromkeys(["method", *several]))


def gathered(
    cells: Sequence[StoredCell], axes: Sequence[str]
) -> dict[tuple[Value, ...], list[StoredCell]]:
    """Cells by their values on `axes`; the last axis changes slowest.

    Values come in the order in which the suite names them, which is that of the cells.
    """
    groups: dict[tuple[Value, ...], list[StoredCell]] = defaultdict(list)
    for stored in cells:
        groups[tuple(value_on(axis, stored) for axis in axes)].append(stored)
    named = [str(value_on(axis, stored)) for axis in axes for stored in cells]
    order = {name: number for number, name in enumerate(dict.fromkeys(named))}
    return {
        key: groups[key]
        for key in sorted(groups, key=lambda k: tuple(order[str(v)] for v in reversed(k)))
    }


def mean_figure(cells: Sequence[StoredCell], name: str) -> float | None:
    """Mean over cells; None where one of them does not have the figure."""
    values = [stored.figures.get(name) for stored in cells]
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def median_figure(cells: Sequence[StoredCell], name: str) -> float | None:
    """Median over cells, where None is without bound; None where that is the median."""
    values = [stored.figures.get(name) for stored in cells]
    if not values:
        return None
    middle = statistics.median(math.inf if v is None else v for v in values)
    return middle if math.isfinite(middle) else None


def accuracy_interval(cells: Sequence[StoredCell]) -> tuple[float, float] | None:
    """95 % interval of the accuracy over seeds; None where there is none, or no width to it."""
    around = interval([stored.figures["accuracy"] for stored in cells], 0.95)
    return None if around is None or around[0] == around[1] else around
