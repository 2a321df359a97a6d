"""The timelines of cells as a trace to look at: what each device and link did for which request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from coinfer.errors import UsageError
from coinfer.report.trace_events import Event, Sheet, Slice
from coinfer.store import Record, Span, StoredCell
from coinfer.suite import AXES

MOST_EVENTS: Final = 200_000
"""A trace with more takes its reader long to open."""

SOURCE: Final = "source"
ENDS: Final = ("crash", "out-of-memory")
"""Faults that cut off what a device computes."""

Message: TypeAlias = tuple[int, str, str, int, str, tuple[int, ...], str]


class Traced(NamedTuple):
    """A cell with what is needed to draw it."""

    stored: StoredCell
    records: tuple[Record, ...]
    spans: tuple[Span, ...]


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
        events += _Drawing(_only(cell, wanted), number + 1, differing).events(len(events) + 1)
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
    spans += [s for s in cell.spans if s.job < 0 and begin_ns <= s.begin_ns <= end_ns]
    records = tuple(record for record in cell.records if record.request in kept)
    return Traced(cell.stored, records, tuple(spans))


class _Drawing:
    """One cell being drawn."""

    def __init__(self, cell: Traced, pid: int, differing: Sequence[str]) -> None:
        self._cell = cell.stored.cell
        self._faults: list[dict[str, Any]] = cell.stored.notes.get("faults", [])
        self._spans = cell.spans
        self._records = {record.request: record for record in cell.records}
        self._begin_ns = min(
            *(r.intended_ns for r in cell.records), *(s.begin_ns for s in cell.spans)
        )
        self._end_ns = max(s.end_ns for s in cell.spans)
        at = self._cell.coordinates
        name = " ".join([str(at["method"]), *(f"{a}={at[a]}" for a in differing if a != "method")])
        labels = f"from {self._begin_ns / 1e6:.3f} ms of the run; {self._cell.key}"
        self._sheet = Sheet(pid, name, labels, self._tracks())
        self._ended: dict[tuple[str, int, int], Slice] = {}
        self._waits: dict[tuple[str, int], list[Span]] = {}

    def events(self, first_id: int) -> list[Event]:
        """All that there is to see."""
        self._draw_requests()
        self._draw_faults()
        self._draw_computations()
        self._draw_messages()
        return self._sheet.events(self._begin_ns, first_id)

    def _tracks(self) -> list[str]:
        """Names of all tracks, in the order in which they stand."""
        channels = list(dict.fromkeys(s.track for s in self._spans if s.kind in ("link",)))
        tracks = ["requests", "faults"]
        for name in (SOURCE, *self._cell.cluster.names):
            tracks += [name, f"{name} queue", f"{name} orders"]
            own = [c for c in channels if c in (f"down:{name}", f"up:{name}")]
            channels = [c for c in channels if c not in own]
            tracks += [f"{c}{what}" for c in own for what in ("", " queue", " in flight")]
        tracks += [f"{c}{what}" for c in channels for what in ("", " queue", " in flight")]
        return [*tracks, "transport"]

    # Requests and faults

    def _draw_requests(self) -> None:
        deadline_ns = round(self._cell.deadline_ms * 1e6)
        for record in self._records.values():
            end_ns = record.answered_ns
            if end_ns is None:
                failed = record.status == "failed"
                end_ns = record.started_ns if failed else record.intended_ns + deadline_ns
            args = {
                name: getattr(record, name)
                for name in ("item", "label", "prediction", "exit", "present", "messages")
            } | {
                f"{part}_ms": getattr(record, f"{part}_ns") / 1e6
                for part in ("compute", "serialise", "link", "queue", "decide")
            }
            name = f"request {record.request}: {record.status}"
            category = "request" if record.answered_ns is not None else "lost"
            self._sheet.slice(Slice("requests", name, category, record.intended_ns, end_ns, args))
            first_ns = record.first_answer_ns
            if first_ns is not None and first_ns != record.answered_ns:
                told = f"request {record.request}: provisional answer"
                self._sheet.instant("requests", first_ns, told, {})

    def _draw_faults(self) -> None:
        """Faults that last while something is seen, and when they were noticed."""
        for fault in self._faults:
            begin_ns = fault.get("injected_ns")
            if begin_ns is None or begin_ns > self._end_ns:
                continue
            planned = fault.get("planned") or {}
            end_ns = fault.get("recovered_ns")
            if end_ns is None:
                duration_ns = planned.get("duration_ns")
                end_ns = begin_ns + duration_ns if duration_ns else self._end_ns
            if end_ns < self._begin_ns:
                continue
            name = f"{fault['kind']} {fault['target']}"
            told = {k: v for k, v in fault.items() if k in ("landed", "observed")}
            seen = max(begin_ns, self._begin_ns), min(end_ns, self._end_ns)
            self._sheet.slice(Slice("faults", name, "fault", *seen, told))
            if begin_ns >= self._begin_ns:
                self._sheet.instant(fault["target"], begin_ns, name, told)
            detected_ns = fault.get("detected_ns")
            if detected_ns is not None and self._begin_ns <= detected_ns <= self._end_ns:
                self._sheet.instant(SOURCE, detected_ns, f"{fault['target']} believed lost", {})

    # Computations

    def _draw_computations(self) -> None:
        steps: dict[tuple[str, int], list[Span]] = {}
        for span in self._spans:
            if span.step >= 0:
                steps.setdefault((span.track, span.step), []).append(span)
        for (track, _), spans in steps.items():
            queue, *parts = sorted(spans, key=lambda s: (s.kind != "queue", s.begin_ns, s.end_ns))
            end_ns = max([queue.end_ns, *(part.end_ns for part in parts)])
            end_ns = self._cut_ns(track, queue.end_ns, end_ns) if queue.lost else end_ns
            fate = self._fate(queue, end_ns)
            name = _named(queue, fate)
            args = {"requests": list(queue.rows), "job": queue.job}
            step = Slice(track, name, fate or "computation", queue.end_ns, end_ns, args)
            for part in parts:
                ends_ns = min(part.end_ns, end_ns)
                if part.begin_ns < ends_ns:
                    inner = Slice(track, part.kind, part.kind, part.begin_ns, ends_ns)
                    step.inner.append(inner)
            self._sheet.slice(step)
            if not queue.lost:
                self._ended[track, queue.job, end_ns] = step
            self._waits.setdefault((track, queue.job), []).append(queue)

    def _fate(self, queue: Span, end_ns: int) -> str:
        """What is to be said of a computation that no answer could rest on."""
        if queue.lost:
            return "lost"
        answers = [self._records[row].answered_ns for row in queue.rows if row in self._records]
        useful = any(answer is not None and end_ns <= answer for answer in answers)
        return "" if useful else "wasted"

    def _cut_ns(self, track: str, begin_ns: int, end_ns: int) -> int:
        """When a computation was cut off that would have ended then."""
        falls: list[int] = [
            fault["injected_ns"]
            for fault in self._faults
            if fault["target"] == track and fault["kind"] in ENDS and fault["injected_ns"]
        ]
        return min([end_ns, *(ns for ns in falls if begin_ns <= ns)])

    # Messages

    def _draw_messages(self) -> None:
        messages: dict[Message, list[Span]] = {}
        for span in self._spans:
            if span.step < 0:
                key = (span.job, span.sender, span.to, span.sent_ns, span.label, span.rows)
                messages.setdefault((*key, span.part), []).append(span)
        crossed: dict[tuple[Any, ...], Slice] = {}
        waited: set[tuple[str, int, int]] = set()
        for spans in messages.values():
            way = [self._sender(spans[0]), *self._way(spans, crossed)]
            arrival = next((s for s in spans if s.kind == "arrival"), None)
            if arrival is not None and not arrival.lost:
                bar = self._sheet.slice(self._inbox(arrival))
                waited.add((arrival.track, bar.begin_ns, bar.end_ns))
                way.append(bar)
            elif arrival is not None:
                where, at_ns = f"{arrival.track} queue", arrival.begin_ns
                mark = Slice(where, _named(arrival, "lost"), "lost", at_ns, at_ns)
                way.append(self._sheet.slice(mark))
            self._sheet.arrow(spans[0].label, way)
        # What waited for a device and for no message: the next stage of it, the source's own.
        for queue in [wait for waits in self._waits.values() for wait in waits]:
            bounds = queue.begin_ns, queue.end_ns
            if queue.begin_ns < queue.end_ns and (queue.track, *bounds) not in waited:
                self._sheet.slice(Slice(f"{queue.track} queue", _named(queue), "queue", *bounds))

    def _sender(self, span: Span) -> Slice:
        """The computation that a message comes from; a mark where there was none."""
        known = self._ended.get((span.sender, span.job, span.sent_ns))
        if known is None:
            track, at_ns = f"{span.sender} orders", span.sent_ns
            known = self._sheet.slice(Slice(track, _named(span), "order", at_ns, at_ns))
            self._ended[span.sender, span.job, at_ns] = known
        return known

    def _way(self, spans: list[Span], crossed: dict[tuple[Any, ...], Slice]) -> list[Slice]:
        """Slices of the links that a message takes; several receivers share a transmission."""
        links = [span for span in spans if span.kind == "link"]
        arrival = next((s for s in spans if s.kind == "arrival"), None)
        first = spans[0]
        name = _named(first)
        told = {
            "requests": list(first.rows),
            "from": first.sender,
            "to": first.to,
            "payload_bytes": first.payload_bytes,
        }
        if not links and arrival is not None and arrival.begin_ns > first.sent_ns:
            bounds = first.sent_ns, arrival.begin_ns
            return [self._sheet.slice(Slice("transport", name, "link", *bounds, told))]
        way = []
        for span in links:
            bounds = span.begin_ns, span.end_ns
            key = (span.track, *bounds, span.sender, span.sent_ns, span.label, span.rows, span.part)
            if key not in crossed:
                category = "lost" if span.lost else "link"
                name = _named(span, "lost" if span.lost else "")
                args = told | {"attempt": span.attempt}
                made = Slice(span.track, name, category, *bounds, args)
                crossed[key] = self._sheet.slice(made)
            way.append(crossed[key])
        for span in spans:
            if span.kind == "queue" and span.begin_ns < span.end_ns:
                self._once(crossed, span, "queue", span.end_ns)
            elif span.kind == "latency":
                last = span is max((s for s in spans if s.kind == "latency"), key=_ended)
                over_ns = arrival.begin_ns if last and arrival is not None else span.end_ns
                self._once(crossed, span, "in flight", max(over_ns, span.end_ns))
        return way

    def _once(
        self, drawn: dict[tuple[Any, ...], Slice], span: Span, what: str, end_ns: int
    ) -> None:
        """Draw what a message does beside a link, once for all that share a transmission."""
        key = (what, span.track, span.begin_ns, end_ns, span.sender, span.sent_ns, span.label)
        if span.begin_ns < end_ns and (*key, span.rows, span.part) not in drawn:
            category = "queue" if what == "queue" else "latency"
            bounds = span.begin_ns, end_ns
            made = Slice(f"{span.track} {what}", _named(span), category, *bounds)
            drawn[(*key, span.rows, span.part)] = self._sheet.slice(made)

    def _inbox(self, arrival: Span) -> Slice:
        """A message from when it is there until a computation takes it; a mark if none does."""
        args = {"requests": list(arrival.rows), "from": arrival.sender}
        at_ns = arrival.begin_ns
        takers = [
            queue.end_ns
            for queue in self._waits.get((arrival.track, arrival.job), ())
            if arrival.label in queue.inputs
            and (queue.begin_ns == at_ns if arrival.track == SOURCE else queue.end_ns >= at_ns)
        ]
        end_ns = min(takers, default=at_ns)
        where = f"{arrival.track} queue"
        return Slice(where, _named(arrival), "queue", at_ns, end_ns, args)


def _named(span: Span, fate: str = "") -> str:
    """What something is, and for which request; Perfetto colours names without their numbers."""
    more = f"+{len(span.rows) - 1}" if len(span.rows) > 1 else ""
    whose = f" #{span.rows[0]}{more}" if span.rows else ""
    return (f"{fate}: " if fate else "") + span.label.rstrip(":") + whose


def _ended(span: Span) -> int:
    return span.end_ns


def _listed(numbers: Sequence[int], most: int = 12) -> str:
    told = ", ".join(map(str, numbers[:most]))
    return f"{told}, …" if len(numbers) > most else told or "none"
