"""The executor that hands cells out to the workers of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

from distributed import Client

from coinfer.errors import ExecutionError, UsageError
from coinfer.execute.dask.connect import connected
from coinfer.execute.dask.crew import Crew
from coinfer.execute.dask.dispatch import Trouble, dispatch
from coinfer.execute.dask.foundation import foundation
from coinfer.execute.dask.lots import lots, training_lots
from coinfer.execute.dask.station import run_order, train_order
from coinfer.execute.prepare import artifacts_of
from coinfer.execute.training import train
from coinfer.execute.untrained import untrained
from coinfer.execute.worker import Finished, OnProgress, Progress
from coinfer.store import Environment
from coinfer.suite import Cell
from coinfer.training import OnProgress as OnTraining
from coinfer.training import Packed, Zoo
from coinfer.training import Progress as TrainingProgress


@contextmanager
def dask_executor(
    scheduler: str, cells: Sequence[Cell], say: Callable[[str], None]
) -> Iterator[DaskExecutor]:
    """Connect to a scheduler whose workers are to carry cells out.

    Parameters
    ----------
    scheduler : str
        Such as ``tcp://host:8786``.
    cells : sequence of Cell
        All that may be asked for.
    say : callable
        Told in a line about workers that come, go, or are not used.

    Raises
    ------
    UsageError
        If the scheduler cannot be reached, or has no worker that can be used; or if cells are for
        boards.
    """
    if any(cell.mode == "native" and cell.cluster.boards is not None for cell in cells):
        raise UsageError(
            "--executor dask: boards dial in where a run is started, so their cells run there; "
            "leave --executor out"
        )
    timed = any(cell.mode != "virtual" for cell in cells)
    with connected(scheduler) as client:
        crew = Crew(client, foundation(cells, prepared=False), exclusive=timed, say=say)
        yield DaskExecutor(client, crew)


class DaskExecutor:
    """See `Executor`; made by `dask_executor`.

    Dask decides which worker takes what, and gives to another what a lost one had. Results come
    by mail, cell by cell, so that a worker takes none along that was finished.
    """

    def __init__(self, client: Client, crew: Crew) -> None:
        self._client = client
        self._crew = crew

    @property
    def environment(self) -> Environment:
        """One of the machines, which are alike."""
        return self._crew.environment

    @property
    def workers(self) -> int:
        """Virtual cells at a time, on the workers that there are now."""
        return self._crew.workers

    def train(self, cells: Sequence[Cell], on_progress: OnTraining) -> None:
        """Train on the workers what the zoo of this machine lacks, and put it there."""
        lacking = untrained(cells)
        if lacking.cells:
            self._crew.require({}, lacking.found)
            zoo = Zoo()
            known = frozenset(artifact.address for artifact in zoo.ls())
            waiting = training_lots(lacking.cells)
            for lot, message in dispatch(
                self._client, self._crew, waiting, train_order, None, known
            ):
                if isinstance(message, TrainingProgress):
                    on_progress(message)
                elif isinstance(message, Trouble):
                    raise ExecutionError(f"training for {lot.cells[0].key}: {message.error}")
                else:
                    address, packed = message
                    assert isinstance(packed, Packed)
                    zoo.unpack(address, packed)
        # What is left is quick: thresholds and plans.
        train(cells, on_progress)
        self._crew.require(foundation(cells, prepared=True), artifacts_of(cells))

    def run_cells(
        self, cells: Sequence[Cell], *, timeout_s: float | None, on_progress: OnProgress
    ) -> Generator[Finished, None, None]:
        """Run cells on the workers; see `Executor`."""
        waiting = lots(cells, self.workers)
        for lot, message in dispatch(self._client, self._crew, waiting, run_order, timeout_s):
            if isinstance(message, Progress):
                on_progress(message)
                continue
            finished = message
            if isinstance(message, Trouble):
                finished = Finished(lot.cells[0], None, {}, {}, message.error, 0.0)
            lot.cells.remove(finished.cell)
            lot.losses = 0
            yield finished
