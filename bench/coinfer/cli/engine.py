"""The one place where the command line meets the rooms that run things.

They import torch, so they are loaded inside the functions; and tests put other functions here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from coinfer.errors import ClusterError, PlanError, SuiteError
from coinfer.runtime.record import Outcome
from coinfer.suite import Cell


class Progress(Protocol):
    """How far a cell is."""

    @property
    def cell(self) -> Cell:
        """Which cell."""

    @property
    def requests_done(self) -> int:
        """Requests that ended."""

    @property
    def requests(self) -> int:
        """Requests in all."""

    @property
    def stage(self) -> str:
        """What goes on: planning, fitting, running."""


class Finished(Protocol):
    """A cell that ended, one way or another."""

    @property
    def cell(self) -> Cell:
        """Which cell."""

    @property
    def outcome(self) -> Outcome | None:
        """What it produced; None where it failed."""

    @property
    def notes(self) -> dict[str, Any]:
        """What the method had to say; JSON values."""

    @property
    def statics(self) -> dict[str, Any]:
        """What is known without running."""

    @property
    def error(self) -> str | None:
        """Why it failed, in one line."""

    @property
    def seconds(self) -> float:
        """Wall time."""


class _Registered(Mapping[str, type[msgspec.Struct]]):
    """Parameter types by method; a method is loaded when it is asked for, not before.

    So a broken plug-in spoils only the suites that name it.
    """

    def __getitem__(self, name: str) -> type[msgspec.Struct]:
        if name not in self._names():
            raise KeyError(name)
        found: type[msgspec.Struct] = _registry().method(name).Parameters
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        return list(_registry().names())


def methods() -> Mapping[str, type[msgspec.Struct]]:
    """Find the registered methods, each with the type of its parameters."""
    return _Registered()


def description(name: str) -> str:
    """Take the first line of what a method says of itself."""
    lines = (_registry().method(name).__doc__ or "").strip().splitlines()
    return str(lines[0]) if lines else ""


def inputs_hash(cell: Cell) -> str:
    """Digest of all that a cell's result depends on."""
    return str(_execute().inputs_hash(cell))


def check(cells: Iterable[Cell], origin: str) -> None:
    """Refuse what cannot be planned, before anything is written.

    Raises
    ------
    SuiteError
        With the file and the table of the cluster that no plan fits.
    DatasetError
        If a data set is missing.
    """
    seen = set()
    for cell in cells:
        what = (cell.method.variant, cell.cluster_name, cell.dataset, cell.train_seed)
        if what in seen:
            continue
        seen.add(what)
        try:
            _execute().check(cell)
        except (PlanError, ClusterError) as error:
            raise SuiteError(
                f"{origin}: $.cluster.{cell.cluster_name}: {cell.method.variant}: {error}"
            ) from None


def run_cells(
    cells: Sequence[Cell],
    *,
    workers: int,
    timeout_s: float | None,
    on_progress: Callable[[Progress], None],
) -> Generator[Finished, None, None]:
    """Run cells; each comes back as soon as it has ended."""
    found: Generator[Finished, None, None] = _execute().run_cells(
        cells, workers=workers, timeout_s=timeout_s, on_progress=on_progress
    )
    return found


def plan_notes(cell: Cell) -> dict[str, Any]:
    """Plan for one cell without running it: who does what, and why."""
    return dict(_execute().plan_notes(cell))


def train(cells: Sequence[Cell], on_progress: Callable[[str], None]) -> None:
    """Train every model that the cells need and the zoo lacks."""
    _execute().train(cells, on_progress)


def zoo_entries() -> list[dict[str, Any]]:
    """Every stored model."""
    zoo = importlib.import_module("coinfer.training.zoo").Zoo()
    return [msgspec.to_builtins(artifact, enc_hook=str) for artifact in zoo.ls()]


def calibrate() -> dict[str, Any]:
    """Measure the cost table of this machine."""
    found = importlib.import_module("coinfer.cluster.calibration").calibrate()
    plain: dict[str, Any] = msgspec.to_builtins(found, enc_hook=str)
    return plain


def _execute() -> Any:
    return importlib.import_module("coinfer.execute")


def _registry() -> Any:
    return importlib.import_module("coinfer.methods.registry")
