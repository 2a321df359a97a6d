"""How training goes, on standard error: a bar with the time left, and a line for every epoch."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from coinfer.training import Progress as TrainingProgress

_EVERY_S: Final = 0.1
_EVERY_PLAIN_S: Final = 10.0


class TrainingView:
    """A bar for every model at hand; where no bar can be drawn, a line now and then.

    Parameters
    ----------
    console : Console
    quiet : bool
        Show nothing.
    """

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("epoch {task.fields[epoch]}, {task.fields[left]} left"),
            console=console,
            transient=True,
        )
        self._bar: dict[str, TaskID] = {}
        self._shown: dict[str, float] = {}

    def __enter__(self) -> TrainingView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars.live.is_started:
            self._bars.stop()

    def progress(self, at: TrainingProgress) -> None:
        """See where a training stands."""
        if self._quiet:
            return
        if at.epoch_done and at.terms:
            self._say(f"{at.what}: epoch {at.epoch}/{at.epochs}: loss {_terms(at)}")
        if at.done:
            if at.what in self._bar:
                self._bars.remove_task(self._bar.pop(at.what))
            return
        now = time.monotonic()
        every_s = _EVERY_S if self._console.is_terminal else _EVERY_PLAIN_S
        # Several processes, or machines, may train at a time.
        if now - self._shown.get(at.what, -math.inf) < every_s:
            return
        self._shown[at.what] = now
        left = _clock(at.left_s)
        if not self._console.is_terminal:
            share = f"{100 * at.step / at.steps:.0f} %"
            self._say(f"{at.what}: epoch {at.epoch}/{at.epochs}, {share}, {left} left")
            return
        epoch = f"{at.epoch}/{at.epochs}"
        bar = self._bar.get(at.what)
        if bar is None:
            bar = self._bars.add_task(escape(at.what), total=at.steps, epoch=epoch, left=left)
            self._bar[at.what] = bar
            self._bars.start()
        self._bars.update(bar, completed=at.step, epoch=epoch, left=left)

    def _say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, soft_wrap=True)


def _terms(at: TrainingProgress) -> str:
    total = sum(at.terms.values())
    parts = ", ".join(f"{name} {value:.3f}" for name, value in at.terms.items())
    return f"{total:.3f} ({parts})" if len(at.terms) > 1 else parts


def _clock(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
