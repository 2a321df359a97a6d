"""What a run took of this machine's time; no part of its results."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from coinfer.report.numbers import duration
from coinfer.report.settings import gathered, varying_axes
from coinfer.store import RunFolder, StoredCell
from coinfer.store.timings import timings


class SettingTook(NamedTuple):
    """Time of the cells of one setting.

    Attributes
    ----------
    at : tuple of str
        Values of the axes that vary.
    prepared_s : float
        Until the first of them could run: planned, models loaded. Those of the same deployment
        need it once only.
    ran_s : float
        A cell thereafter, the median.
    cells : int
    """

    at: tuple[str, ...]
    prepared_s: float
    ran_s: float
    cells: int


def settings_took(run: RunFolder, done: Sequence[StoredCell]) -> list[SettingTook]:
    """What each setting of a run took, as far as that was noted."""
    noted = {one.key: one for one in timings(run.path)}
    told = []
    for at, cells in gathered(done, varying_axes(done)).items():
        took = [noted[stored.cell.key] for stored in cells if stored.cell.key in noted]
        if took:
            prepared_s = max(one.prepared_s for one in took)
            ran_s = statistics.median(one.seconds - one.prepared_s for one in took)
            told.append(SettingTook(tuple(map(str, at)), prepared_s, ran_s, len(took)))
    return told


def took_lines(run: RunFolder, done: Sequence[StoredCell]) -> list[str]:
    """Say what planning and running took in all, and what of it took longest."""
    told = settings_took(run, done)
    if not told:
        return []
    planned = max(told, key=lambda one: one.prepared_s)
    ran = max(told, key=lambda one: one.ran_s)
    all_planned_s = sum(one.prepared_s for one in told)
    all_ran_s = sum(one.ran_s * one.cells for one in told)
    running = (
        f"{duration(all_ran_s)} to run, longest {duration(ran.ran_s)} a cell of {', '.join(ran.at)}"
    )
    # Older runs did not note it.
    if not all_planned_s:
        return [running]
    return [
        f"{duration(all_planned_s)} to plan and load, longest {duration(planned.prepared_s)} for "
        f"{', '.join(planned.at)}; {running}"
    ]
