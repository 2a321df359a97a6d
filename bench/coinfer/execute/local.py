"""Runs cells on this machine: virtual ones in parallel, real ones one at a time."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, cast

from coinfer.execute.forking import fork_context
from coinfer.execute.prepare import deployment_key, networks_key
from coinfer.execute.tree import end_tree
from coinfer.execute.worker import Finished, OnProgress, Progress, serve, too_long
from coinfer.suite import Cell

TICK_S: Final = 0.1
"""How often is looked for cells that are overdue."""

GRACE_S: Final = 1.0
"""What a worker is given beyond the limit, to say itself that its cell took too long."""


def run_cells(
    cells: Sequence[Cell], *, workers: int, timeout_s: float | None, on_progress: OnProgress
) -> Generator[Finished, None, None]:
    """Run cells; each comes back as soon as it has ended.

    Every cell runs in a process that is not this one. Where a cell takes too long that process is
    ended with all below it, and the cells that come after it get another.

    Parameters
    ----------
    cells : sequence of Cell
    workers : int
        Processes for virtual cells. Results do not depend on it.
    timeout_s : float or None
        A cell that runs longer has failed; training does not count.
    on_progress : callable
    """
    virtual = [cell for cell in cells if cell.mode == "virtual"]
    yield from _run(_shared_out(virtual, workers), timeout_s, on_progress)
    real = [cell for cell in cells if cell.mode != "virtual"]
    yield from _run([real], timeout_s, on_progress)


def _run(
    shares: Iterable[Sequence[Cell]], timeout_s: float | None, on_progress: OnProgress
) -> Generator[Finished, None, None]:
    lanes = [_Lane(share, timeout_s) for share in shares if share]
    try:
        for lane in lanes:
            lane.begin()
        while busy := {lane.connection: lane for lane in lanes if lane.cell is not None}:
            ready = wait(list(busy), timeout=TICK_S)
            for connection, lane in busy.items():
                if connection in ready:
                    heard = lane.hear()
                elif lane.overdue():
                    heard = lane.give_up()
                else:
                    continue
                if isinstance(heard, Progress):
                    on_progress(heard)
                else:
                    lane.begin()
                    yield heard
    finally:
        for lane in lanes:
            lane.end()


def _shared_out(cells: Sequence[Cell], workers: int) -> list[list[Cell]]:
    """Cells for each worker; those that run the same networks together, for what is remembered.

    They may do so on several clusters; but no worker is left without a cell for that.
    """
    groups: dict[Any, list[Cell]] = {}
    for key in (networks_key, deployment_key):
        groups = {}
        for cell in cells:
            groups.setdefault(key(cell), []).append(cell)
        if len(groups) >= workers:
            break
    shares: list[list[Cell]] = [[] for _ in range(workers)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(shares, key=len).extend(group)
    return shares


class _Lane:
    """A queue of cells, and the worker that they are sent to one by one.

    One by one, so that a worker that ends takes no other cell along.

    Attributes
    ----------
    cell : Cell or None
        The one under way.
    connection : Connection
        To the worker.
    """

    def __init__(self, cells: Iterable[Cell], timeout_s: float | None) -> None:
        self.cell: Cell | None = None
        self.connection: Connection
        self._waiting = deque(cells)
        self._timeout_s = timeout_s
        self._worker: BaseProcess | None = None
        self._begun_s: float | None = None

    def begin(self) -> None:
        """Send the worker the next cell; without one it may go."""
        self._begun_s = None
        self.cell = self._waiting.popleft() if self._waiting else None
        if self.cell is None:
            self.end()
            return
        if self._worker is None:
            self._hire()
        self.connection.send(self.cell)

    def hear(self) -> Progress | Finished:
        """Take what the worker says; where it is gone, say that of its cell."""
        try:
            heard = cast("Progress | Finished", self.connection.recv())
        except (EOFError, OSError):
            assert self._worker is not None
            self._worker.join(GRACE_S)
            return self._lost(f"the worker ended with exit code {self._worker.exitcode}")
        if isinstance(heard, Progress):
            running = heard.stage == "running"
            self._begun_s = (self._begun_s or time.monotonic()) if running else None
        return heard

    def overdue(self) -> bool:
        """Whether the cell is over its time and the worker does not say so."""
        if self._timeout_s is None or self._begun_s is None:
            return False
        return time.monotonic() - self._begun_s > self._timeout_s + GRACE_S

    def give_up(self) -> Finished:
        """End the worker with all below it."""
        assert self._timeout_s is not None
        return self._lost(too_long(self._timeout_s))

    def end(self) -> None:
        """Leave no process behind, also where a cell is still under way."""
        if self._worker is None:
            return
        if self._worker.pid is not None:
            end_tree(self._worker.pid)
        self._worker.join()
        self.connection.close()
        self._worker = None

    def _lost(self, error: str) -> Finished:
        assert self.cell is not None
        seconds = time.monotonic() - self._begun_s if self._begun_s is not None else 0.0
        self.end()
        return Finished(self.cell, None, {}, {}, error, seconds)

    def _hire(self) -> None:
        context = fork_context()
        self.connection, theirs = context.Pipe()
        self._worker = context.Process(
            target=serve, args=(theirs, list(sys.path), self._timeout_s), name="coinfer worker"
        )
        self._worker.start()
        theirs.close()
