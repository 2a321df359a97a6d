"""The live view of a run on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from coinfer.report.numbers import milliseconds, percent
from coinfer.store import StoredCell
from coinfer.suite import AXES, SEED_AXES, Cell
from coinfer.suite.schema import Value

if TYPE_CHECKING:
    from coinfer.execute import Progress as CellProgress

_EVERY_S: Final = 0.1
_MOST_ROWS: Final = 12
"""Settings whose figures are shown while a run goes on: those that changed last."""

_LABEL: Final = 40


class QuietView:
    """Sees everything and says nothing."""

    def __enter__(self) -> QuietView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    def progress(self, at: CellProgress) -> None:
        """See how far a cell is."""

    def finished(self, stored: StoredCell, _seconds: float) -> None:
        """See a cell that has ended."""


class _TalkingView(QuietView):
    """Says every warning once, when it first arises."""

    def __init__(self, console: Console, cells: Sequence[Cell]) -> None:
        self._console = console
        self._axes = [
            axis
            for axis in AXES
            if axis == "method"
            or (axis not in SEED_AXES and len({c.coordinates[axis] for c in cells}) > 1)
        ]
        self._warned: set[str] = set()

    def finished(self, stored: StoredCell, _seconds: float) -> None:
        """Say what is to be minded about a cell."""
        if stored.status == "failed":
            self._say("failed", "red", f"{self._name(stored.cell)}: {stored.error}")
        for warning in stored.figures.get("warnings", ()):
            if warning not in self._warned:
                self._warned.add(warning)
                self._say("warning", "yellow", f"{self._name(stored.cell)}: {warning}")

    def _name(self, cell: Cell) -> str:
        """What tells a cell from the others: its method, what else varies, and its seed."""
        return " · ".join([*self._setting(cell), f"seed {cell.run_seed}"])

    def _setting(self, cell: Cell) -> tuple[str, ...]:
        return tuple(_value(cell.coordinates[axis]) for axis in self._axes)

    def _say(self, label: str, style: str, text: str) -> None:
        self._console.print(f"[{style}]{label}[/]  {escape(text)}", soft_wrap=True)


class PlainView(_TalkingView):
    """One line a cell; for logs."""

    def __init__(self, console: Console, cells: Sequence[Cell]) -> None:
        super().__init__(console, cells)
        self._cells = len(cells)
        self._done = 0

    def finished(self, stored: StoredCell, _seconds: float) -> None:
        """Print a line for the cell."""
        self._done += 1
        self._console.print(
            f"[{self._done}/{self._cells}] {self._name(stored.cell)}: {_result(stored)}, "
            f"{_seconds:.1f} s",
            markup=False,
            soft_wrap=True,
        )
        if stored.status == "done":
            super().finished(stored, _seconds)


class LiveView(_TalkingView):
    """Bars over the cells and over the requests of those under way, and figures so far."""

    def __init__(self, console: Console, cells: Sequence[Cell]) -> None:
        super().__init__(console, cells)
        self._bars = Progress(
            TextColumn("{task.description}", table_column=None),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._cells_bar = self._bars.add_task("cells".ljust(_LABEL), total=len(cells))
        self._requests_bars: dict[str, TaskID] = {}
        self._settings: dict[tuple[str, ...], list[StoredCell]] = defaultdict(list)
        self._shown: dict[str, float] = {}
        self._live = Live(
            get_renderable=self._picture, console=console, transient=True, refresh_per_second=5
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def progress(self, at: CellProgress) -> None:
        """Move the bar of the cell's requests; not more often than anyone can see."""
        now = time.monotonic()
        key = at.cell.key
        if now - self._shown.get(key, -math.inf) < _EVERY_S and at.requests_done < at.requests:
            return
        self._shown[key] = now
        if key not in self._requests_bars:
            self._requests_bars[key] = self._bars.add_task("", total=at.requests)
        label = f"{at.stage} {self._name(at.cell)}"
        label = label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"
        self._bars.update(
            self._requests_bars[key],
            description=escape(label.ljust(_LABEL)),
            completed=at.requests_done,
        )

    def finished(self, stored: StoredCell, _seconds: float) -> None:
        """Move the bar of the cells, and add the cell to the figures."""
        super().finished(stored, _seconds)
        self._bars.advance(self._cells_bar)
        bar = self._requests_bars.pop(stored.cell.key, None)
        if bar is not None:
            self._bars.remove_task(bar)
        if stored.status == "done":
            setting = self._setting(stored.cell)
            # Taken out and put in again, so that it comes last.
            self._settings[setting] = [*self._settings.pop(setting, []), stored]

    def _picture(self) -> Group:
        return Group(self._figures(), self._bars) if self._settings else Group(self._bars)

    def _figures(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for heading in self._axes:
            table.add_column(heading, no_wrap=True)
        for heading in ("cells", "accuracy", "p50 ms", "p95 ms"):
            table.add_column(heading, justify="right", no_wrap=True)
        for setting, cells in list(self._settings.items())[-_MOST_ROWS:]:
            table.add_row(
                *map(escape, setting),
                str(len(cells)),
                percent(statistics.fmean(s.figures["accuracy"] for s in cells)),
                *(_median(cells, name) for name in ("latency_p50_ms", "latency_p95_ms")),
            )
        return table


def view_for(console: Console, cells: Sequence[Cell], quiet: bool) -> QuietView:
    """View that suits where standard error goes."""
    if quiet or not cells:
        return QuietView()
    return LiveView(console, cells) if console.is_terminal else PlainView(console, cells)


def _median(cells: list[StoredCell], name: str) -> str:
    values = [stored.figures.get(name) for stored in cells]
    middle = statistics.median(math.inf if v is None else v for v in values)
    return milliseconds(middle if math.isfinite(middle) else None, cells[0].cell.deadline_ms)


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _result(stored: StoredCell) -> str:
    if stored.status == "failed":
        return f"failed: {stored.error}"
    return f"accuracy {percent(stored.figures['accuracy'])}"
