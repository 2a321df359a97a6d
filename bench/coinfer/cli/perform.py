"""Train, see what is left, run that: what ``coinfer run`` and `coinfer.run` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from coinfer.cli.beforehand import told_before
from coinfer.cli.console import progress_console
from coinfer.cli.session import carry_out
from coinfer.cli.training_view import TrainingView
from coinfer.cli.view import view_for

if TYPE_CHECKING:
    from coinfer.cli.session import Todo
    from coinfer.execute import Executor
    from coinfer.store import RunFolder
    from coinfer.suite import Cell


def perform(
    folder: RunFolder,
    cells: Sequence[Cell],
    what: Callable[[RunFolder], Todo],
    executor: Executor,
    timeout_s: float | None,
    *,
    quiet: bool,
) -> None:
    """Do what is left of a run; progress goes to standard error.

    Parameters
    ----------
    folder : RunFolder
    cells : sequence of Cell
        All of the run.
    what : callable
        Tells what of them is to be run, see `coinfer.cli.session.todo`.
    executor : Executor
    timeout_s : float or None
        A cell that takes longer has failed.
    quiet : bool
    """
    console = progress_console()
    with folder.writing():
        # What a result depends on includes the weights, so they are made before anything is
        # called done; with a full zoo this says nothing.
        with TrainingView(console, quiet) as training:
            executor.train(cells, training.progress)
        plan = what(folder)
        if not quiet:
            for line in told_before(cells, plan):
                console.print(line)
        with view_for(console, plan.cells, quiet) as view:
            finished = executor.run_cells(
                plan.cells, timeout_s=timeout_s, on_progress=view.progress
            )
            carry_out(folder, plan, finished, view)
