"""What the harness itself takes: of each virtual cell, and of ``coinfer --help``.

::

    python tests/perf/overhead.py build/overhead.json

A cell in virtual time is timed from where its worker takes it up until its result lies in the run
folder; the driver's loop with the handlers is subtracted. Cells that share a deployment share what
is prepared for it, as they do in a run, so the first cell of each is left out.

``coinfer --help`` is started in turn with ``python -c "import typer, rich"``; the median of the
quotients counts.
"""

from __future__ import annotations

import json
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coinfer.cli.session import carry_out, todo
from coinfer.cli.view import QuietView
from coinfer.execute import inputs_hash, train, worker
from coinfer.execute.worker import Finished
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import VirtualDriver
from coinfer.store import RunFolder, capture
from coinfer.suite import Cell, expand, load_suite, resolve
from coinfer.training.modules import build

SEEDS = tuple(range(8))
ROUNDS = 15
TARGET_MS = 50.0
TARGET_RATIO = 1.5


class Clock:
    """Wall and processor time of everything but what runs inside the driver."""

    def __init__(self) -> None:
        self.driver_wall_s = self.driver_cpu_s = 0.0
        run = VirtualDriver.run
        clock = self

        def timed(driver: VirtualDriver) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return run(driver)
            finally:
                clock.driver_wall_s += time.perf_counter() - wall
                clock.driver_cpu_s += time.process_time() - cpu

        VirtualDriver.run = timed  # type: ignore[method-assign]

    def now(self) -> tuple[float, float]:
        """Time so far, the driver's left out."""
        return (
            time.perf_counter() - self.driver_wall_s,
            time.process_time() - self.driver_cpu_s,
        )


def cells_overhead() -> dict[str, Any]:
    """Milliseconds a cell; one after another in this process, as in a worker."""
    suite = load_suite("smoke")
    axes = {"run_seed": SEEDS}
    cells = expand(suite, parameter_types(), axes)
    train(cells, lambda _: None)
    clock = Clock()
    # As a worker has them: the cells of one deployment after each other.
    ordered = sorted(cells, key=lambda c: c.method.variant)
    first = {c.method.variant: c.key for c in reversed(ordered)}
    taken: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as output:
        run = RunFolder.create(Path(output), resolve(suite, axes), cells, capture())
        begin = time.perf_counter()
        plan = todo(run, cells, inputs_hash)
        hashing_ms = 1e3 * (time.perf_counter() - begin) / len(cells)
        runner = Runner(build, memo=True)

        def finished() -> Iterator[Finished]:
            for cell in ordered:
                before = clock.now()
                sent: Cell = pickle.loads(pickle.dumps(cell))
                done = worker._run_one(sent, runner, None, lambda _: None)
                yield pickle.loads(pickle.dumps(done))
                # The generator goes on when the result is stored.
                wall, cpu = (now - then for now, then in zip(clock.now(), before, strict=True))
                taken.append((cell.key, 1e3 * wall, 1e3 * cpu))

        with run.writing():
            carry_out(run, plan, finished(), QuietView())
    later = [(wall, cpu) for key, wall, cpu in taken if key not in first.values()]
    return {
        "cells": len(later),
        "requests": cells[0].workload.requests,
        "median_wall_ms": statistics.median(wall for wall, _ in later),
        "median_cpu_ms": statistics.median(cpu for _, cpu in later),
        "worst_cpu_ms": max(cpu for _, cpu in later),
        "hashing_ms": hashing_ms,
        "target_ms": TARGET_MS,
    }


def help_ratio() -> dict[str, Any]:
    """Processor time of ``coinfer --help`` over that of importing typer and rich."""
    commands = {
        "help": [sys.executable, "-m", "coinfer", "--help"],
        "imports": [sys.executable, "-c", "import typer, rich"],
    }
    rounds = [{name: _cpu_s(command) for name, command in commands.items()} for _ in range(ROUNDS)]
    ratios = [one["help"] / one["imports"] for one in rounds]
    return {
        "rounds": ROUNDS,
        "help_cpu_ms": 1e3 * statistics.median(one["help"] for one in rounds),
        "imports_cpu_ms": 1e3 * statistics.median(one["imports"] for one in rounds),
        "ratio": statistics.median(ratios),
        "quartiles": statistics.quantiles(ratios, n=4)[::2],
        "target_ratio": TARGET_RATIO,
    }


def _cpu_s(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(target: Path) -> None:
    """Measure both, print them and write them as JSON."""
    found = {"help": help_ratio(), "cell": cells_overhead()}
    text = json.dumps(found, indent=1) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/overhead.json"))
