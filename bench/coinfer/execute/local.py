"""Runs cells on this machine: virtual ones in parallel, real ones one at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from coinfer.cluster.cost_table import load_cost_table
from coinfer.errors import CoinferError
from coinfer.execute.cell import run_cell
from coinfer.execute.exits import exit_figures
from coinfer.execute.prepare import Prepared, deployment_key, prepare
from coinfer.execute.resilience import statics
from coinfer.execute.stage_costs import costs_told
from coinfer.runtime.realtime.fleet import PRELOAD, THREADS
from coinfer.runtime.realtime.loop import die_with_parent
from coinfer.runtime.record import Outcome
from coinfer.runtime.runner import Runner
from coinfer.suite import Cell
from coinfer.training.modules import build

TICK_S: Final = 0.1
"""How often progress is passed on."""

REPORT_EVERY: Final = 20
"""Requests between two reports of a worker."""


class Progress(NamedTuple):
    """How far a cell is."""

    cell: Cell
    requests_done: int
    requests: int
    stage: str


class Finished(NamedTuple):
    """A cell that ended, one way or another; `told` are figures that no record holds."""

    cell: Cell
    outcome: Outcome | None
    notes: dict[str, Any]
    told: dict[str, Any]
    error: str | None
    seconds: float


OnProgress = Callable[[Progress], None]


def run_cells(
    cells: Sequence[Cell], *, workers: int, timeout_s: float | None, on_progress: OnProgress
) -> Generator[Finished, None, None]:
    """Run cells; each comes back as soon as it has ended.

    Parameters
    ----------
    cells : sequence of Cell
    workers : int
        Processes for virtual cells. Results do not depend on it.
    timeout_s : float or None
        A cell that takes longer has failed.
    on_progress : callable
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    virtual = [cell for cell in cells if cell.mode == "virtual"]
    yield from _run_parallel(virtual, workers, timeout_s, on_progress)
    runner = Runner(build, memo=True)
    for cell in cells:
        if cell.mode != "virtual":
            yield _run_one(cell, runner, timeout_s, _reporter(cell, on_progress))


# Virtual cells

_RUNNER: Runner | None = None
_REPORTS: Any = None


def _run_parallel(
    cells: Sequence[Cell], workers: int, timeout_s: float | None, on_progress: OnProgress
) -> Generator[Finished, None, None]:
    if not cells:
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, build.__module__, __name__])
    reports = context.SimpleQueue()
    lanes = [
        ProcessPoolExecutor(1, context, initializer=_begin, initargs=(reports, list(sys.path)))
        for _ in range(workers)
    ]
    try:
        futures: dict[Future[Finished], Cell] = {}
        for lane, group in zip(lanes, _shared_out(cells, workers), strict=True):
            futures |= {lane.submit(_in_worker, cell, timeout_s): cell for cell in group}
        by_key = {cell.key: cell for cell in cells}
        left = set(futures)
        while left:
            done, left = wait(left, timeout=TICK_S, return_when=FIRST_COMPLETED)
            while not reports.empty():
                key, request = reports.get()
                cell = by_key[key]
                on_progress(Progress(cell, request, cell.workload.requests, "running"))
            for future in done:
                yield _result(future, futures[future])
    finally:
        _stop(lanes)


def _shared_out(cells: Sequence[Cell], workers: int) -> list[list[Cell]]:
    """Cells for each worker; those of one deployment together, for what is remembered."""
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(deployment_key(cell), []).append(cell)
    shares: list[list[Cell]] = [[] for _ in range(workers)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(shares, key=len).extend(group)
    return shares


def _begin(reports: Any, path: list[str]) -> None:
    global _RUNNER, _REPORTS
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = path
    import torch

    torch.set_num_threads(1)
    _RUNNER, _REPORTS = Runner(build, memo=True), reports


def _in_worker(cell: Cell, timeout_s: float | None) -> Finished:
    assert _RUNNER is not None

    def on_request(request: int) -> None:
        if request % REPORT_EVERY == 0:
            _REPORTS.put((cell.key, request))

    return _run_one(cell, _RUNNER, timeout_s, on_request)


def _result(future: Future[Finished], cell: Cell) -> Finished:
    error = future.exception()
    if error is None:
        return future.result()
    return Finished(cell, None, {}, {}, f"the worker ended: {type(error).__name__}: {error}", 0.0)


def _stop(lanes: Sequence[ProcessPoolExecutor]) -> None:
    """Leave no worker behind, also where cells are still under way."""
    for lane in lanes:
        for process in list((lane._processes or {}).values()):
            process.kill()
        lane.shutdown(wait=True, cancel_futures=True)


# One cell


def _run_one(
    cell: Cell, runner: Runner, timeout_s: float | None, on_request: Callable[[int], None]
) -> Finished:
    begin = time.monotonic()
    prepared: Prepared | None = None
    try:
        prepared = prepare(cell)
        with _time_limit(timeout_s):
            ran = run_cell(cell, prepared, runner, on_request)
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
    return Finished(cell, ran.outcome, notes, told, None, time.monotonic() - begin)


def _failed(cell: Cell, prepared: Prepared | None, error: str, begin: float) -> Finished:
    notes = prepared.notes if prepared is not None else {}
    return Finished(cell, None, notes, {}, error, time.monotonic() - begin)


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimeoutError` in this thread after so long (POSIX; the main thread only)."""
    if seconds is None:
        yield
        return

    def expire(*_: object) -> None:
        raise TimeoutError(f"took longer than {seconds:g} s (--timeout)")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _reporter(cell: Cell, on_progress: OnProgress) -> Callable[[int], None]:
    return lambda n: on_progress(Progress(cell, n, cell.workload.requests, "running"))
