"""The live view of a run on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from coinfer.report.numbers import percent
from coinfer.store import StoredCell
from coinfer.suite import Cell

if TYPE_CHECKING:
    from coinfer.execute import Progress as CellProgress

_EVERY_S: Final = 0.1


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


class PlainView(QuietView):
    """One line a cell; for logs."""

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._cells = cells
        self._done = 0

    def finished(self, stored: StoredCell, _seconds: float) -> None:
        """Print a line for the cell."""
        self._done += 1
        self._console.print(
            f"[{self._done}/{self._cells}] {_name(stored.cell)}: {_result(stored)}, "
            f"{_seconds:.1f} s",
            markup=False,
            soft_wrap=True,
        )


class LiveView(QuietView):
    """One bar over the cells and one over the requests of the cell at hand."""

    def __init__(self, console: Console, cells: int) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._cells_bar = self._bars.add_task("cells", total=cells)
        self._requests_bar = self._bars.add_task("requests", total=None)
        self._shown = 0.0

    def __enter__(self) -> LiveView:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def progress(self, at: CellProgress) -> None:
        """Move the bar of the requests; not more often than anyone can see."""
        now = time.monotonic()
        if now - self._shown < _EVERY_S and at.requests_done < at.requests:
            return
        self._shown = now
        label = f"{at.stage} {_name(at.cell)}"
        self._bars.update(
            self._requests_bar,
            description=escape(label if len(label) <= 44 else f"{label[:43]}…"),
            completed=at.requests_done,
            total=at.requests,
        )

    def finished(self, stored: StoredCell, _seconds: float) -> None:
        """Move the bar of the cells; name the cell where it failed."""
        self._bars.advance(self._cells_bar)
        if stored.status == "failed":
            self._bars.console.print(
                f"[red]failed[/] {escape(_name(stored.cell))}: {escape(stored.error or '')}"
            )


def view_for(console: Console, cells: int, quiet: bool) -> QuietView:
    """View that suits where standard error goes."""
    if quiet:
        return QuietView()
    return LiveView(console, cells) if console.is_terminal else PlainView(console, cells)


def _name(cell: Cell) -> str:
    return f"{cell.method.variant} · {cell.faults_name} · seed {cell.run_seed}"


def _result(stored: StoredCell) -> str:
    if stored.status == "failed":
        return f"failed: {stored.error}"
    return f"accuracy {percent(stored.figures['accuracy'])}"
