"""One cell after another, in a process of their own."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from coinfer.cluster.cost_table import load_cost_table
from coinfer.errors import CoinferError
from coinfer.execute.cell import run_cell
from coinfer.execute.exits import exit_figures
from coinfer.execute.prepare import Prepared, prepare
from coinfer.execute.resilience import statics
from coinfer.execute.stage_costs import costs_told
from coinfer.execute.tree import adopt_orphans, end_below
from coinfer.runtime.realtime.loop import die_with_parent
from coinfer.runtime.record import Outcome
from coinfer.runtime.runner import Runner
from coinfer.suite import Cell
from coinfer.training.modules import build

REPORT_S: Final = 0.05
"""Shortest time between two reports."""


class Progress(NamedTuple):
    """How far a cell is; `stage` is ``running``, then ``figures``."""

    cell: Cell
    requests_done: int
    requests: int
    stage: str


class Finished(NamedTuple):
    """A cell that ended, one way or another.

    Attributes
    ----------
    told : dict
        Figures that no record holds.
    prepared_s : float
        Part of `seconds` in which it was planned and its models were loaded; of cells that share
        a deployment, the first one takes it.
    machine : str or None
        Where it ran, if that was another than this.
    """

    cell: Cell
    outcome: Outcome | None
    notes: dict[str, Any]
    told: dict[str, Any]
    error: str | None
    seconds: float
    prepared_s: float = 0.0
    machine: str | None = None


OnProgress = Callable[[Progress], None]


def serve(cells: Connection, path: list[str], timeout_s: float | None) -> None:
    """Run every cell that comes; send reports and, at its end, what it came to.

    Parameters
    ----------
    cells : Connection
        The asking process closes its end when there are no more.
    path : list of str
        Where modules are looked for.
    timeout_s : float or None
    """
    die_with_parent()
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = path
    import torch

    torch.set_num_threads(1)
    runner = Runner(build, memo=True)
    while True:
        try:
            cell = cells.recv()
        except EOFError:
            return
        cells.send(_run_one(cell, runner, timeout_s, cells.send))


def _run_one(
    cell: Cell, runner: Runner, timeout_s: float | None, on_progress: OnProgress
) -> Finished:
    begin = time.monotonic()
    prepared: Prepared | None = None
    try:
        prepared = prepare(cell)
        prepared_s = time.monotonic() - begin
        on_request = _reporter(cell, on_progress)
        with _time_limit(timeout_s):
            ran = run_cell(cell, prepared, runner, on_request)
        # These are told of a deployment, or of records that are there: no part of what it takes.
        on_progress(Progress(cell, cell.workload.requests, cell.workload.requests, "figures"))
        known = {
            **statics(cell, prepared, runner),
            **exit_figures(cell, prepared, ran.outcome.records, runner),
        }
    except CoinferError as error:
        return _failed(cell, prepared, str(error), begin)
    except Exception as error:  # A cell's failure is data: it must not take the others along.
        return _failed(cell, prepared, f"{type(error).__name__}: {error}", begin)
    costs = costs_told(cell, prepared.deployment, load_cost_table())
    notes = {**prepared.notes, **costs, **ran.notes}
    told = {**known, **ran.figures}
    seconds = time.monotonic() - begin
    return Finished(cell, ran.outcome, notes, told, None, seconds, prepared_s)


def _failed(cell: Cell, prepared: Prepared | None, error: str, begin: float) -> Finished:
    # What it started and did not end would compete with the next cell.
    end_below()
    notes = prepared.notes if prepared is not None else {}
    return Finished(cell, None, notes, {}, error, time.monotonic() - begin)


def _reporter(cell: Cell, on_progress: OnProgress) -> Callable[[int], None]:
    """Say at once that the cell runs, and from time to time how far it is."""
    last = float("-inf")

    def on_request(request: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_S:
            last = now
            on_progress(Progress(cell, request, cell.workload.requests, "running"))

    on_request(0)
    return on_request


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimeoutError` in this thread after so long (POSIX; the main thread only)."""
    if seconds is None:
        yield
        return

    def expire(*_: object) -> None:
        raise TimeoutError(too_long(seconds))

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def too_long(seconds: float) -> str:
    """Say that a cell met its time limit."""
    return f"took longer than {seconds:g} s (--timeout)"
