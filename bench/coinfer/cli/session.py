"""Carry out the cells of a run: results into their folders, progress to the view."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from coinfer.errors import CoinferError
from coinfer.metrics import figures
from coinfer.store import RESULT_SCHEMA, RunFolder, StoredCell
from coinfer.suite import Cell

if TYPE_CHECKING:
    from coinfer.execute import Finished


class View(Protocol):
    """Who watches."""

    def finished(self, stored: StoredCell, _seconds: float) -> None:
        """See a cell that has ended."""


class Todo(NamedTuple):
    """What is to be run.

    Attributes
    ----------
    cells : list of Cell
        In order; with ``--aa`` a cell stands there twice, unless its first result is there.
    hashes : dict of str to str
        Inputs hash of every cell, by key; none where there is no run yet.
    standing : dict of str to StoredCell
        Results that stay, by key; also those of cells that failed.
    """

    cells: list[Cell]
    hashes: dict[str, str]
    standing: dict[str, StoredCell]


def todo(
    run: RunFolder | None,
    cells: Sequence[Cell],
    inputs_hash: Callable[[Cell], str],
    *,
    retry_failed: bool = False,
    twice: bool = False,
) -> Todo:
    """Cells that are still to be run.

    A result stands if it is whole and came from the same inputs. Where it says that the cell
    failed, it stands too, unless failed ones are to be tried again.

    Parameters
    ----------
    run : RunFolder or None
        None: nothing is there yet, and no model is looked for, let alone trained.
    cells : sequence of Cell
    inputs_hash : callable
    retry_failed : bool
    twice : bool
        Every cell has to be there twice.
    """
    hashes = {cell.key: inputs_hash(cell) for cell in cells} if run else {}
    standing = {
        stored.cell.key: stored
        for stored in (run.contents().cells if run else ())
        if stored.inputs_hash == hashes.get(stored.cell.key)
        and not (stored.status == "failed" and retry_failed)
    }
    left: list[Cell] = []
    # The second time comes when all cells of these seeds had their first, as far apart as
    # two methods of one comparison are.
    for _, block in groupby(cells, lambda c: (c.train_seed, c.run_seed, c.repeat)):
        of_block = list(block)
        left += [cell for cell in of_block if cell.key not in standing]
        left += [cell for cell in of_block if twice and _once(standing.get(cell.key))]
    return Todo(left, hashes, standing)


def _once(stored: StoredCell | None) -> bool:
    return stored is None or (stored.status == "done" and not stored.again)


def carry_out(
    run: RunFolder, todo: Todo, finished: Generator[Finished, None, None], view: View
) -> None:
    """Store each cell as it comes.

    Parameters
    ----------
    run : RunFolder
        Held for writing.
    todo : Todo
    finished : generator of Finished
        Closed on the way out, whatever happens, so that it can end its processes.
    view : View
    """
    standing = dict(todo.standing)
    with closing(finished):
        for one in finished:
            stored = _stored(one, todo.hashes[one.cell.key])
            first = standing.get(one.cell.key)
            if first is None:
                kept = one.outcome if stored.status == "done" else None
                records, spans = (kept.records, kept.spans) if kept is not None else (None, ())
                standing[one.cell.key] = run.write(stored, records, spans)
            elif first.status == "done":
                again = stored.figures or {"error": stored.error}
                if stored.notes.get("machine") != first.notes.get("machine"):
                    again = {"error": "was timed on another machine the second time"}
                run.amend(msgspec.structs.replace(first, again=again))
            run.note_timing(one.cell.key, one.seconds, stored.status, one.prepared_s, one.machine)
            view.finished(stored, one.seconds)


def _stored(one: Finished, inputs_hash: str) -> StoredCell:
    found: dict[str, Any] = {}
    error = one.error
    notes = dict(one.notes)
    if one.machine is not None and one.cell.mode != "virtual":
        notes["machine"] = one.machine
    if one.outcome is None:
        error = error or "ended without an outcome"
    elif error is None:
        notes["faults"] = list(one.outcome.faults)
        try:
            found = figures(one.outcome, one.cell, one.told)
        except CoinferError as problem:
            error = str(problem)
    return StoredCell(
        schema=RESULT_SCHEMA,
        cell=one.cell,
        inputs_hash=inputs_hash,
        status="done" if error is None else "failed",
        error=error,
        figures=found,
        notes=notes,
    )
