"""What carries cells out: this machine, or several."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from coinfer.execute.worker import Finished, OnProgress
from coinfer.store import Environment
from coinfer.suite import Cell
from coinfer.training import OnProgress as OnTraining


class Executor(Protocol):
    """Where cells run. Results in virtual time do not depend on it."""

    @property
    def environment(self) -> Environment:
        """The machine, or one of several that are alike."""

    @property
    def workers(self) -> int:
        """Virtual cells at a time."""

    def train(self, cells: Sequence[Cell], on_progress: OnTraining) -> None:
        """Put every model into the zoo of this machine that the cells need and it lacks."""

    def run_cells(
        self, cells: Sequence[Cell], *, timeout_s: float | None, on_progress: OnProgress
    ) -> Generator[Finished, None, None]:
        """Run cells whose models are in the zoo; each comes back as soon as it has ended.

        Parameters
        ----------
        cells : sequence of Cell
        timeout_s : float or None
            A cell that runs longer has failed.
        on_progress : callable
        """
