"""What a second worker of Dask brings, beside what a second process brings without it.

::

    python tests/perf/dask_workers.py build/dask.json [SUITE]

Virtual cells, run anew each time, by one and by two workers with a thread each and by one and two
processes of the local executor, in turns. What counts is the wall-clock time of the run, from the
call to the last result in the run folder; schedulers and workers run already. Train before:
training would be measured otherwise.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from distributed import LocalCluster

import coinfer
from coinfer.execute.dask.crew import MACHINE

ROUNDS = 2
SUITE = "rocoin-latency"
AXES = {"train_seed": [0, 1], "run_seed": [0, 1]}


def measure(suite: str) -> dict[str, Any]:
    """Seconds of each way in each round, and what two bring over one."""
    taken: dict[str, list[float]] = {}
    with workers(1) as one, workers(2) as two:
        ways: dict[str, dict[str, Any]] = {
            "dask 1": {"scheduler": one.scheduler_address},
            "dask 2": {"scheduler": two.scheduler_address},
            "local 1": {"workers": 1},
            "local 2": {"workers": 2},
        }
        for number in range(ROUNDS):
            names = list(ways)[:: 1 if number % 2 == 0 else -1]
            for name in names:
                seconds, cells = run(suite, ways[name])
                taken.setdefault(name, []).append(seconds)
    return {
        "command": f"python tests/perf/dask_workers.py OUTPUT.json {suite}",
        "cells": cells,
        "seconds": taken,
        "speed_up": {
            way: statistics.median(
                a / b for a, b in zip(taken[f"{way} 1"], taken[f"{way} 2"], strict=True)
            )
            for way in ("dask", "local")
        },
    }


def workers(count: int) -> LocalCluster:
    """A scheduler with so many workers, which are processes with one thread each."""
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        resources={MACHINE: 1},
        host="127.0.0.1",
        dashboard_address=None,
    )


def run(suite: str, way: dict[str, Any]) -> tuple[float, int]:
    """Seconds of a whole run, and its number of cells."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        done = coinfer.run(suite, axes=AXES, output=folder, **way)
        return time.perf_counter() - begin, len(done.cells)


def main(target: Path, suite: str) -> None:
    """Measure, print and write as JSON."""
    text = json.dumps(measure(suite), indent=1) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else SUITE)
