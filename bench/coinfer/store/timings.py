"""How long cells took: the only ground on which to say how long others will."""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from coinfer.store.finding import find_runs
from coinfer.store.runfolder import TIMINGS, RunFolder
from coinfer.suite import Cell, Suite

_SEEDS: Final = re.compile(r",train_seed=\d+,run_seed=\d+,repeat=\d+$")


class Took(NamedTuple):
    """What a cell took of this machine's time; no part of its result.

    Attributes
    ----------
    key : str
    seconds : float
        In all.
    prepared_s : float
        Of these, until it could run: planned, models loaded.
    """

    key: str
    seconds: float
    prepared_s: float


class Estimate(NamedTuple):
    """What cells are expected to take.

    Attributes
    ----------
    seconds : float
        Of those whose setting was run before.
    unknown : int
        How many of the others there are.
    """

    seconds: float
    unknown: int


def estimate(
    cells: Iterable[Cell], output: Path, suite: Suite, fingerprint: str, workers: int
) -> Estimate:
    """Add up what cells of the same settings took: the median over seeds and repeats.

    Parameters
    ----------
    cells : iterable of Cell
        To be run.
    output : Path
        The runs below it count that were made on this machine with the same workload.
    suite : Suite
    fingerprint : str
        Of this machine.
    workers : int
        That share the virtual cells.
    """
    took: dict[str, list[float]] = defaultdict(list)
    for run in find_runs(output):
        if (run.info.fingerprint, run.info.suite.defaults.workload) == (
            fingerprint,
            suite.defaults.workload,
        ):
            for one in timings(run.path):
                took[_setting(one.key)].append(one.seconds)
    known, unknown = 0.0, 0
    for cell in cells:
        earlier = took.get(_setting(cell.key))
        if earlier is None:
            unknown += 1
        else:
            known += statistics.median(earlier) / (workers if cell.mode == "virtual" else 1)
    return Estimate(known, unknown)


def machines(run: RunFolder) -> dict[str, str]:
    """Where cells ran, by key; without those that ran where the run was started."""
    return {line["cell"]: line["machine"] for line in _lines(run.path) if "machine" in line}


def _setting(key: str) -> str:
    """Coordinates without those that are draws of the same thing."""
    return _SEEDS.sub("", key)


def timings(run: Path) -> Iterator[Took]:
    """What the cells of a run took that ended well, in the order of their ends.

    A line of an older version does not say what preparing took.

    Parameters
    ----------
    run : Path
        Folder of the run.
    """
    for read in _lines(run):
        if read.get("status", "done") == "done":
            yield Took(read["cell"], read["seconds"], read.get("prepared_s", 0.0))


def _lines(run: Path) -> Iterator[dict[str, Any]]:
    """What was noted; a line that a killed run left half-written is passed over."""
    try:
        lines = (run / TIMINGS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
