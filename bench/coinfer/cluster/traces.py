"""Traces: what a CSV says of a link's rates or of arrivals."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Sequence

import msgspec

from coinfer.errors import ClusterError


class RateStep(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rates of a link from `at_ms` on, until the next step."""

    at_ms: float
    up_bps: float
    down_bps: float


def read_rates(text: str, name: str) -> tuple[RateStep, ...]:
    r"""Steps of a link's trace.

    Parameters
    ----------
    text : str
        CSV with the columns ``at_ms,up_bps,down_bps``.
    name : str
        Where it came from, for messages.

    Raises
    ------
    ClusterError
        With the line that is wrong.

    Examples
    --------
    >>> read_rates("at_ms,up_bps,down_bps\n0,1e6,2e6\n500,0,0\n", "wifi.csv")[1]
    RateStep(at_ms=500.0, up_bps=0.0, down_bps=0.0)
    """
    rows = _table(text, name, ("at_ms", "up_bps", "down_bps"))
    steps = tuple(RateStep(*row) for row in rows)
    check_rates(steps, f"trace {name}")
    return steps


def read_arrivals(text: str, name: str) -> tuple[float, ...]:
    r"""Arrivals of a workload's trace, in milliseconds since the start.

    Parameters
    ----------
    text : str
        CSV with the column ``at_ms``.
    name : str
        Where it came from, for messages.

    Raises
    ------
    ClusterError
        With the line that is wrong.

    Examples
    --------
    >>> read_arrivals("at_ms\n0\n12.5\n12.5\n", "day.csv")
    (0.0, 12.5, 12.5)
    """
    times = tuple(row[0] for row in _table(text, name, ("at_ms",)))
    check_arrivals(times, f"trace {name}")
    return times


def check_rates(steps: Sequence[RateStep], place: str = "link: trace") -> None:
    """Refuse steps that are none, not in order, or never let anything through.

    Raises
    ------
    ClusterError
    """
    if not steps:
        raise ClusterError(f"{place}: no steps; give at least one, at 0 ms")
    if steps[0].at_ms != 0:
        raise ClusterError(f"{place}: the first step is at {steps[0].at_ms} ms; let it be at 0")
    for before, after in itertools.pairwise(steps):
        if not before.at_ms < after.at_ms < math.inf:
            raise ClusterError(
                f"{place}: a step at {after.at_ms} ms follows one at {before.at_ms} ms; "
                "at_ms must grow"
            )
    for column in ("up_bps", "down_bps"):
        rates = [getattr(step, column) for step in steps]
        if not all(0 <= rate < math.inf for rate in rates):
            wrong = next(rate for rate in rates if not 0 <= rate < math.inf)
            raise ClusterError(f"{place}: {column} = {wrong}; use a finite number >= 0")
        if not any(rates):
            raise ClusterError(f"{place}: {column} is 0 throughout; nothing would ever arrive")


def check_arrivals(times: Sequence[float], place: str = "workload: trace") -> None:
    """Refuse arrivals that are none, before the start, or not in order.

    Raises
    ------
    ClusterError
    """
    if not times:
        raise ClusterError(f"{place}: no arrivals; give at least one")
    if not 0 <= times[0] < math.inf:
        raise ClusterError(f"{place}: an arrival at {times[0]} ms; use times from 0 on")
    for before, after in itertools.pairwise(times):
        if not before <= after < math.inf:
            raise ClusterError(
                f"{place}: an arrival at {after} ms follows one at {before} ms; at_ms must not fall"
            )


def lasts_ms(steps: Sequence[RateStep]) -> list[float]:
    """How long each step lasts: the last one as long as the one before it; one alone, for ever."""
    if len(steps) == 1:
        return [math.inf]
    between = [b.at_ms - a.at_ms for a, b in itertools.pairwise(steps)]
    return [*between, between[-1]]


def mean_bps(steps: Sequence[RateStep]) -> tuple[float, float]:
    """Mean rates up and down over one period of a trace."""
    if len(steps) == 1:
        return steps[0].up_bps, steps[0].down_bps
    spans = lasts_ms(steps)
    whole = math.fsum(spans)
    return (
        math.fsum(step.up_bps * span for step, span in zip(steps, spans, strict=True)) / whole,
        math.fsum(step.down_bps * span for step, span in zip(steps, spans, strict=True)) / whole,
    )


def _table(text: str, name: str, columns: tuple[str, ...]) -> list[list[float]]:
    """Rows of numbers under exactly these columns."""
    lines = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(lines, [])]
    if tuple(header) != columns:
        raise ClusterError(
            f"trace {name}: the first line is {','.join(header)!r}; "
            f"let it name the columns: {','.join(columns)}"
        )
    rows = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            row = []
        if len(row) != len(columns):
            raise ClusterError(
                f"trace {name}: line {lines.line_num}: {','.join(cells)!r}; "
                f"give {len(columns)} number{'s' * (len(columns) > 1)}: {','.join(columns)}"
            )
        rows.append(row)
    return rows
