"""Carry out the cells of a run: results into their folders, progress to the view."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

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


def carry_out(
    run: RunFolder, hashes: Mapping[str, str], finished: Generator[Finished, None, None], view: View
) -> None:
    """Store each cell as it comes.

    Parameters
    ----------
    run : RunFolder
        Held for writing.
    hashes : mapping of cell key to inputs hash
    finished : generator of Finished
        Closed on the way out, whatever happens, so that it can end its processes.
    view : View
    """
    with closing(finished):
        for one in finished:
            stored = _stored(one, hashes[one.cell.key])
            kept = one.outcome if stored.status == "done" else None
            records, spans = (kept.records, kept.spans) if kept is not None else (None, ())
            stored = run.write(stored, records, spans)
            run.note_timing(one.cell.key, one.seconds)
            view.finished(stored, one.seconds)


def todo(
    run: RunFolder, cells: tuple[Cell, ...], inputs_hash: Callable[[Cell], str]
) -> tuple[list[Cell], dict[str, str]]:
    """Cells that are still to be run, and the inputs hash of every one.

    A cell is done if its result is whole, did not fail, and came from the same inputs.
    """
    hashes = {cell.key: inputs_hash(cell) for cell in cells}
    done = {
        stored.cell.key
        for stored in run.contents().cells
        if stored.status == "done" and stored.inputs_hash == hashes.get(stored.cell.key)
    }
    return [cell for cell in cells if cell.key not in done], hashes


def _stored(one: Finished, inputs_hash: str) -> StoredCell:
    found: dict[str, Any] = {}
    error = one.error
    notes = dict(one.notes)
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
