"""The one place where the command line meets the rooms that run things.

They import torch, so they are loaded inside the functions; and tests put other functions here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
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


def methods() -> Mapping[str, type[msgspec.Struct]]:
    """Find the registered methods, each with the type of its parameters."""
    found: Mapping[str, type[msgspec.Struct]] = _methods().parameter_types()
    return found


def descriptions() -> Mapping[str, str]:
    """Find the registered methods, each with one line about it."""
    found: Mapping[str, str] = _methods().descriptions()
    return found


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


def _methods() -> Any:
    return importlib.import_module("coinfer.methods")
