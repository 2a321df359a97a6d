"""The timelines of cells as a trace to look at: what each device and link did for which request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from coinfer.errors import UsageError
from coinfer.report.trace_drawing import Drawing, Traced
from coinfer.report.trace_events import Event
from coinfer.suite import AXES

MOST_EVENTS: Final = 200_000
"""A trace with more takes its reader long to open."""


def trace(cells: Sequence[Traced], requests: Iterable[int] | None = None) -> bytes:
    """Trace of cells in the Trace Event Format, as JSON; each is a process that begins at 0.

    Parameters
    ----------
    cells : sequence of Traced
    requests : iterable of int, optional
        Those that are drawn; all of the timelines unless given.

    Raises
    ------
    UsageError
        If a cell has no timeline of these requests, or there would be more events than a reader
        opens quickly.
    """
    wanted = None if requests is None else frozenset(requests)
    differing = [
        axis for axis in AXES if len({str(c.stored.cell.coordinates[axis]) for c in cells}) > 1
    ]
    events: list[Event] = []
    for number, cell in enumerate(cells):
        events += Drawing(_only(cell, wanted), number + 1, differing).events(len(events) + 1)
    if len(events) > MOST_EVENTS:
        raise UsageError(
            f"{len(events):,} events are more than a trace viewer opens quickly "
            f"({MOST_EVENTS:,}); choose fewer with --cell or --requests"
        )
    return msgspec.json.encode({"traceEvents": events, "displayTimeUnit": "ms"})


def _only(cell: Traced, wanted: frozenset[int] | None) -> Traced:
    """The cell with its chosen requests, and what happened to no request meanwhile."""
    chosen = frozenset(cell.stored.cell.timeline) if wanted is None else wanted
    spans = [span for span in cell.spans if not chosen.isdisjoint(span.rows)]
    kept = {row for span in spans for row in span.rows}
    missing = sorted(chosen - kept)
    if missing:
        had = sorted({row for span in cell.spans for row in span.rows})
        raise UsageError(
            f"{cell.stored.cell.key}: no timeline of request {missing[0]}; "
            f"it has {_listed(had)}; choose among them with --requests"
        )
    begin_ns = min(span.begin_ns for span in spans)
    end_ns = max(span.end_ns for span in spans)
    spans += [
        msgspec.structs.replace(span, end_ns=min(span.end_ns, end_ns))
        for span in cell.spans
        if span.job < 0 and begin_ns <= span.begin_ns <= end_ns
    ]
    records = tuple(record for record in cell.records if record.request in kept)
    return Traced(cell.stored, records, tuple(spans))


def _listed(numbers: Sequence[int], most: int = 12) -> str:
    told = ", ".join(map(str, numbers[:most]))
    return f"{told}, …" if len(numbers) > most else told or "none"
