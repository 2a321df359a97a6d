"""What figures and tables are made from, and what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from coinfer.metrics.latency import latencies_ms
from coinfer.report.html.look import Look
from coinfer.report.settings import MACHINE, gathered, value_on, varying_axes
from coinfer.store import Contents, RunFolder, StoredCell
from coinfer.suite import AXES, SEED_AXES

RUN: Final = "run"
_CHOICES: Final = ("method", "encoding", "kernels")
"""What a user may choose; all other axes are conditions that are given."""


class Shown(NamedTuple):
    """One run of the report, and how it is called where there are several."""

    name: str
    folder: RunFolder
    contents: Contents


class Setting(NamedTuple):
    """Cells that differ in seeds alone.

    Attributes
    ----------
    number : int
        By it the page knows what a filter hides.
    at : dict of str to str
        Every axis that is no seed, the machine, and the run.
    varying : tuple of str
        Axes on which the settings of the page differ.
    cells : tuple of StoredCell
        The failed ones, too.
    """

    number: int
    at: Mapping[str, str]
    varying: tuple[str, ...]
    cells: tuple[StoredCell, ...]

    @property
    def done(self) -> list[StoredCell]:
        """Cells with figures."""
        return [stored for stored in self.cells if stored.status == "done"]

    @property
    def method(self) -> str:
        """Variant of the method."""
        return self.at["method"]

    @property
    def condition(self) -> str:
        """What is given and not chosen, as far as it differs."""
        return self._told([a for a in self.varying if a not in _CHOICES])

    @property
    def choice(self) -> str:
        """What is chosen beside the method, as far as it differs."""
        return self._told([a for a in self.varying if a in _CHOICES and a != "method"])

    @property
    def label(self) -> str:
        """Method in one line, all else that differs in the next."""
        rest = ", ".join(filter(None, (self.choice, self.condition)))
        return f"{self.method}<br>{rest}" if rest else self.method

    def _told(self, axes: Sequence[str]) -> str:
        return ", ".join(f"{axis} {self.at[axis]}" for axis in axes)


class Line(NamedTuple):
    """Row of a table: whose it is, and its cells; the first is its heading."""

    settings: tuple[int, ...]
    cells: tuple[str, ...]
    flag: str = ""


class Table(NamedTuple):
    """A table of texts."""

    caption: str
    headings: tuple[str, ...]
    lines: Sequence[Line]


class Figure(NamedTuple):
    """A figure and, for those who cannot see it, its data.

    Attributes
    ----------
    name, title, caption : str
    traces, layout
        For plotly. A trace says in its ``meta`` whose it is: ``settings`` (drawn while one of them
        is shown) or ``points`` (a setting for each point). ``front`` asks the page for the Pareto
        front of the points of a condition, as far as they are shown.
    table : Table
    """

    name: str
    title: str
    caption: str
    traces: Sequence[Any]
    layout: dict[str, Any]
    table: Table


class Absent(NamedTuple):
    """A figure that there is no data for, and why."""

    name: str
    title: str
    reason: str


class Material:
    """The runs of a report, gathered.

    Parameters
    ----------
    runs : sequence of Shown
    """

    def __init__(self, runs: Sequence[Shown]) -> None:
        self.runs = tuple(runs)
        self._from = {id(s): run for run in runs for s in run.contents.cells}

    @cached_property
    def cells(self) -> list[StoredCell]:
        """Of all runs."""
        return [stored for run in self.runs for stored in run.contents.cells]

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """Axes on which cells differ, seeds left out; the method always."""
        return (*varying_axes(self.cells), *([RUN] if len(self.runs) > 1 else []))

    @cached_property
    def settings(self) -> list[Setting]:
        """Settings in the order of the terminal report, run by run."""
        fixed = [*(axis for axis in AXES if axis not in SEED_AXES), MACHINE]
        made: list[Setting] = []
        for run in self.runs:
            for cells in gathered(run.contents.cells, self.axes[: self._own]).values():
                at = {axis: _text(value_on(axis, cells[0])) for axis in fixed} | {RUN: run.name}
                made.append(Setting(len(made), at, self.axes, tuple(cells)))
        return made

    @property
    def _own(self) -> int:
        return len(self.axes) - (len(self.runs) > 1)

    @cached_property
    def look(self) -> Look:
        """Colours by the order in which methods first appear."""
        methods = dict.fromkeys(s.method for s in self.settings)
        conditions = dict.fromkeys(s.condition for s in self.settings)
        return Look(
            {name: place for place, name in enumerate(methods)},
            {name: place for place, name in enumerate(conditions)},
        )

    def run_of(self, stored: StoredCell) -> Shown:
        """Which run a cell is from."""
        return self._from[id(stored)]

    def latencies(self, setting: Setting) -> npt.NDArray[np.float64]:
        """Sorted latencies in ms of all requests of a setting but the warm-up; +inf: no answer."""
        records = [
            record
            for stored in setting.done
            for record in self.run_of(stored).folder.records(stored)
            if not record.warm_up
        ]
        return np.sort(latencies_ms(records))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def significant(values: Sequence[float | None], digits: int = 6) -> list[float | None]:
    """Numbers with no more digits than a figure can show."""
    return [None if value is None else float(f"{value:.{digits}g}") for value in values]
