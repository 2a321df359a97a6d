"""The one place where the command line meets the rooms that run things.

They import torch, so they are loaded inside the functions; and tests put other functions here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from coinfer.errors import ClusterError, PlanError, SuiteError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from coinfer.cluster.cost_table import CostTable
    from coinfer.execute import Executor, Finished, OnProgress
    from coinfer.store import Environment, StoredSweep
    from coinfer.suite import Cell, Suite
    from coinfer.training import OnProgress as OnTraining


class _Registered(Mapping[str, type[msgspec.Struct]]):
    """Parameter types by method; a method is loaded when it is asked for, not before.

    So a broken plug-in spoils only the suites that name it.
    """

    def __getitem__(self, name: str) -> type[msgspec.Struct]:
        if name not in self._names():
            raise KeyError(name)
        from coinfer.methods import registry

        return registry.method(name).Parameters

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        from coinfer.methods import registry

        return registry.names()


def methods() -> Mapping[str, type[msgspec.Struct]]:
    """Find the registered methods, each with the type of its parameters."""
    return _Registered()


def description(name: str) -> str:
    """Take the first line of what a method says of itself."""
    from coinfer.methods import registry

    return registry.method(name).summary


def inputs_hash(cell: Cell) -> str:
    """Digest of all that a cell's result depends on."""
    from coinfer import execute

    return execute.inputs_hash(cell)


def check(cells: Iterable[Cell], origin: str) -> None:
    """Refuse what cannot be planned, before anything is written.

    Raises
    ------
    SuiteError
        With the file and the table of the cluster that no plan fits.
    DatasetError
        If a data set is missing.
    """
    from coinfer import execute

    seen = set()
    for cell in cells:
        where = (cell.cluster_name, cell.mode)
        what = (cell.method.variant, *where, cell.dataset, cell.train_seed, cell.kernels)
        if what in seen:
            continue
        seen.add(what)
        try:
            execute.check(cell)
        except (PlanError, ClusterError) as error:
            raise SuiteError(
                f"{origin}: $.cluster.{cell.cluster_name}: {cell.method.variant}: {error}"
            ) from None


def run_cells(
    cells: Sequence[Cell],
    *,
    workers: int,
    timeout_s: float | None,
    on_progress: OnProgress,
) -> Generator[Finished, None, None]:
    """Run cells; each comes back as soon as it has ended."""
    from coinfer import execute

    return execute.run_cells(cells, workers=workers, timeout_s=timeout_s, on_progress=on_progress)


@contextmanager
def executor(
    cells: Sequence[Cell],
    *,
    workers: int,
    scheduler: str | None,
    say: Callable[[str], None],
    trainers: int | None = None,
) -> Iterator[Executor]:
    """What carries cells out: this machine, or the workers of a Dask scheduler.

    Parameters
    ----------
    cells : sequence of Cell
    workers : int
        Processes that run virtual cells on this machine.
    scheduler : str or None
    say : callable
    trainers : int, optional
        Processes that train on this machine; `workers` by default.

    Raises
    ------
    UsageError
        If the scheduler cannot be reached, has no worker that can be used, or Dask is missing.
    """
    if scheduler is None:
        yield _Here(workers, trainers or workers)
        return
    try:
        from coinfer.execute.dask import dask_executor
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed"):
            raise
        raise UsageError(
            "--executor dask: distributed is not installed; run: pip install 'coinfer[dask]'"
        ) from None
    with dask_executor(scheduler, cells, say) as remote:
        yield remote


class _Here:
    """The executor that is this machine."""

    def __init__(self, workers: int, trainers: int) -> None:
        self.workers = workers
        self._trainers = trainers

    @cached_property
    def environment(self) -> Environment:
        """Look at it once."""
        from coinfer import store

        return store.capture()

    def train(self, cells: Sequence[Cell], on_progress: OnTraining) -> None:
        """Train in this process, or in several."""
        train(cells, on_progress, workers=self._trainers)

    def run_cells(
        self, cells: Sequence[Cell], *, timeout_s: float | None, on_progress: OnProgress
    ) -> Generator[Finished, None, None]:
        """Run cells in processes of their own."""
        return run_cells(cells, workers=self.workers, timeout_s=timeout_s, on_progress=on_progress)


def plan_notes(cell: Cell) -> dict[str, Any]:
    """Plan for one cell without running it: who does what, and why."""
    from coinfer import execute

    return execute.plan_notes(cell)


def train(
    cells: Sequence[Cell], on_progress: OnTraining, *, workers: int = 1, anew: bool = False
) -> None:
    """Train every model that the cells need and the zoo lacks, or your own zoo lacks (`anew`)."""
    from coinfer import execute

    execute.train(cells, on_progress, workers=workers, anew=anew)


def sweep(
    cells: Sequence[Cell], suite: Suite, resamplings: int, on_progress: OnTraining
) -> tuple[StoredSweep, list[dict[str, Any]]]:
    """Sweep exit rules over the networks of cells; also returns the rows of the fronts."""
    import time
    from datetime import UTC, datetime

    import coinfer
    from coinfer.execute.networks import networks
    from coinfer.execute.rivals import rivals
    from coinfer.execute.sweep import swept
    from coinfer.store import SWEEP_SCHEMA, StoredSweep, capture
    from coinfer.store.runfolder import suite_sha256

    started, begin = datetime.now(UTC), time.monotonic()
    found = [
        (network, swept(network, resamplings, rivals(cells, network, on_progress)))
        for network in networks(cells, on_progress)
    ]
    stored = StoredSweep(
        schema=SWEEP_SCHEMA,
        coinfer=coinfer.__version__,
        suite=suite.name,
        suite_sha256=suite_sha256(suite),
        started=started.isoformat(timespec="seconds"),
        fingerprint=capture().fingerprint,
        seconds=round(time.monotonic() - begin, 1),
        sources=[network.source for network, _ in found],
        choices=[row for _, one in found for row in one.choices],
        promises=[row for _, one in found for row in one.promises],
        exits=[row for _, one in found for row in one.exits],
        rivals=[row for _, one in found for row in one.rivals],
    )
    return stored, [row for _, one in found for row in one.fronts]


def zoo_entries() -> list[dict[str, Any]]:
    """Every stored model."""
    from coinfer.training.zoo import Zoo

    return [msgspec.to_builtins(artifact, enc_hook=str) for artifact in Zoo().ls()]


def zoo_export(folder: Path) -> int:
    """Copy what the user's zoo holds to another one; returns how many artifacts that were."""
    from coinfer.training.zoo import Zoo

    zoo = Zoo()
    copied = 0
    for artifact in zoo.ls():
        # Teachers' answers to whole training sets are large, and quick to make again.
        if artifact.path.parent == zoo.root and artifact.inputs["what"] != "views":
            zoo.export(artifact.address, folder)
            copied += 1
    return copied


def zoo_gc() -> list[Path]:
    """Clean up the user's zoo; returns the files that were removed."""
    from coinfer.training.zoo import Zoo

    return Zoo().gc()


def calibrate(path: Path | None, cells: Sequence[Cell]) -> CostTable:
    """Measure the kernels, and the stages of cells, on this machine; write it where told to."""
    from coinfer import execute

    return execute.calibrate(path, stages=execute.measurable_stages(cells))
