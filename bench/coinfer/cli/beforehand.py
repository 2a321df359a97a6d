"""What is said before the first cell runs: what there is to do, and how long that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from coinfer.metrics import percentiles_told
from coinfer.report.numbers import duration

if TYPE_CHECKING:
    from coinfer.cli.session import Todo
    from coinfer.store.timings import Estimate
    from coinfer.suite import Cell


def show_cells(cells: Sequence[Cell], plan: Todo) -> None:
    """Print every cell with what is to be done of it; on standard error, the sums."""
    left = Counter(cell.key for cell in plan.cells)
    for cell in cells:
        typer.echo(f"{_state(cell, left[cell.key], plan):<6}  {cell.key}")
    done = sum(_stands(cell, plan, "done") for cell in cells)
    typer.echo(f"{len(cells)} cells, {done} of them already done", err=True)
    for line in told_before(cells, plan):
        typer.echo(line, err=True)


def told_before(cells: Sequence[Cell], plan: Todo) -> Iterator[str]:
    """Say what the requests are enough for, and what of an earlier run stays."""
    if plan.cells:
        # All cells have the same workload.
        workload = cells[0].workload
        yield percentiles_told(workload.requests - workload.warm_up)
    done = sum(_stands(cell, plan, "done") for cell in cells)
    failed = sum(_stands(cell, plan, "failed") for cell in cells)
    if done:
        yield f"{done} of {len(cells)} cells are already done (--force runs them anew)"
    if failed:
        yield f"{failed} of {len(cells)} cells have failed before (--retry-failed runs them again)"


def told_time(told: Estimate, count: int) -> str:
    """Say how long it takes, as far as that can be known."""
    if count == 0:
        return "time: nothing to run"
    if told.unknown == count:
        return "time: unknown; no cell of these settings was run here before"
    rest = f"; unknown for {told.unknown} of {count} cells" if told.unknown else ""
    return f"time: about {duration(told.seconds)}, by earlier cells of the same settings{rest}"


def _state(cell: Cell, left: int, plan: Todo) -> str:
    if left:
        return "run" if left == 1 else "run 2×"
    return "failed" if _stands(cell, plan, "failed") else "done"


def _stands(cell: Cell, plan: Todo, status: str) -> bool:
    stored = plan.standing.get(cell.key)
    return stored is not None and stored.status == status
